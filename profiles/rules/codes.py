"""Which codes a lane accepts: how fresh, for what purpose, printed ones or not, and what an untrusted clock allows."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from profiles.purpose import Purpose
from profiles.rules.health import HealthRules

MAX_LIFETIME_MS = 600_000
"""The longest lifetime that any lane may state: how long replay marks are kept follows from it."""
MAX_CLOCK_UNCERTAINTY_MS = 300_000


class UntrustedClock(StrEnum):
    """What a lane does with codes while nobody vouches for the terminal's clock."""

    REFUSE = "refuse"
    JUDGE = "judge"


class ForeignCode(StrEnum):
    """Codes of other systems, by the codes of their reasons."""

    PAYMENT = "payment-code"
    SOCIAL_SECURITY = "social-security-code"
    MEDICAL_INSURANCE = "medical-insurance-code"
    HEALTH = "health-code"


class CodePolicy(BaseModel):
    """Settings of a lane. The defaults let dynamic codes pass that are shown for anything, or for passing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lifetime_ms: int = Field(
        default=60_000, ge=5_000, le=MAX_LIFETIME_MS, description="a code that was shown longer ago is refused"
    )
    skew_ms: int = Field(default=5_000, ge=0, le=60_000, description="how far a phone's clock may run ahead")
    purposes: frozenset[Purpose] = Field(
        default=frozenset({Purpose.ANY, Purpose.PASS}),
        description="any, pass, pay, borrow, identify: what the lane is for, and 'any' if it takes codes for anything",
    )
    static: bool = Field(default=False, description="whether printed codes, which anybody can copy, are accepted")
    max_clock_uncertainty_ms: int = Field(
        default=60_000,
        ge=0,
        le=MAX_CLOCK_UNCERTAINTY_MS,
        description="beyond it the clock counts as untrusted; up to it the benefit of the doubt is the citizen's",
    )
    untrusted_clock: UntrustedClock = Field(
        default=UntrustedClock.REFUSE,
        description="refuse: no code is accepted; judge: by the clock as it stands, so old screenshots may pass",
    )
    health: HealthRules | None = Field(
        default=None, description="the rules by which health certificates (HC1:) are taken; null: they are not"
    )

    @field_validator("purposes", mode="before")
    @classmethod
    def by_name(cls, value: object) -> object:
        """Read purposes by their names, as people write them."""
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise PydanticCustomError("said", "{en}", {"zh": "应为用途的列表", "en": "should be a list of purposes"})
        return frozenset(_purpose(item) for item in value)

    @field_validator("purposes")
    @classmethod
    def names_a_use(cls, value: frozenset[Purpose]) -> frozenset[Purpose]:
        """What an issuer's codes may be used for is held against the lane's own purpose, so there must be one."""
        if not value - {Purpose.ANY}:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "须写明通道用途：pass、pay、borrow 或 identify",
                    "en": "name what the lane is for: pass, pay, borrow or identify",
                },
            )
        return value

    def believes(self, *, untrusted: bool, uncertainty_ms: int) -> bool:
        """Whether the lane judges codes by a clock in this state."""
        certain = not untrusted and uncertainty_ms <= self.max_clock_uncertainty_ms
        return certain or self.untrusted_clock is UntrustedClock.JUDGE

    def allows(self, purpose: int | None, issuer: frozenset[Purpose]) -> bool:
        """Whether a code shown for ``purpose`` (a :class:`Purpose`, any number; ``None``: a static code) counts here.

        ``issuer`` is what the issuer's codes are good for; ``ANY`` there bounds nothing.
        """
        if purpose is not None and purpose not in self.purposes:
            return False
        uses = {use for use in self.purposes if use and purpose in (None, Purpose.ANY, use)}
        return Purpose.ANY in issuer or not issuer.isdisjoint(uses)


class AskingCodes(CodePolicy):
    """The same of a scene that has the platform read codes of other systems (:mod:`profiles.foreign`)."""

    ask: frozenset[ForeignCode] = Field(
        default=frozenset(), description="codes of other systems that the platform is asked about"
    )


def _purpose(item: object) -> Purpose:
    if isinstance(item, Purpose):
        return item
    names = {purpose.name.lower(): purpose for purpose in Purpose}
    if not isinstance(item, str) or item not in names:
        raise PydanticCustomError(
            "said",
            "{en}",
            {"zh": f"每项应为 {'、'.join(names)} 之一", "en": f"each should be one of {', '.join(names)}"},
        )
    return names[item]
