"""A chip with applications: selection by name, and the two ways in which chips hand out their answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import xor
from typing import Protocol

from drivers.cards.apdu import FILE_NOT_FOUND, LE_MAX, OK, Command
from drivers.cards.tlv import encode

WRONG_LENGTH = 0x6700
WRONG_P1_P2 = 0x6A86
INS_NOT_SUPPORTED = 0x6D00

Answer = tuple[bytes, int]
"""Data (only with ``9000``) and status word."""


class Applet(Protocol):
    """One application on a chip."""

    def select(self, name: bytes) -> bytes | None:
        """The FCI where the applet goes by this name, which selects it anew; ``None`` where it does not."""

    def answer(self, command: Command) -> Answer:
        """Answer any command but SELECT by name and GET RESPONSE, with all the data there is."""


class Chip:
    """A :class:`drivers.virtual.api.CardProgram` that runs applets (ISO/IEC 7816-4).

    With ``t0`` it hands out answers as contact cards with T=0 do (ISO/IEC 7816-3 §12.2.1): ``61xx`` after a command
    with data, ``6Cxx`` for any Le but the right one; without, as over T=1 and ISO-DEP: Le 256 means all there is.
    """

    def __init__(self, applets: Sequence[Applet], historical: bytes, *, contactless: bool, t0: bool) -> None:
        self.contactless = contactless
        self.atr = _atr(historical, contactless=contactless, t0=t0)
        self._applets = tuple(applets)
        self._t0 = t0
        self._selected: Applet | None = None
        self._pending = b""

    def reset(self) -> None:
        """Power-on state."""
        self._selected = None
        self._pending = b""

    def answer(self, apdu: bytes) -> bytes:
        """Data and status word; ``6700`` for what is no short APDU."""
        try:
            command = Command.from_bytes(apdu)
        except ValueError:
            return _status(WRONG_LENGTH)
        if command.ins == 0xC0:
            return self._get_response(command)
        self._pending = b""
        data, sw = self._run(command)
        return self._hand_out(command, data) if sw == OK and data else _status(sw)

    def _run(self, command: Command) -> Answer:
        if command.ins == 0xA4 and command.p1 == 0x04:
            for applet in self._applets:
                fci = applet.select(command.data)
                if fci is not None:
                    self._selected = applet
                    return fci, OK
            return b"", FILE_NOT_FOUND
        if self._selected is None:
            return b"", INS_NOT_SUPPORTED
        return self._selected.answer(command)

    def _hand_out(self, command: Command, data: bytes) -> bytes:
        if self._t0 and command.data:
            self._pending = data
            return _status(0x6100 | len(data) & 0xFF)
        expected = command.le
        if expected is None:
            return data + _status(OK) if command.data else _status(0x6C00 | len(data) & 0xFF)
        if expected != len(data) and (self._t0 or expected != LE_MAX):
            return _status(0x6C00 | len(data) & 0xFF)
        return data + _status(OK)

    def _get_response(self, command: Command) -> bytes:
        if not self._pending or command.le is None:
            return _status(WRONG_LENGTH)
        part, self._pending = self._pending[: command.le], self._pending[command.le :]
        return part + _status(0x6100 | len(self._pending) & 0xFF if self._pending else OK)


def fci(name: bytes, proprietary: bytes) -> bytes:
    """File control information of an application (ISO/IEC 7816-4 §7.4.3): its name and a proprietary template."""
    return encode(0x6F, encode(0x84, name) + encode(0xA5, proprietary))


def _status(sw: int) -> bytes:
    return sw.to_bytes(2, "big")


def _atr(historical: bytes, *, contactless: bool, t0: bool) -> bytes:
    """ISO/IEC 7816-3 §8.2; for contactless PC/SC part 3 §3.1.3.2.3. Up to 15 historical bytes."""
    count = len(historical)
    if t0 and not contactless:
        return bytes([0x3B, 0x60 | count, 0x00, 0x00]) + historical
    body = bytes([0x80 | count]) + (b"\x80\x01" if contactless else b"\x01") + historical
    return b"\x3b" + body + bytes([reduce(xor, body)])
