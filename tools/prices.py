"""Price lists and tariffs as people write them, in YAML, and the contents of the bundles that they become.

A time without an offset is China's. Whatever the terminal would refuse is refused here, by the terminal's own rules
(:mod:`agent.bundles.priced`); what the file's form alone shows is named by its place in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from agent.bundles.priced import (
    MAX_ITEMS,
    MAX_NAME_CHARS,
    MAX_PLACES,
    MAX_PROMOTIONS,
    MAX_STEPS,
    MAX_TABLES,
    MAX_VALUE,
    ItemRow,
    PairsRow,
    PricesContent,
    PromotionRow,
    StepsRow,
    TariffContent,
    prices_in_force,
    tariff_in_force,
)
from profiles.amounts import MAX_AMOUNT_FEN
from profiles.published import Gives, Per, cells_of

CHINA = timezone(timedelta(hours=8))
_YEARS = range(2000, 10_000)

_Price = Annotated[int, Field(ge=1, le=MAX_AMOUNT_FEN, strict=True)]
_Value = Annotated[int, Field(ge=0, le=MAX_VALUE, strict=True)]
_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
_Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
_Entitlement = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


def _as_time(value: object) -> object:
    """A time in quotes; of what YAML makes by itself nobody knows the zone."""
    try:
        if isinstance(value, str) and datetime.fromisoformat(value).year in _YEARS:
            return value
    except ValueError:
        pass
    raise PydanticCustomError(
        "said",
        "{en}",
        {
            "zh": '应为带引号的时间，如 "2026-12-01 00:00"，且日期存在',
            "en": 'should be a time in quotes, like "2026-12-01 00:00", of a day that exists',
        },
    )


_Time = Annotated[datetime, BeforeValidator(_as_time)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ItemLine(_Part):
    """One thing that is sold."""

    code: str = Field(pattern=r"^[0-9]{1,14}$", description="what the cashier types, or a barcode, in quotes")
    zh: _Name
    en: _Name
    price_fen: _Price
    per: Per = Field(default=Per.PIECE, description="piece, or kg where the scale says how much")


class PriceFile(_Part):
    """A price list."""

    items: tuple[ItemLine, ...] = Field(min_length=1, max_length=MAX_ITEMS)

    def content(self) -> bytes:
        """The content of its bundle. Raises :class:`agent.bundles.errors.BundleError` for what repeats."""
        ordered = sorted(self.items, key=lambda item: item.code)
        rows = (ItemRow(code=i.code, zh=i.zh, en=i.en, price_fen=i.price_fen, per=i.per) for i in ordered)
        content = PricesContent(items=tuple(rows)).encode()
        prices_in_force(content, "", 1)
        return content


class _Windowed(_Part):
    """What holds from one moment until another."""

    id: _Id
    start: _Time = Field(alias="from")
    end: _Time = Field(alias="until")

    def window(self) -> dict[str, Any]:
        """As the content has it."""
        return {"id": self.id, "from_ms": _ms(self.start), "until_ms": _ms(self.end)}


class PromotionLine(_Windowed):
    """What is taken off a price."""

    zh: _Name
    en: _Name
    whose: _Entitlement | None = Field(default=None, alias="for", description="an entitlement, or a price class")
    least_fen: int = Field(default=0, ge=0, le=MAX_AMOUNT_FEN, strict=True)
    percent: int = Field(default=0, ge=0, le=99, strict=True, description="so much of a hundred is taken off")
    off_fen: int = Field(default=0, ge=0, le=MAX_AMOUNT_FEN, strict=True, description="or so many fen")
    most_fen: _Price | None = Field(default=None, description="at most so many fen are taken off")


class StepsTable(_Windowed):
    """``rows``: ``[up to, value]``, rising."""

    gives: Gives = Gives.FEN
    rows: tuple[tuple[_Value, _Value], ...] = Field(min_length=1, max_length=MAX_STEPS)


class PairsTable(_Windowed):
    """``rows``: ``[from, to, value]``."""

    gives: Gives = Gives.FEN
    both_ways: bool = Field(default=False, strict=True, description="each row counts in both directions")
    rows: tuple[tuple[_Id, _Id, _Value], ...] = Field(min_length=1, max_length=MAX_PLACES**2)

    @model_validator(mode="after")
    def each_way_once(self) -> PairsTable:
        """Of two values for one way nobody knows which is meant."""
        ways: set[tuple[str, str]] = set()
        for start, end, _ in self.rows:
            if (start, end) in ways or (self.both_ways and (end, start) in ways):
                raise PydanticCustomError(
                    "said",
                    "{en}",
                    {
                        "zh": f"{start} 到 {end} 有两行，请只留一行",
                        "en": f"there are two rows from {start} to {end}; keep one",
                    },
                )
            ways.add((start, end))
        if len(self.places()) > MAX_PLACES:
            raise PydanticCustomError(
                "said",
                "{en}",
                {"zh": f"最多 {MAX_PLACES} 个地点", "en": f"takes at most {MAX_PLACES} places"},
            )
        return self

    def places(self) -> tuple[str, ...]:
        """Every place of the rows, in order."""
        return tuple(sorted({place for start, end, _ in self.rows for place in (start, end)}))

    def cells(self) -> bytes:
        """As the content has them."""
        values = {(start, end): value for start, end, value in self.rows}
        if self.both_ways:
            values |= {(end, start): value for start, end, value in self.rows}
        return cells_of(self.places(), values)


class TariffFile(_Part):
    """A tariff."""

    promotions: tuple[PromotionLine, ...] = Field(default=(), max_length=MAX_PROMOTIONS)
    steps: tuple[StepsTable, ...] = Field(default=(), max_length=MAX_TABLES)
    pairs: tuple[PairsTable, ...] = Field(default=(), max_length=MAX_TABLES)

    def content(self) -> bytes:
        """The content of its bundle. Raises :class:`agent.bundles.errors.BundleError` for windows that cannot be."""
        promotions = (
            PromotionRow(
                **p.window(), zh=p.zh, en=p.en, whose=p.whose, least_fen=p.least_fen,
                percent=p.percent, off_fen=p.off_fen, most_fen=p.most_fen,
            )
            for p in _ordered(self.promotions)
        )  # fmt: skip
        steps = (StepsRow(**s.window(), gives=s.gives, rows=s.rows) for s in _ordered(self.steps))
        pairs = (
            PairsRow(**p.window(), gives=p.gives, places=p.places(), cells=p.cells()) for p in _ordered(self.pairs)
        )
        content = TariffContent(promotions=tuple(promotions), steps=tuple(steps), pairs=tuple(pairs)).encode()
        tariff_in_force(content, "", 1)
        return content


_W = TypeVar("_W", bound=_Windowed)


def _ordered(entries: Sequence[_W]) -> list[_W]:
    return sorted(entries, key=lambda entry: (entry.id, _ms(entry.start)))


def _ms(moment: datetime) -> int:
    """Unix milliseconds."""
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=CHINA)
    return round((zoned.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
