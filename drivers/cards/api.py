"""What a card application is: it looks for itself on a card and reads what it is asked for.

An application is added by one file and one entry in ``setup.cfg`` (group ``onecard.cards``) that names a class whose
constructor needs no argument. It speaks through a :class:`~drivers.cards.session.CardSession`, which follows ``61xx``
and ``6Cxx``, counts commands and bounds lengths; it keeps no state between cards and touches no hardware.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol

from drivers.api import Interface
from drivers.cards.apdu import Command, Response
from drivers.cards.session import CardSession

__all__ = [
    "Authenticator",
    "CardApplication",
    "CardContent",
    "CardSession",
    "Command",
    "Field",
    "NoAuthenticator",
    "Response",
]


class Field(StrEnum):
    """What a lane may ask for beside the identifier, the issuer and the last valid day. A card gives what it has."""

    VERSION = "version"
    VALID_FROM = "valid_from"
    CARD_NUMBER = "card_number"
    HOLDER_NAME = "holder_name"
    ID_NUMBER = "id_number"
    BIRTH_DATE = "birth_date"
    HOLDER_TYPE = "holder_type"
    BALANCE_FEN = "balance_fen"
    TRIPS = "trips"


@dataclass(frozen=True, slots=True)
class CardContent:
    """What one application told. Identifier and fields stay out of ``repr``.

    ``valid_from`` and ``valid_until`` are ``YYYYMMDD``, ``None`` where the card states none or was not asked;
    ``generation`` is 1 for applications that know no generations.
    """

    identifier: bytes = field(repr=False)
    issuer: bytes = b""
    generation: int = 1
    valid_from: str | None = None
    valid_until: str | None = None
    fields: Mapping[Field, str] = field(default_factory=dict, repr=False)
    authenticated: bool = False


class CardApplication(Protocol):
    """One application that cards may carry."""

    name: ClassVar[str]
    """The entry point's name, for example ``social-security``."""
    interfaces: ClassVar[Mapping[int, frozenset[Interface]]]
    """Where a lane that says nothing accepts it: generation to interfaces. A generation that is missing is refused."""

    def read(self, session: CardSession, wanted: frozenset[Field]) -> CardContent | None:
        """Select the application and read it; ``None`` when the card does not carry it.

        Reads the identifier and validity, and of the rest no more than ``wanted``. Raises :class:`CardError`: GARBLED
        for an answer that breaks the standard, LOCKED where the card asks for a PIN before it identifies itself, and
        what the session raises.
        """


class Authenticator(Protocol):
    """How a card proves that it is no copy: not at all, by a PSAM in a second slot, or by the platform's HSM."""

    def authenticate(self, session: CardSession, fci: bytes, public: CardContent) -> bool:
        """Challenge the selected application; whether it answered rightly.

        ``fci`` is the answer to its SELECT (it names the algorithm), ``public`` what the card tells anyone. A card
        that fails where an answer is due raises ``CardError(GARBLED)``; ``False`` says that nothing was asked.
        """


class NoAuthenticator:
    """Asks nothing: the card is merely read."""

    def authenticate(self, session: CardSession, fci: bytes, public: CardContent) -> bool:  # noqa: ARG002
        """Always ``False``."""
        return False
