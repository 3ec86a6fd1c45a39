"""A pupil as rosters and configurations write one (:mod:`profiles.pupil`)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from profiles.pupil import MAX_LEAVES, Consent, Leave, Pupil

MaskedName = Annotated[str, StringConstraints(pattern=r"^[^*\s]\*{1,8}[^*\s]?$")]
"""Of a name the first character, and the last one at most: whole names stand on no terminal."""
MAX_LIMIT_FEN = 10_000_000


class LeaveConfig(BaseModel):
    """One leave permit."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: AwareDatetime = Field(alias="from", description='out from then on: "2026-11-27T16:00+08:00"')
    until: AwareDatetime = Field(description="and back by then")

    @model_validator(mode="after")
    def ends_later(self) -> Self:
        """A permit that ends before it begins lets nobody out, and nobody would see why."""
        if self.until <= self.from_:
            raise PydanticCustomError(
                "said", "{en}", {"zh": "until 应晚于 from", "en": "until should be later than from"}
            )
        return self


class PupilConfig(BaseModel):
    """What a school says of a pupil."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    consent: Consent = Field(description="below 14 a guardian consents: not-needed, given or missing")
    boards: bool = Field(default=False, description="lives at the school: leaves it with a permit only")
    day_limit_fen: int | None = Field(
        default=None, ge=0, le=MAX_LIMIT_FEN, strict=True, description="the guardian's bound on a day's spending"
    )
    leaves: tuple[LeaveConfig, ...] = Field(default=(), max_length=MAX_LEAVES, description="leave permits")

    def known(self) -> Pupil:
        """The same as profiles have it."""
        leaves = tuple(Leave(_ms(leave.from_), _ms(leave.until)) for leave in self.leaves)
        return Pupil(self.consent, self.boards, self.day_limit_fen, leaves)


def _ms(moment: AwareDatetime) -> int:
    return round(moment.timestamp() * 1000)
