"""Prices by number: the signed price list of a name, or the lines of the terminal's own configuration."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Facts
from profiles.published import Item, Per
from profiles.reasons import Sentence
from profiles.rules.meals import PriceFen

MAX_NUMBER = 9_999


class Dish(BaseModel):
    """One line of the configuration's price list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(ge=1, le=MAX_NUMBER, strict=True, description="what the cashier types")
    name: str = Field(default="", max_length=32, description="what the menu calls it")
    en: str = Field(default="", max_length=32, description="the same in English; empty: as name")
    price_fen: PriceFen
    per: Per = Field(default=Per.PIECE, description="piece, or kg where it is weighed")

    @property
    def item(self) -> Item:
        """The same as a signed list has it."""
        zh = self.name or f"菜号 {self.number}"
        name = Sentence(zh, self.en or self.name or f"Dish {self.number}")
        return Item(str(self.number), name, self.price_fen, self.per)


class PriceList(BaseModel):
    """Where prices come from: a signed list, or dishes by their numbers, each once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bundle: str | None = Field(
        default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="the signed price list of this name"
    )
    dishes: tuple[Dish, ...] = Field(default=(), max_length=1_000)

    @field_validator("dishes")
    @classmethod
    def each_once(cls, value: tuple[Dish, ...]) -> tuple[Dish, ...]:
        """Of two prices for one number nobody knows which is meant."""
        numbers: set[int] = set()
        for dish in value:
            if dish.number in numbers:
                raise PydanticCustomError(
                    "said",
                    "{en}",
                    {
                        "zh": f"菜号 {dish.number} 有两行，请只留一行",
                        "en": f"dish {dish.number} stands in two lines; keep one",
                    },
                )
            numbers.add(dish.number)
        return value

    @model_validator(mode="after")
    def one_source(self) -> PriceList:
        """A price comes from one place."""
        if self.bundle is not None and self.dishes:
            raise PydanticCustomError(
                "said", "{en}", {"zh": "bundle 与 dishes 只写一个", "en": "give either bundle or dishes, not both"}
            )
        return self

    @property
    def is_given(self) -> bool:
        """Whether anything is priced here at all."""
        return self.bundle is not None or bool(self.dishes)

    def in_force(self, facts: Facts) -> str | None:
        """Name and version of the signed list, as records have it; empty for the configuration's own lines.

        ``None`` where the signed list is not installed, is damaged or has expired: then nothing has a price.
        """
        if self.bundle is None:
            return ""
        prices = facts.prices(self.bundle)
        return None if prices is None else f"{prices.name}/{prices.version}"

    def item(self, code: str, facts: Facts) -> Item | None:
        """What has this number or barcode; ``None`` if nothing has."""
        if self.bundle is not None:
            prices = facts.prices(self.bundle)
            return None if prices is None else prices.items.get(code)
        return next((dish.item for dish in self.dishes if str(dish.number) == code), None)
