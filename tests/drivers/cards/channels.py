"""A card channel straight to a virtual card, and one that plays a script of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from drivers.api import CardChannel, CardError, CardFault, CardReading, Interface
from drivers.cards.api import Field
from drivers.cards.selection import ApplicationRule, CardPlan, read_card
from drivers.virtual.api import CardProgram, Torn
from drivers.virtual.cards.cardfile import CardFile


class DirectChannel:
    """No reader between: what the program answers is what the session gets. Keeps a log of both in hexadecimal."""

    def __init__(self, program: CardProgram) -> None:
        self.interface = Interface.CONTACTLESS if program.contactless else Interface.CONTACT
        self.atr = program.atr
        self.log: list[tuple[str, str]] = []
        self._program = program
        program.reset()

    def transmit(self, apdu: bytes) -> bytes:
        try:
            answer = self._program.answer(apdu)
        except Torn:
            raise CardError(CardFault.REMOVED) from None
        self.log.append((apdu.hex().upper(), answer.hex().upper()))
        return answer

    @property
    def commands(self) -> list[str]:
        return [command for command, _ in self.log]


class ScriptedChannel:
    """Answers by a function of the command, or one answer after another, whatever the command."""

    interface = Interface.CONTACT
    atr = b"\x3b\x00"

    def __init__(self, answers: Iterable[str] | Callable[[bytes], bytes], interface: Interface | None = None) -> None:
        self._answer = answers if callable(answers) else None
        self._script = iter(()) if callable(answers) else iter(answers)
        self.commands: list[str] = []
        self.interface = interface or Interface.CONTACT

    def transmit(self, apdu: bytes) -> bytes:
        self.commands.append(apdu.hex().upper())
        return self._answer(apdu) if self._answer else bytes.fromhex(next(self._script))


EVERYTHING = frozenset(Field)


def plan_for(*applications: str, wanted: frozenset[Field] = frozenset(), apdu_budget: int = 64) -> CardPlan:
    """A plan that accepts the applications over any interface in every generation."""
    anywhere = dict.fromkeys((1, 2, 3), frozenset(Interface))
    rules = tuple(ApplicationRule(application=name, interfaces=anywhere) for name in applications)
    return CardPlan(applications=rules, wanted=wanted, apdu_budget=apdu_budget)


def read(channel: CardChannel, plan: CardPlan) -> CardReading:
    return read_card(channel, plan, "reader-1")


def card(*applications: Mapping[str, object], **keys: object) -> CardProgram:
    """A virtual card from what a card file would say."""
    return CardFile.model_validate({"title": "a test card", "applications": applications, **keys}).program()


def social(**keys: object) -> dict[str, object]:
    """A social security card's part of a card file, of generation 2 unless told otherwise."""
    return {
        "kind": "social-security",
        "generation": 2,
        "identifier": "00000000D2000000000000000000F001",
        "issuer": "000000000000000000000901",
        "card_number": "Z00000F01",
        "id_number": "00000019800101001X",
        "name": "李例子",
        "birth_date": "1980-01-01",
        "issued": "2016-03-12",
        "valid_until": "2036-03-12",
    } | keys
