"""Age: who is a minor, and what a place allows minors.

A credential carries no date of birth, and a record none either: age is an entitlement that an issuer signed (a code, a
register) or the category in the site's roster. Whoever has neither is of unknown age; a place says what that counts as.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from profiles.api import Credential, Facts
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.schedule import Schedule
from profiles.trace import Asked, Rule

_S = Sentence
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class AgeReason(ReasonEnum):
    """What a place says to minors."""

    ADULTS_ONLY = (
        "adults-only",
        _S("此处仅限成年人，请到服务台咨询", "Only adults may enter here; please ask at the service desk"),
        _S("未成年人，或年龄未知", "a minor, or of unknown age"),
    )
    MINORS_HOURS = (
        "minors-hours",
        _S("现在不是未成年人的开放时间，请换个时间来", "Minors may not enter now; please come at another time"),
        _S("不在未成年人开放时段内", "outside the hours for minors"),
    )


class Allowed(StrEnum):
    """What minors may do."""

    ALWAYS = "always"
    IN_HOURS = "in-hours"
    NEVER = "never"


class Unknown(StrEnum):
    """What somebody of unknown age counts as."""

    ADULT = "adult"
    MINOR = "minor"


class Minors(BaseModel):
    """Settings of one lane."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allowed: Allowed = Field(default=Allowed.ALWAYS, description="always, in-hours or never")
    hours: Schedule = Schedule()
    minor: frozenset[_Name] = Field(
        default=frozenset({"minor", "pupil"}), description="entitlements and roster categories of minors"
    )
    adult: frozenset[_Name] = Field(default=frozenset({"adult"}), description="the same of adults")
    unknown: Unknown = Field(default=Unknown.ADULT, description="what a person of unknown age counts as")

    def rules(self, credential: Credential, facts: Facts) -> Iterator[Asked]:
        """Whether age speaks against it. Somebody who is called both counts as a minor."""
        if self.allowed is Allowed.NEVER:
            yield Rule.AGE, not self._is_minor(credential, facts), AgeReason.ADULTS_ONLY
        elif self.allowed is Allowed.IN_HOURS:
            open_now = self.hours.is_open(facts.local_time)
            yield Rule.AGE, open_now or not self._is_minor(credential, facts), AgeReason.MINORS_HOURS

    def _is_minor(self, credential: Credential, facts: Facts) -> bool:
        person = facts.person(credential.subject)
        called = credential.entitlements | (frozenset() if person is None else frozenset({person.category}))
        if not called.isdisjoint(self.minor):
            return True
        return self.unknown is Unknown.MINOR and called.isdisjoint(self.adult)
