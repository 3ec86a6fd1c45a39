"""The settings that gates and turnstiles share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Assurance, Effect, Facts, ProfileSettings, Reason, Record, Show, Subject, Tone
from profiles.campus import Campus
from profiles.direction import Direction
from profiles.full_disk import FullDisk
from profiles.rules import consent
from profiles.rules.admission import Admission
from profiles.rules.area import Area
from profiles.rules.assisted import Assisted
from profiles.rules.assurance import LeastAssurance
from profiles.rules.codes import CodePolicy
from profiles.rules.duress import Duress
from profiles.rules.minors import Minors
from profiles.rules.schedule import Schedule
from profiles.staff import name_of
from profiles.trace import Asked


class DoorSettings(ProfileSettings):
    """Who may pass, when, and what the lane does about fire and a full disk."""

    admit: Admission
    least_assurance: LeastAssurance = Field(
        default=Assurance.READ, description="uid, read, static-code, dynamic-code …"
    )
    schedule: Schedule = Schedule()
    codes: CodePolicy = CodePolicy()
    minors: Minors = Minors()
    duress: Duress = Duress()
    area: Area | None = Field(default=None, description="what lies behind: anti-passback, people and capacity")
    assisted: Assisted | None = Field(default=None, description="operators who let in whoever has nothing to show")
    campus: Campus | None = Field(default=None, description="a school's gate: terms, leave permits, attendance")
    double_tap_ms: int = Field(default=3_000, ge=0, le=60_000)
    open_pulse_ms: int = Field(default=500, ge=50, le=30_000)
    passage_timeout_ms: int = Field(default=8_000, ge=500, le=120_000)
    fire_input: str | None = Field(default="fire", description="the input that the fire line drives; null if none")
    full_disk: FullDisk = Field(
        default=FullDisk.OPEN_AND_COUNT, description="beyond the journal's reserve: open-and-count, or refuse"
    )

    def on_full_disk(self) -> FullDisk:
        """A door opens."""
        return self.full_disk

    def school_rules(self, direction: Direction, subject: Subject, facts: Facts) -> Iterator[Asked]:
        """What is asked of a school's pupils. A consent that is missing keeps nobody inside."""
        if direction is Direction.IN:
            yield from consent.rules(subject, facts)
        if self.campus is not None:
            yield from self.campus.rules(direction, subject, facts)

    def school_told(self, direction: Direction, subject: Subject, about: bytes, facts: Facts) -> tuple[Record, ...]:
        """What is recorded of a school's pupil who passed."""
        return () if self.campus is None else self.campus.passed(direction, subject, about, facts)

    def welcome(self, direction: Direction, subject: Subject, facts: Facts) -> Show:
        """What the screen says to whoever may pass."""
        said = Reason.GRANTED.citizen if self.campus is None else self.campus.said(direction, subject, facts)
        return Show(said, Tone.OK, name_of(subject, facts))

    def warnings(self, facts: Facts) -> tuple[Effect, ...]:
        """Of calendars that do not know the day."""
        return self.schedule.warning(facts) + (() if self.campus is None else self.campus.warning(facts))

    @model_validator(mode="after")
    def tells_green_from_red(self) -> Self:
        """A red certificate is a credential too: whoever takes health certificates says which colours pass."""
        if self.codes.health is not None and self.admit.everyone:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "接受健康证明的通道不能 everyone: true，请写 entitlements: [health-green]",
                    "en": "with codes.health it must not be everyone: true; write entitlements: [health-green]",
                },
            )
        return self
