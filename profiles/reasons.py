"""How a reason speaks: the base of every closed ``Reason`` enum, shared and per profile.

A reason has a stable code (it stands in the journal), a sentence for the citizen and one for the technician, each in
Chinese and English, and says whether trying again may help.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

_WENT_WELL = """
    actuated answered-late assisted area-reset asked came-back came-back-late came-in came-in-late collected debt-asked
    duress entered entered-again entered-station escorted fire-cleared foreign-asked granted granted-again
    handed-over handover-confirmed health-shown-green identified left-free left-station-free
    left-station-unpaid left-unpaid lent lent-offline
    library-goodbye library-scan library-scan-offline library-welcome loan-asked meal-counted nothing-owed
    opened-again opened-by-command paid paid-offline passed patron-unblocked receipt-copied refunded registered
    renewal-asked renewed repeated return-asked returned returned-offline shift-closed shift-opened signed-in signed-out
    subsidy-asked subsidy-shown ticket ticket-called ticket-valid trip-asked voided went-on-leave went-out
"""
GOES_ON = frozenset(_WENT_WELL.split())
"""The codes of what is no refusal: it went well, or it is under way. Every other reason refuses, so that one that is
forgotten here is held to what a refusal must say (tests/house/test_next_steps.py)."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence in the two languages of the product."""

    zh: str
    en: str


def counted(count: int, one: str) -> str:
    """How many, in English: ``1 record``, ``2 records``. Of nouns that take an s."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


class ReasonEnum(Enum):
    """Base without members; a member is ``(code, citizen, technician, retry)``."""

    def __init__(self, code: str, citizen: Sentence, technician: Sentence, retry: bool = False) -> None:
        self.code = code
        self.citizen = citizen
        self.technician = technician
        self.retry = retry

    @property
    def refuses(self) -> bool:
        """Whether what it stands for was refused; of a decision, by the last rule that was asked."""
        return self.code not in GOES_ON
