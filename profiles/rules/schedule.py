"""When a lane is open: weekly windows in local time."""

from __future__ import annotations

from datetime import datetime, time
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class Day(StrEnum):
    """Days of the week, in the order of ``datetime.weekday()``."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


_DAYS = tuple(Day)


class Window(BaseModel):
    """From ``start`` (included) to ``end`` (excluded); an ``end`` before ``start`` lies on the next day."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    days: tuple[Day, ...] = Field(default=_DAYS, min_length=1, description="days on which the window starts")
    start: time = Field(alias="from", description="HH:MM local time")
    end: time = Field(alias="to", description="HH:MM local time; 00:00 is the end of the day")

    @model_validator(mode="after")
    def not_empty(self) -> Window:
        """A window of no length is a mistake; a whole day is ``00:00`` to ``00:00``."""
        if self.start == self.end and self.start != time.min:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "from 与 to 相同；全天请写 00:00 至 00:00",
                    "en": "from and to are equal; a whole day is 00:00 to 00:00",
                },
            )
        return self

    def holds(self, moment: datetime) -> bool:
        """Whether a local moment lies in the window."""
        today, now = _DAYS[moment.weekday()], moment.time()
        if self.start < self.end:
            return today in self.days and self.start <= now < self.end
        yesterday = _DAYS[(moment.weekday() - 1) % 7]
        return (today in self.days and now >= self.start) or (yesterday in self.days and now < self.end)


class Schedule(BaseModel):
    """A lane without windows is always open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    windows: tuple[Window, ...] = Field(default=(), max_length=32)

    def is_open(self, moment: datetime) -> bool:
        """Whether the lane is open at a local moment."""
        return not self.windows or any(window.holds(moment) for window in self.windows)
