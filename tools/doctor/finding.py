"""What a check found: one line for a technician, with the next step where something is to be done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from profiles.reasons import Sentence
from tools.doctor.patient import Patient


class Verdict(StrEnum):
    """How a line is meant. ``unknown`` is what this machine does not tell, or what was not tried: it is no fault."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """``check`` and ``fault`` are codes for machines, ``about`` the device, list, file or host that it concerns.

    ``quotes`` marks a sentence that repeats what somebody typed into a configuration: a report leaves it out.
    """

    check: str
    verdict: Verdict
    said: Sentence
    about: str = ""
    fault: str = ""
    remedy: Sentence | None = None
    quotes: bool = False

    def __post_init__(self) -> None:
        if self.verdict in (Verdict.WARN, Verdict.FAIL) and (self.remedy is None or not self.fault):
            raise ValueError(f"{self.check}: what is wrong has a fault and a remedy")


Family = Callable[[Patient], Iterable[Finding]]
"""All checks of one family. Blocking; each family has a thread of its own."""


def ok(check: str, zh: str, en: str, about: str = "") -> Finding:
    """Nothing is to be done."""
    return Finding(check, Verdict.OK, Sentence(zh, en), about)


def unknown(check: str, zh: str, en: str, about: str = "") -> Finding:
    """Nobody can tell, or it was not tried."""
    return Finding(check, Verdict.UNKNOWN, Sentence(zh, en), about)


def warn(check: str, fault: str, said: Sentence, remedy: Sentence, about: str = "") -> Finding:
    """It works, and somebody should look at it."""
    return Finding(check, Verdict.WARN, said, about, fault, remedy)


def fail(check: str, fault: str, said: Sentence, remedy: Sentence, about: str = "") -> Finding:
    """It does not work."""
    return Finding(check, Verdict.FAIL, said, about, fault, remedy)
