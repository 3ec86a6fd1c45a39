"""What a profile may ask the library's own system, and what is kept for it while it is away.

A demand is made by the effect :class:`AskLibrary`, after the record beside it is on the disk. Exactly one of
:class:`LibraryAnswered` and :class:`LibrarySilent` comes back about it, at the latest at its deadline, unless the
terminal is started anew meanwhile: then :class:`profiles.api.Restarted` comes instead. Of :class:`ClosePatron` nothing
comes back.

What the library must still be told is a :class:`Defer`, kept in the transaction of the record beside it and carried out
in that order once the library is there again (:mod:`agent.sip2.upload`). The rules, by which nothing is lent twice and
nothing is forgotten:

1. a record of kind ``loan-asked`` precedes each demand about an item;
2. each is followed by exactly one ``loan``, ``return`` or ``renewal``, or by an ``outcome`` that says why not;
3. what the citizen was told has happened is told to the library, and what he was not told and is known to have happened
   there is withdrawn;
4. what may have happened there, and he was not told, is looked up and shown to a person.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Act(StrEnum):
    """What is done with an item."""

    CHECKOUT = "checkout"
    CHECKIN = "checkin"
    RENEW = "renew"


class Mode(StrEnum):
    """How the library is told of it afterwards."""

    SEND = "send"
    """It has happened here; tell it."""
    VERIFY = "verify"
    """It has happened here, and the library may know already: look first, then tell it if it does not."""
    WITHDRAW = "withdraw"
    """The library did it and nobody was told: take it back."""
    LOOK = "look"
    """The library may have done it and nobody was told: look, and leave what is to be done to a person."""


class Cause(StrEnum):
    """Why the library will not do it."""

    ITEM_UNKNOWN = "item-unknown"
    ITEM_NOT_LENDABLE = "item-not-lendable"
    ITEM_AWAY = "item-away"
    ITEM_RESERVED = "item-reserved"
    ITEM_LOST = "item-lost"
    NOT_RENEWABLE = "not-renewable"
    OTHER = "other"


class Block(StrEnum):
    """Why a reader may not borrow now."""

    UNKNOWN = "unknown"
    CARD_LOST = "card-lost"
    OVERDUE = "overdue"
    FINES = "fines"
    TOO_MANY = "too-many"
    DENIED = "denied"


# Demands -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenPatron:
    """Who is this reader, and how does he stand?"""

    patron: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClosePatron:
    """He has left."""

    patron: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Handle:
    """Lend, take back or renew an item, at that moment. A return has no reader."""

    act: Act
    item: str = field(repr=False)
    patron: str | None = field(repr=False)
    at_ms: int


Demand = OpenPatron | ClosePatron | Handle


# Answers -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """How a reader stands. ``charged`` are the items that he has, as far as the library lists them."""

    charged: frozenset[str] = field(repr=False)
    charged_count: int
    overdue_count: int
    fine_fen: int | None
    block: Block | None


@dataclass(frozen=True, slots=True)
class Done:
    """It is done. ``due_ms`` where the library says when it is due; ``desensitise``: its tag is to be silenced."""

    due_ms: int | None = None
    desensitise: bool = False
    resensitise: bool = False
    """Of a return: its tag is to be made live again."""
    set_aside: bool = False
    """Of a return: it goes to a person and not on the shelf."""


@dataclass(frozen=True, slots=True)
class NotDone:
    """It is not done."""

    cause: Cause


LibraryAnswer = Account | Done | NotDone


# Effects and events --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AskLibrary:
    """Ask the library; ``about`` is the id of the record that says so."""

    demand: Demand
    deadline_ms: int
    about: bytes


@dataclass(frozen=True, slots=True)
class Defer:
    """Tell the library later. ``id`` is that of the record which says that it happened."""

    id: bytes
    act: Act
    mode: Mode
    item: str = field(repr=False)
    patron: str | None = field(repr=False)
    at_ms: int
    due_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LibraryAnswered:
    """The library's answer, in time."""

    about: bytes
    answer: LibraryAnswer


@dataclass(frozen=True, slots=True)
class LibrarySilent:
    """It is not there, or has not answered by the deadline: decide without it.

    ``perhaps``: the demand reached it, perhaps, and what became of it is unknown.
    """

    about: bytes
    perhaps: bool = False


LibraryReply = LibraryAnswered | LibrarySilent
LibraryEffect = AskLibrary | Defer
