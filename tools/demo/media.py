"""The medium ids of card files, found as a lane finds them: by reading the card."""

from __future__ import annotations

from agent.credentials.medium import Mac, medium_of
from drivers.api import Interface
from drivers.cards.selection import CardPlan, read_card
from drivers.virtual.api import CardProgram
from drivers.virtual.cards.cardfile import load_card_file


class _InHand:
    """A card program as a channel, without a reader between."""

    def __init__(self, program: CardProgram) -> None:
        self._program = program
        self.atr = program.atr
        self.interface = Interface.CONTACTLESS if program.contactless else Interface.CONTACT

    def transmit(self, apdu: bytes) -> bytes:
        """Ask the chip."""
        return self._program.answer(apdu)


def medium_of_file(card: str, mac: Mac) -> bytes:
    """The medium id of a ready-made card or a card file."""
    program = load_card_file(card)
    program.reset()
    return medium_of(read_card(_InHand(program), CardPlan(), "hand"), mac)
