"""Sessions of a day (场次): who has reserved one, and how many may still come without.

A reservation is an area in the site's roster that is named after the session and its day, such as ``am-20261126``: the
reservation system makes the roster, and terminals decide by it without a network. Who comes without a reservation is
counted in a durable mark by session and day, which all lanes of a terminal share.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Facts, Mark
from profiles.dates import midnight_ms
from profiles.person import Person
from profiles.rules.local_time import LocalTime
from profiles.rules.tally import count, counted

SCOPE = "sessions.walk-ins"
MAX_SESSIONS = 24

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,19}$")]


class Session(BaseModel):
    """From ``start`` (included) to ``end`` (excluded), local time, within one day."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Name
    start: LocalTime = Field(alias="from", description="HH:MM local time")
    end: LocalTime = Field(alias="to", description="HH:MM local time, later on the same day")
    walk_ins: int | None = Field(
        default=None, ge=0, le=1_000_000, description="so many come without a reservation; null: no bound"
    )

    @model_validator(mode="after")
    def ends_later(self) -> Session:
        """A session does not go past midnight: its reservations are of one day."""
        if self.start >= self.end:
            raise PydanticCustomError(
                "said",
                "{en}",
                {"zh": "to 应晚于 from，且在同一天", "en": "to should be later than from, on the same day"},
            )
        return self

    def on(self, day: date) -> str:
        """What its reservations and its count are called on that day."""
        return f"{self.name}-{day:%Y%m%d}"

    def holds(self, moment: datetime, early_ms: int = 0) -> bool:
        """Whether a local moment lies in it, or so shortly before it."""
        begins = datetime.combine(moment.date(), self.start, moment.tzinfo) - timedelta(milliseconds=early_ms)
        return begins <= moment and moment.time() < self.end


class Sessions(BaseModel):
    """The sessions of every day, in their order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    each: tuple[Session, ...] = Field(min_length=1, max_length=MAX_SESSIONS)
    early_ms: int = Field(
        default=900_000, ge=0, le=7_200_000, description="so long before its session a reservation lets in"
    )

    @model_validator(mode="after")
    def one_at_a_time(self) -> Sessions:
        """Two sessions at once could not be told apart, nor two of one name."""
        names = [session.name for session in self.each]
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError(
                    "said",
                    "{en}",
                    {"zh": f"场次 {name} 出现两次，请改名", "en": f"{name} stands here twice; rename one"},
                )
        for before, after in pairwise(self.each):
            if after.start < before.end:
                said = {
                    "zh": f"场次 {after.name} 在 {before.name} 结束前开始；请按时间排列，不得重叠",
                    "en": f"{after.name} begins before {before.name} ends; put them in order, without overlap",
                }
                raise PydanticCustomError("said", "{en}", said)
        return self

    def now(self, moment: datetime) -> Session | None:
        """The session that is on."""
        return next((session for session in self.each if session.holds(moment)), None)

    def reserved(self, person: Person | None, moment: datetime) -> Session | None:
        """The session that this person has reserved and may enter now."""
        return next(
            (
                session
                for session in self.each
                if session.holds(moment, self.early_ms) and _has(person, session, moment.date())
            ),
            None,
        )

    def reserved_later(self, person: Person | None, moment: datetime) -> Session | None:
        """The next session of today that this person has reserved, and that has not begun."""
        return next(
            (
                session
                for session in self.each
                if moment.time() < session.start and _has(person, session, moment.date())
            ),
            None,
        )

    def fits(self, session: Session, people: int, facts: Facts) -> bool:
        """Whether so many more may come without a reservation."""
        return session.walk_ins is None or walked_in(session, facts) + people <= session.walk_ins

    def came(self, session: Session, people: int, facts: Facts) -> Mark:
        """The mark after they came, or (negative) did not after all."""
        ends_ms = midnight_ms(facts)
        return count(SCOPE, _key(session, facts), people, ends_ms, facts)


def walked_in(session: Session, facts: Facts) -> int:
    """How many came without a reservation so far."""
    return counted(SCOPE, _key(session, facts), facts)


def _has(person: Person | None, session: Session, day: date) -> bool:
    return person is not None and session.on(day) in person.areas


def _key(session: Session, facts: Facts) -> bytes:
    return session.on(facts.local_time.date()).encode()
