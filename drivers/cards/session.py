"""One presentation of a card, as an application sees it: whole answers, counted commands, bounded lengths."""

from __future__ import annotations

import time
from dataclasses import replace

from drivers.api import CardChannel, CardError, CardFault, Interface
from drivers.cards.apdu import LE_MAX, Command, Response

ANSWER_MAX_BYTES = LE_MAX + 2
"""The longest answer to a short APDU: 256 bytes and the status word."""
CHAIN_MAX = 8
"""How many times a card may say ``61xx`` in one answer: 2 KiB, several times what these cards hold."""


class CardSession:
    """A card channel with the transport's habits taken off (ISO/IEC 7816-4 §5.6 and §11.7.1).

    ``61xx`` is followed by GET RESPONSE and ``6Cxx`` by the same command with the right Le. Every APDU counts, these
    too; beyond the budget ``CardError(BUDGET)`` ends the presentation.
    """

    def __init__(self, channel: CardChannel, apdu_budget: int) -> None:
        self._channel = channel
        self._budget = apdu_budget
        self.apdu_count = 0
        self.last_answer_ns = time.monotonic_ns()
        """``time.monotonic_ns()`` of the card's last answer; of the session's start before the first."""

    @property
    def interface(self) -> Interface:
        """How the card meets the reader."""
        return self._channel.interface

    @property
    def atr(self) -> bytes:
        """The card's answer to reset."""
        return self._channel.atr

    def send(self, command: Command) -> Response:
        """Send one command and return its whole answer, whatever its status word.

        Raises :class:`CardError` (BUDGET, GARBLED, and what the channel raises) and :class:`ReaderError`.
        """
        answer = self._exchange(command)
        if answer.sw >> 8 == 0x6C:
            answer = self._exchange(replace(command, le=_length(answer.sw)))
        data = answer.data
        for _ in range(CHAIN_MAX):
            if answer.sw >> 8 != 0x61:
                return Response(data, answer.sw)
            answer = self._exchange(Command(command.cla & 0x03, 0xC0, 0x00, 0x00, le=_length(answer.sw)))
            data += answer.data
        raise CardError(CardFault.GARBLED, "an answer that does not end (61xx)")

    def _exchange(self, command: Command) -> Response:
        if self.apdu_count >= self._budget:
            raise CardError(CardFault.BUDGET, f"{self._budget} commands")
        self.apdu_count += 1
        answer = self._channel.transmit(command.to_bytes())
        self.last_answer_ns = time.monotonic_ns()
        if not 2 <= len(answer) <= ANSWER_MAX_BYTES:
            raise CardError(CardFault.GARBLED, f"an answer of {len(answer)} bytes")
        return Response(answer[:-2], int.from_bytes(answer[-2:], "big"))


def _length(sw: int) -> int:
    """The length that ``61xx`` and ``6Cxx`` announce; ``00`` stands for 256."""
    return sw & 0xFF or LE_MAX
