"""Prices by dish number."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from profiles.rules.meals import PriceFen

MAX_NUMBER = 9_999


class Dish(BaseModel):
    """One line of a price list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(ge=1, le=MAX_NUMBER, strict=True, description="what the cashier types")
    name: str = Field(default="", max_length=32, description="what the menu calls it")
    price_fen: PriceFen


class PriceList(BaseModel):
    """Dishes by their numbers, each once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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

    def price(self, number: int) -> int | None:
        """What a dish costs, in fen; ``None`` if the list does not have it."""
        return next((dish.price_fen for dish in self.dishes if dish.number == number), None)
