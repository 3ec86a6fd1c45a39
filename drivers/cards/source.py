"""A card reader as a source of readings: presentation in, one reading, removal, and so on."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum, auto
from typing import ClassVar

from drivers.api import CardError, CardFault, CardReader, CardReading, CardRemoved, DriverSettings
from drivers.cards.selection import CardPlan, read_card


class _Last(Enum):
    """What became of the last presentation."""

    GONE = auto()
    READ = auto()
    FAILED = auto()


class CardSource:
    """Implements :class:`drivers.api.Source` over any :class:`drivers.api.CardReader`.

    A card is read once and its leaving is reported once, even when the reader was closed and opened in between: a card
    that was left in a reader must not open a gate because the reader's service was restarted.
    """

    Settings: ClassVar[type[DriverSettings]] = CardPlan

    def __init__(self, reader: CardReader, plan: CardPlan, seen: Callable[[], None] | None = None) -> None:
        """``seen`` is called in the reading thread when a card has come and its reading begins."""
        self.name = reader.name
        self._seen = seen
        self._reader = reader
        self._plan = plan
        self._last = _Last.GONE

    def open(self) -> None:
        """Open the reader. Raises :class:`ReaderError`."""
        self._reader.open()

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()

    def cancel(self) -> None:
        """Make a blocked :meth:`read` return soon; for other threads."""
        self._reader.cancel()

    def read(self, timeout_s: float) -> CardReading | CardRemoved | None:
        """Wait for a card and read it, or for the card that was read to leave; ``None`` after the timeout.

        Raises :class:`CardError` for a presentation that gave nothing: unless another program holds the card (SHARED),
        that card is not tried again before it has left, and its leaving is not reported. Raises :class:`ReaderError`.
        """
        deadline = time.monotonic() + timeout_s
        if self._last is not _Last.GONE:
            if not self._reader.wait_removal(timeout_s):
                return None
            was_read = self._last is _Last.READ
            self._last = _Last.GONE
            if was_read:
                return CardRemoved(reader=self.name, at_ns=time.monotonic_ns())
        try:
            channel = self._reader.wait_card(max(0.0, deadline - time.monotonic()))
            if channel is None:
                return None
            if self._seen is not None:
                self._seen()
            reading = read_card(channel, self._plan, self.name)
        except CardError as error:
            self._last = _Last.GONE if error.fault is CardFault.SHARED else _Last.FAILED
            raise
        self._last = _Last.READ
        return reading
