"""How a reason speaks: the base of every closed ``Reason`` enum, shared and per profile.

A reason has a stable code (it stands in the journal), a sentence for the citizen and one for the technician, each in
Chinese and English, and says whether trying again may help.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence in the two languages of the product."""

    zh: str
    en: str


class ReasonEnum(Enum):
    """Base without members; a member is ``(code, citizen, technician, retry)``."""

    def __init__(self, code: str, citizen: Sentence, technician: Sentence, retry: bool = False) -> None:
        self.code = code
        self.citizen = citizen
        self.technician = technician
        self.retry = retry
