"""Money, and what a profile may ask the platform while somebody waits.

A question is asked by the effect :class:`profiles.api.Ask`, after the record beside it is on the disk. Exactly one of
:class:`Answered` and :class:`Unanswered` comes back about it, at the latest at its deadline, unless the terminal is
started anew meanwhile: then :class:`profiles.api.Restarted` comes instead. :class:`AnsweredLate` may follow an
``Unanswered``; it is there to be recorded, and nothing else.

Of a payment there is one intent, whose id stands in the question and in every record about it. The rules, by which the
platform captures it once and every hold ends:

1. a record of kind ``asked`` with the intent precedes the question;
2. each ``asked`` is followed by exactly one record of the same intent that refers to it: a ``payment``, which captures,
   or a ``reversal``, after which nothing is held or captured;
3. a ``payment`` of which the citizen was told that it did not happen is followed by a ``reversal``; over a restart too,
   which takes back one whose :class:`Confirmed` was not saved;
4. an authorisation that came too late is followed by a ``release``: it ends the hold, and leaves a payment as it is.

What an operator gives back later is the same intent's: the whole of it by a ``reversal``, a part by a ``refund``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from profiles.subsidies import QuerySubsidies, Subsidies


class Money(NamedTuple):
    """What moves, in fen, under one intent. Negative when it goes back; ``business_date`` is ``YYYYMMDD``."""

    amount_fen: int
    intent_id: bytes
    """16 bytes."""
    merchant: str
    business_date: str
    operator: str | None = None
    shift: str | None = None
    account: str | None = None
    """``credit`` where the payment settles what the person owes."""
    funds: Mapping[str, int] = MappingProxyType({})
    """The amount by source (subsidy, purse …); empty, or its sum is ``amount_fen``."""

    def back(self) -> Money:
        """The same, going back."""
        funds = {name: -amount_fen for name, amount_fen in self.funds.items()}
        return self._replace(amount_fen=-self.amount_fen, funds=funds)


# Questions -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Authorise:
    """May this be paid? A yes is a hold that ends by itself."""

    money: Money
    accounts: tuple[tuple[str, int], ...] = ()
    """The accounts among which the holder's share may be divided, in order, each with the most it may pay."""


@dataclass(frozen=True, slots=True)
class QueryBalance:
    """What may still be spent of an account; of the person's only one, if it is not named."""

    account: str | None = None


@dataclass(frozen=True, slots=True)
class Renew:
    """May this loan be kept longer?"""

    loan: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Resolve:
    """Whose code is this? The agent seals it for the platform."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class QueryTravel:
    """Where has this person come in on a line, and what has the person travelled?"""

    line: str


@dataclass(frozen=True, slots=True)
class ClaimReturn:
    """May something go back of another till's sale? A yes is a claim on it, until the journal tells its end."""

    return_id: bytes
    """16 bytes; the intent id of the record that gives it back, or gives the claim up."""
    number: int
    """The sale's, as its receipt has it."""
    amount_fen: int | None
    """``None``: all that is left."""
    merchant: str
    business_date: str


Question = Authorise | QueryBalance | Renew | Resolve | QueryTravel | QuerySubsidies | ClaimReturn


# Answers -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Authorised:
    """The amount is held. ``balance_fen`` is what remains beside it, where the platform tells."""

    intent_id: bytes
    amount_fen: int
    balance_fen: int | None = None
    accounts: Mapping[str, int] | None = None
    """Who pays what, where accounts were offered."""


@dataclass(frozen=True, slots=True)
class Declined:
    """No, to any question. ``code`` is open: docs/contract.md lists those of this version."""

    code: str


@dataclass(frozen=True, slots=True)
class Balance:
    """What may still be spent."""

    balance_fen: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """The loan is due then."""

    due_ms: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """Whose code it is."""

    namespace: str
    subject: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Travelled:
    """What the platform has heard of, which is not all that happened."""

    station: str | None = field(default=None, repr=False)
    entered_ms: int | None = field(default=None, repr=False)
    """Where and when the trip began that is open; neither where there is none."""
    last_ms: int | None = field(default=None, repr=False)
    """When the last ride was paid, on whatever line."""
    spent_fen: int = field(default=0, repr=False)
    spent_date: str | None = field(default=None, repr=False)
    """What the person's own account paid for rides on this business date."""


@dataclass(frozen=True, slots=True)
class ReturnClaimed:
    """So much goes back, to these funds; nobody else gives it back meanwhile."""

    return_id: bytes
    funds: Mapping[str, int]


Answer = Authorised | Declined | Balance | Renewed | Resolved | Travelled | Subsidies | ReturnClaimed


# Events --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answered:
    """The platform's answer, in time."""

    about: bytes
    answer: Answer


@dataclass(frozen=True, slots=True)
class Unanswered:
    """There is no platform now, or it has not answered by the deadline: decide without it."""

    about: bytes


@dataclass(frozen=True, slots=True)
class AnsweredLate:
    """An authorisation came after the deadline. Nothing may follow from it but its record."""

    about: bytes
    answer: Authorised


@dataclass(frozen=True, slots=True)
class NotRecorded:
    """What followed from an answer could not be recorded in time, and the citizen was told so."""

    about: bytes


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The payment that followed was on the disk in time, and the citizen was told so.

    What a profile saves of this is what tells a restart that nobody was told otherwise.
    """

    about: bytes


Reply = Answered | Unanswered | AnsweredLate | NotRecorded | Confirmed
"""What can come of a question."""
