"""A PN532 in software: the device's side of its serial protocol (NXP UM0701-02, "§" below), two cards in its field."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from drivers.pn532_frame import Ack, ApplicationError, Frame, FrameParser, Information, Nack
from drivers.virtual.api import CardProgram, Torn, Use
from drivers.virtual.pty import VirtualPort

WAKE_UP_BYTE = 0x55
FROM_HOST = 0xD4
FROM_DEVICE = 0xD5
FIRMWARE = bytes.fromhex("32010607")
"""PN532, firmware 1.6, ISO/IEC 14443 type A and B and ISO/IEC 18092 (§7.2.2)."""

CHUNK_BYTES = 262
WRITE_BYTES = 32
"""What a serial adapter typically hands on at a time."""
FRAME_GAP_NS = 30_000_000
"""A frame that has not come to its end by then was cut."""

OK = 0x00
TIMEOUT = 0x01
WRONG_CONTEXT = 0x27
MORE = 0x40

SAK_ISO_DEP = 0x20
SAK_CLASSIC = 0x08
ATS_INTERFACE = bytes.fromhex("78808102")
"""T0, TA, TB, TC: frames of 256 bytes, 106 kbit/s only, CID supported."""
PROTOCOL_INFO = bytes.fromhex("008171")
"""ISO/IEC 14443-3 §7.9.4: 106 kbit/s only, frames of 256 bytes, ISO/IEC 14443-4."""


class _Tag:
    """A tag that does not speak ISO-DEP, hence no APDUs."""

    atr = b""
    contactless = True

    def reset(self) -> None:
        """Nothing to forget."""

    def answer(self, apdu: bytes) -> bytes:  # noqa: ARG002 - the name is the protocol's
        return b""


@dataclass
class _Card:
    """One card in the field."""

    number: int
    program: CardProgram
    type_b: bool = False
    sak: int = SAK_ISO_DEP
    active: bool = False
    received: bytearray = field(default_factory=bytearray)
    to_send: bytes = b""

    def activate(self) -> None:
        if not self.active:
            self.program.reset()
        self.active = True
        self.received.clear()
        self.to_send = b""

    def listing(self, target: int) -> bytes:
        """Its entry in the answer to InListPassiveTarget (§7.3.5); an empty ATR is a card that fails its activation."""
        historical = historical_bytes(self.program.atr)
        if self.type_b:
            atqb = b"\x50" + self.number.to_bytes(4, "big") + historical[:4].ljust(4, b"\x00") + PROTOCOL_INFO
            return bytes((target,)) + atqb + (b"\x01\x00" if self.program.atr else b"\x00")
        uid = b"\x04" + self.number.to_bytes(6, "big")
        entry = bytes((target,)) + b"\x03\x44" + bytes((self.sak, len(uid))) + uid
        ats = ATS_INTERFACE + historical
        return entry + bytes((len(ats) + 1,)) + ats if self.program.atr else entry


class VirtualPn532:
    """Implements :class:`drivers.virtual.api.CardSlot`; its serial port appears under ``path``."""

    def __init__(self, path: Path, firmware: bytes = FIRMWARE) -> None:
        self.path = path
        self._firmware = firmware
        self._port = VirtualPort(path, self._on_bytes)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._cards: list[_Card] = []
        self._targets: list[_Card] = []
        self._parser = FrameParser()
        self._heard_ns = 0
        self._awake = False
        self._last_answer: Frame = Information(bytes((FROM_DEVICE, 0x00)))

    def plug(self) -> None:
        """Power the reader and connect it; harmless when plugged."""
        self._awake = False
        self._parser = FrameParser()
        self._port.plug()

    def unplug(self) -> None:
        """Pull it out: the host's port hangs up. Cards stay where they are."""
        self._port.unplug()
        with self._lock:
            self._field_off()

    @property
    def use(self) -> Use:
        """Whether a terminal has the reader open."""
        return self._port.use

    def replug(self) -> None:
        """Connect it again under the same path."""
        self.plug()

    def insert(self, program: CardProgram, *, type_b: bool = False) -> None:
        """Present a card in place of all that are there. A program for contacts only is not seen in the field."""
        with self._lock:
            self._cards = [_Card(next(self._numbers), program, type_b)]

    def insert_second(self, program: CardProgram, *, type_b: bool = False) -> None:
        """Present one more card."""
        with self._lock:
            self._cards.append(_Card(next(self._numbers), program, type_b))

    def insert_tag(self) -> None:
        """Present a Mifare Classic tag, which does not speak ISO-DEP."""
        with self._lock:
            self._cards = [_Card(next(self._numbers), _Tag(), sak=SAK_CLASSIC)]

    def remove(self) -> None:
        """Take all cards away; harmless when there is none."""
        with self._lock:
            self._cards = []

    def _on_bytes(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        if now_ns - self._heard_ns > FRAME_GAP_NS:
            self._parser.reset()
        self._heard_ns = now_ns
        # Until it is woken (§7.2.11) the chip sleeps through everything.
        self._awake = self._awake or WAKE_UP_BYTE in data
        if not self._awake:
            return
        for frame in self._parser.feed(data):
            if isinstance(frame, Nack):
                self._send(self._last_answer)
            elif isinstance(frame, Information) and frame.body[0] == FROM_HOST and len(frame.body) >= 2:
                self._send(Ack())
                self._last_answer = self._carry_out(frame.body[1], frame.body[2:])
                self._send(self._last_answer)

    def _send(self, frame: Frame) -> None:
        raw = frame.to_bytes()
        for at in range(0, len(raw), WRITE_BYTES):
            self._port.write(raw[at : at + WRITE_BYTES])

    def _carry_out(self, code: int, data: bytes) -> Frame:
        answer: bytes | None
        match code:
            case 0x00:
                answer = self._diagnose(data)
            case 0x02:
                answer = self._firmware
            case 0x12 | 0x14:
                answer = b""
            case 0x32:
                answer = self._rf_configuration(data)
            case 0x40:
                answer = self._in_data_exchange(data)
            case 0x4A:
                answer = self._in_list_passive_target(data)
            case 0x52:
                answer = self._in_release()
            case _:
                answer = None
        return ApplicationError() if answer is None else Information(bytes((FROM_DEVICE, code + 1)) + answer)

    def _diagnose(self, data: bytes) -> bytes | None:
        """§7.2.1: 00 sends the data back, 06 asks whether the card is still there."""
        match data[:1]:
            case b"\x00":
                return data
            case b"\x06":
                with self._lock:
                    target = self._target(1)
                return bytes((TIMEOUT if target is None else OK,))
            case _:
                return None

    def _rf_configuration(self, data: bytes) -> bytes | None:
        """§7.3.1: of its items only 01 (field) has an effect here, 05 (tries) is accepted."""
        match data[:1]:
            case b"\x01":
                with self._lock:
                    self._field_off()
                return b""
            case b"\x05":
                return b""
            case _:
                return None

    def _in_list_passive_target(self, data: bytes) -> bytes | None:
        """§7.3.5: at most two cards of 106 kbit/s type A (00) or type B (03)."""
        if len(data) < 2 or data[0] not in (1, 2) or data[1] not in (0x00, 0x03):
            return None
        with self._lock:
            self._targets = [
                card for card in self._cards if card.type_b == (data[1] == 0x03) and card.program.contactless
            ][: data[0]]
            targets = list(self._targets)
        answer = bytes((len(targets),))
        for number, card in enumerate(targets, 1):
            card.activate()
            answer += card.listing(number)
        return answer

    def _in_data_exchange(self, data: bytes) -> bytes | None:
        """§7.3.8: collects a command that is sent in parts, hands out an answer in parts."""
        if not data:
            return None
        with self._lock:
            card = self._target(data[0] & ~MORE)
            known = bool(self._targets)
        if card is None:
            return bytes((TIMEOUT if known else WRONG_CONTEXT,))
        card.received += data[1:]
        if data[0] & MORE:
            return bytes((OK,))
        if card.received:
            apdu = bytes(card.received)
            card.received.clear()
            # Not under the lock: a slow card may be taken away while it works.
            card.to_send = self._ask(card, apdu)
        piece, card.to_send = card.to_send[:CHUNK_BYTES], card.to_send[CHUNK_BYTES:]
        with self._lock:
            if not piece or self._target(data[0] & ~MORE) is not card:
                return bytes((TIMEOUT,))
        return bytes((MORE if card.to_send else OK,)) + piece

    def _in_release(self) -> bytes:
        """§7.3.11."""
        with self._lock:
            known, self._targets = bool(self._targets), []
        return bytes((OK if known else WRONG_CONTEXT,))

    def _ask(self, card: _Card, apdu: bytes) -> bytes:
        try:
            return card.program.answer(apdu)
        except Torn:
            with self._lock:
                self._cards = [other for other in self._cards if other is not card]
            return b""

    def _target(self, number: int) -> _Card | None:
        """The listed card of that number, if it is still powered and in the field."""
        if not 1 <= number <= len(self._targets):
            return None
        card = self._targets[number - 1]
        return card if card.active and any(card is other for other in self._cards) else None

    def _field_off(self) -> None:
        self._targets = []
        for card in self._cards:
            card.active = False


def historical_bytes(atr: bytes) -> bytes:
    """The historical bytes of an ATR (ISO/IEC 7816-3 §8.2); empty when it has none or is cut short."""
    if len(atr) < 2:
        return b""
    announcing, at = atr[1], 2
    while announcing >> 4:
        at += (announcing >> 4).bit_count()
        if not announcing & 0x80 or at > len(atr):
            break
        announcing = atr[at - 1]
    return atr[at : at + (atr[1] & 0x0F)]
