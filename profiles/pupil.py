"""What a school's roster says of a pupil beside class and areas: consent, boarding, limit and leave permits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_LEAVES = 8


class Consent(StrEnum):
    """Whether a guardian has agreed that the pupil is served by card and code (个人信息保护法 art. 31: below 14)."""

    NOT_NEEDED = "not-needed"
    GIVEN = "given"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Leave:
    """One leave permit: out from, and back by. Unix milliseconds."""

    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Pupil:
    """One pupil at one school. The terminal is not told an age, only whether somebody had to consent and did."""

    consent: Consent
    boards: bool = False
    day_limit_fen: int | None = None
    """What the guardian lets the pupil spend on one day; ``None``: no bound."""
    leaves: tuple[Leave, ...] = ()
