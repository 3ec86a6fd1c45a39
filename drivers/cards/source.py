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
    HELD = auto()


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

        Raises :class:`CardError` for a presentation that gave nothing: that card is not tried again before it has left,
        and its leaving is not reported. A card that another program holds (SHARED) is read when it is let go; that it
        left unread is reported, for nothing else tells that the reader is free. Raises :class:`ReaderError`.
        """
        deadline = time.monotonic() + timeout_s
        if self._last in (_Last.READ, _Last.FAILED):
            if not self._reader.wait_removal(timeout_s):
                return None
            was_read = self._last is _Last.READ
            self._last = _Last.GONE
            if was_read:
                return self._removed()
        try:
            channel = self._reader.wait_card(max(0.0, deadline - time.monotonic()))
            if channel is None:
                if self._last is _Last.HELD and self._reader.wait_removal(0):
                    self._last = _Last.GONE
                    return self._removed()
                return None
            if self._seen is not None:
                self._seen()
            reading = read_card(channel, self._plan, self.name)
        except CardError as error:
            self._last = _Last.HELD if error.fault is CardFault.SHARED else _Last.FAILED
            raise
        self._last = _Last.READ
        return reading

    def _removed(self) -> CardRemoved:
        return CardRemoved(reader=self.name, at_ns=time.monotonic_ns())
