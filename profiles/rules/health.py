"""What a health certificate counts for: green, amber or red, by time windows from the configuration.

These are the operator's rules and nobody's law: the defaults are an example. A statement is *green* from the start of
its kind's window until ``green_until_h`` after the event, *amber* until ``amber_until_h``, and *red* before, after and
in all other cases. The event is the last dose, the sample, or the first positive test of a recovery. Beside the window:

- a disease that is not among ``diseases`` is red;
- a test that found the disease is red;
- an incomplete course of vaccination is amber at best.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator

_HOUR_MS = 3_600_000
_DAY_H = 24
_MAX_H = 100 * 366 * _DAY_H
_COVID_19 = "840539006"


class Colour(StrEnum):
    """The result, as the entitlement that a credential then carries."""

    GREEN = "health-green"
    AMBER = "health-amber"
    RED = "health-red"


class Kind(StrEnum):
    """What a certificate states."""

    VACCINATION = "vaccination"
    MOLECULAR_TEST = "molecular-test"
    ANTIGEN_TEST = "antigen-test"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Finding:
    """The little of a certificate that the rules need; it names nobody."""

    kind: Kind
    disease: str
    """SNOMED CT code."""
    at_ms: int
    """When the event was, Unix milliseconds."""
    complete: bool = True
    """A vaccination: whether the course was completed."""
    detected: bool = False
    """A test: whether it found the disease."""


class Window(BaseModel):
    """Hours after the event."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_h: int = Field(default=0, ge=0, le=_MAX_H, description="counts from so many hours after the event")
    green_until_h: int = Field(ge=0, le=_MAX_H, description="green before so many hours after the event")
    amber_until_h: int = Field(ge=0, le=_MAX_H, description="then amber before so many hours after the event")

    @model_validator(mode="after")
    def in_order(self) -> Window:
        """A window that ends before it begins is a slip of the pen."""
        if not self.from_h <= self.green_until_h <= self.amber_until_h:
            raise ValueError("from_h <= green_until_h <= amber_until_h")
        return self


class HealthRules(BaseModel):
    """Settings of a lane that takes health certificates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    diseases: frozenset[str] = Field(
        default=frozenset({_COVID_19}), description="SNOMED CT codes of the diseases that count"
    )
    vaccination: Window = Window(from_h=14 * _DAY_H, green_until_h=270 * _DAY_H, amber_until_h=365 * _DAY_H)
    molecular_test: Window = Window(green_until_h=48, amber_until_h=72)
    antigen_test: Window = Window(green_until_h=24, amber_until_h=48)
    recovery: Window = Window(from_h=11 * _DAY_H, green_until_h=180 * _DAY_H, amber_until_h=210 * _DAY_H)

    def colour(self, finding: Finding, now_ms: int) -> Colour:
        """The result at a moment."""
        window = self._window(finding.kind)
        age_ms = now_ms - finding.at_ms
        counts = window.from_h * _HOUR_MS <= age_ms < window.amber_until_h * _HOUR_MS
        if not counts or finding.disease not in self.diseases or finding.detected:
            return Colour.RED
        green = finding.complete and age_ms < window.green_until_h * _HOUR_MS
        return Colour.GREEN if green else Colour.AMBER

    def _window(self, kind: Kind) -> Window:
        match kind:
            case Kind.VACCINATION:
                return self.vaccination
            case Kind.MOLECULAR_TEST:
                return self.molecular_test
            case Kind.ANTIGEN_TEST:
                return self.antigen_test
            case Kind.RECOVERY:
                return self.recovery
