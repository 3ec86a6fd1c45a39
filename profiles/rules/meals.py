"""Meal periods by local time, what a meal costs in each and for whom, and the business date (日切).

Periods are named, lie within one day and do not overlap; a moment between them has none. The business date changes at
``day_starts``, which lies in no period: before it, it is still yesterday's, so that a night shift's supper is booked on
the day that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from profiles.dates import DAY, compact
from profiles.rules.admission import Entitlement
from profiles.rules.local_time import LocalTime

MAX_PRICE_FEN = 10_000_000
PeriodName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
PriceFen = Annotated[int, Field(ge=1, le=MAX_PRICE_FEN, strict=True)]


class MealPeriod(BaseModel):
    """One meal of the day, from ``start`` (included) to ``end`` (excluded), and its prices."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: PeriodName = Field(description="as the journal has it: breakfast, lunch …")
    start: LocalTime = Field(alias="from", description="HH:MM local time, in quotes")
    end: LocalTime = Field(alias="to", description='HH:MM local time, in quotes; "00:00" is the end of the day')
    price_fen: PriceFen | None = Field(default=None, description="what one meal costs, where meals have one price")
    prices_fen: Mapping[Entitlement, PriceFen] = Field(
        default_factory=dict,
        max_length=32,
        description="the same by an entitlement, or by the roster's price class; the first that fits",
    )
    guest_fen: PriceFen | None = Field(default=None, description="what a guest's meal costs; null: as for anybody")

    @model_validator(mode="after")
    def within_a_day(self) -> MealPeriod:
        """A meal across midnight would belong to two days."""
        if self.end != time.min and self.start >= self.end:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": f"餐段 {self.name} 的 from 应早于 to；餐段不能跨零点，请分成两段",
                    "en": f"{self.name}: from must be before to; a meal period does not cross midnight, make it two",
                },
            )
        if self.price_fen is None and (self.prices_fen or self.guest_fen):
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": f"餐段 {self.name} 有分类价，还须写 price_fen：其他人的价格",
                    "en": f"{self.name}: beside special prices there must be price_fen, the price for everybody else",
                },
            )
        return self

    def holds(self, moment: time) -> bool:
        """Whether a local time lies in the period."""
        return self.start <= moment and (self.end == time.min or moment < self.end)

    def price(self, classes: frozenset[str]) -> int | None:
        """What one meal costs the holder of these, in fen; ``None`` where meals have no one price."""
        special = (fen for each, fen in self.prices_fen.items() if each in classes)
        return next(special, self.price_fen)

    @property
    def guest_price_fen(self) -> int | None:
        """What one guest's meal costs."""
        return self.guest_fen or self.price_fen


class Meals(BaseModel):
    """The meals of a canteen's day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    day_starts: LocalTime = Field(default=time.min, description="HH:MM local time at which the business date changes")
    periods: tuple[MealPeriod, ...] = Field(max_length=12)

    @model_validator(mode="after")
    def apart(self) -> Meals:
        """No two periods have a name or a moment in common, and none is cut by the change of the date."""
        if not self.periods:
            raise PydanticCustomError("said", "{en}", {"zh": "至少写一个餐段", "en": "name at least one meal period"})
        names = [period.name for period in self.periods]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise PydanticCustomError(
                "said", "{en}", {"zh": f"餐段 {twice} 有两个", "en": f"two periods are called {twice}"}
            )
        in_order = sorted(self.periods, key=lambda period: period.start)
        for earlier, later in pairwise(in_order):
            if earlier.holds(later.start):
                raise PydanticCustomError(
                    "said",
                    "{en}",
                    {
                        "zh": f"餐段 {earlier.name} 与 {later.name} 重叠",
                        "en": f"the periods {earlier.name} and {later.name} overlap",
                    },
                )
        for period in self.periods:
            if period.holds(self.day_starts) and period.start != self.day_starts:
                raise PydanticCustomError(
                    "said",
                    "{en}",
                    {
                        "zh": f"日切时间 day_starts 在餐段 {period.name} 之中",
                        "en": f"day_starts, the change of the business date, lies within {period.name}",
                    },
                )
        return self

    def at(self, moment: datetime) -> MealPeriod | None:
        """The period of a local moment."""
        now = moment.time()
        for period in self.periods:
            if period.holds(now):
                return period
        return None

    def business_date(self, moment: datetime) -> str:
        """The business date of a local moment, ``YYYYMMDD``."""
        day = moment.date() if moment.time() >= self.day_starts else moment.date() - DAY
        return compact(day)

    def day_left_ms(self, moment: datetime) -> int:
        """How long the business date of a local moment still lasts, at least a millisecond."""
        cut = datetime.combine(moment.date(), self.day_starts, moment.tzinfo)
        ends = cut if moment < cut else cut + DAY
        return max(1, round((ends - moment).total_seconds() * 1000))
