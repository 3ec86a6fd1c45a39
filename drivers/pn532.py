"""A PN532 reader on a serial port: contactless cards of ISO/IEC 14443 type A and B by ISO-DEP.

Source: NXP UM0701-02 (PN532 user manual, firmware 1.6), named "§" below; ATR after PC/SC part 3 §3.1.3.2.3.

The chip itself does anticollision, RATS and ATTRIB, block chaining and waiting-time extension (ISO/IEC 14443-4); it has
no signal for a card that comes or goes, so the field is polled. Each look at the field starts with the field off, so
that every card is in its power-on state, and looks for type B before type A, so that one card of each is seen as two.
Speeds above 106 kbit/s and cards without ISO-DEP (type 2 tags, Mifare Classic) are not served.
"""

from __future__ import annotations

import time
from typing import ClassVar, Literal

from pydantic import Field

from drivers.api import CardError, CardFault, DriverSettings, Interface, ReaderError, ReaderFault
from drivers.iso14443 import ListingError, Target, parse_type_a, parse_type_b
from drivers.pace import Pace
from drivers.pn532_link import DIAGNOSE, LineFault, Pn532Link
from drivers.serial_port import Cancelled, SerialPort

GET_FIRMWARE_VERSION = 0x02
SET_PARAMETERS = 0x12
SAM_CONFIGURATION = 0x14
RF_CONFIGURATION = 0x32
IN_DATA_EXCHANGE = 0x40
IN_LIST_PASSIVE_TARGET = 0x4A
IN_RELEASE = 0x52

PN532_IC = 0x32
NORMAL_MODE = b"\x01"
AUTOMATIC_ACTIVATION = b"\x14"
"""§7.2.9: the chip sends RATS by itself, as at power-on; another program may have switched that off."""
FIELD_OFF = b"\x01\x00"
ACTIVATION_TRIES = b"\x05\xff\x01\x01"
"""§7.3.1 item 5: ATR and PSL as the chip has them at power-on, a look for cards repeated once, not endlessly."""
ATTENTION_REQUEST = b"\x06"
ALL_TARGETS = b"\x00"
NO_TARGETS = b"\x00"
TWO_OF_TYPE_A = b"\x02\x00"
TWO_OF_TYPE_B = b"\x02\x03\x00"
"""§7.3.5: at most two cards, 106 kbit/s type B, application family 00: every one."""

TARGET = 0x01
MORE = 0x40
STATUS_CODE_MASK = 0x3F
STATUS_OK = 0x00
STATUS_TIMEOUT = 0x01
CHIP_FAULTS = {0x07, 0x09, 0x0A, 0x0D, 0x0E, 0x10, 0x12, 0x26, 0x2D}
"""§7.1: what concerns the chip or the driver, not the card: buffers, field, temperature, parameters, current."""

CHUNK_BYTES = 262
MAX_ANSWER_BYTES = 65_538
FIELD_RESET_MS = 6
"""ISO/IEC 14443-3 §5: a card is reset after 5 ms without field."""
EMPTY_LOOKS_TO_LEAVE = 2
"""A card at the edge of the field is missed now and then; it has left when two looks in a row do not see it."""


class Pn532Settings(DriverSettings):
    """Where the reader is and how long to wait for it."""

    port: str = Field(description="serial port, best its stable name under /dev/serial/by-id")
    baud: Literal[9600, 19200, 38400, 57600, 115200, 230400] = 115200
    poll_ms: int = Field(default=60, ge=10, le=1000, description="pause between two looks for a card")
    rest_poll_ms: int = Field(default=150, ge=10, le=1000, description="the same when none was there for three seconds")
    ack_timeout_ms: int = Field(default=100, ge=15, le=2000, description="wait for the chip to acknowledge")
    card_timeout_ms: int = Field(default=2000, ge=50, le=10_000, description="wait for a card's answer to one APDU")


class Pn532Channel:
    """One presentation of one card; implements :class:`drivers.api.CardChannel`."""

    interface = Interface.CONTACTLESS

    def __init__(self, reader: Pn532Reader, atr: bytes) -> None:
        self.atr = atr
        self._reader = reader

    def transmit(self, apdu: bytes) -> bytes:
        """See :meth:`drivers.api.CardChannel.transmit`."""
        return self._reader.transmit(self, apdu)


class Pn532Reader:
    """Implements :class:`drivers.api.CardReader`."""

    Settings: ClassVar[type[DriverSettings]] = Pn532Settings

    def __init__(self, name: str, settings: Pn532Settings) -> None:
        self.name = name
        self._settings = settings
        self._port = SerialPort(settings.port, settings.baud)
        self._link = Pn532Link(self._port, settings.ack_timeout_ms)
        self._presented: tuple[Target, ...] = ()
        self._has_looked = False
        self._may_hold_targets = True
        self._empty_looks = 0
        self._pace = Pace(settings.poll_ms, settings.rest_poll_ms)
        self._channel: Pn532Channel | None = None

    def open(self) -> None:
        """Open the port, wake the chip and set it up. Raises :class:`ReaderError`."""
        self.close()
        self._port.open()
        self._link = Pn532Link(self._port, self._settings.ack_timeout_ms)
        try:
            self._set_up()
        except Cancelled as error:
            self.close()
            raise ReaderError(ReaderFault.SILENT, "cancelled") from error
        except ReaderError:
            self.close()
            raise

    def _set_up(self) -> None:
        self._link.wake(SAM_CONFIGURATION, NORMAL_MODE)
        if self._command(GET_FIRMWARE_VERSION)[:1] != bytes((PN532_IC,)):
            raise ReaderError(ReaderFault.PROTOCOL, "the device is no PN532")
        self._command(SET_PARAMETERS, AUTOMATIC_ACTIVATION)
        self._command(RF_CONFIGURATION, ACTIVATION_TRIES)

    def close(self) -> None:
        """Release the port; ends the presentation."""
        self._port.close()
        self._presented = ()
        self._has_looked = False
        self._may_hold_targets = True
        self._channel = None

    def cancel(self) -> None:
        """Make a blocked call return soon; for other threads."""
        self._port.cancel()

    def wait_card(self, timeout_s: float) -> Pn532Channel | None:
        """See :meth:`drivers.api.CardReader.wait_card`."""
        deadline_ns = _deadline_ns(timeout_s)
        try:
            if not self._left_by(deadline_ns):
                return None
            while True:
                targets = self._look()
                if targets:
                    return self._present(targets)
                if not self._pause(deadline_ns):
                    return None
        except Cancelled:
            return None

    def wait_removal(self, timeout_s: float) -> bool:
        """See :meth:`drivers.api.CardReader.wait_removal`. A card that lay there when the port was opened counts."""
        try:
            if not self._has_looked:
                self._presented = self._look()
            return self._left_by(_deadline_ns(timeout_s))
        except Cancelled:
            return False

    def transmit(self, channel: Pn532Channel, apdu: bytes) -> bytes:
        """One APDU by InDataExchange (§7.3.8). Any fault ends the channel: what the card then did is not known."""
        if channel is not self._channel:
            raise CardError(CardFault.REMOVED)
        try:
            answer = self._exchange(apdu)
        except LineFault as fault:
            self._channel = None
            raise CardError(CardFault.GARBLED if fault.damaged else CardFault.MUTE, "on the serial line") from fault
        except Cancelled as error:
            self._channel = None
            raise CardError(CardFault.REMOVED, "cancelled") from error
        except (CardError, ReaderError):
            self._channel = None
            raise
        return answer

    def _exchange(self, apdu: bytes) -> bytes:
        chunks = [apdu[at : at + CHUNK_BYTES] for at in range(0, len(apdu), CHUNK_BYTES)]
        for chunk in chunks[:-1]:
            self._exchange_chunk(TARGET | MORE, chunk)
        more, answer = self._exchange_chunk(TARGET, chunks[-1])
        while more:
            more, piece = self._exchange_chunk(TARGET, b"")
            answer += piece
            if not piece or len(answer) > MAX_ANSWER_BYTES:
                raise CardError(CardFault.GARBLED, "an endless chain")
        if len(answer) < 2:
            raise CardError(CardFault.GARBLED, "an answer without status bytes")
        return answer

    def _exchange_chunk(self, target: int, chunk: bytes) -> tuple[bool, bytes]:
        """One part of an APDU; whether the card has more to send, and what it sent."""
        answer = self._link.call(IN_DATA_EXCHANGE, bytes((target,)) + chunk, self._settings.card_timeout_ms)
        if not answer:
            raise ReaderError(ReaderFault.PROTOCOL, "InDataExchange without a status")
        code = answer[0] & STATUS_CODE_MASK
        if code != STATUS_OK:
            raise self._card_fault(code)
        return bool(answer[0] & MORE), answer[1:]

    def _card_fault(self, code: int) -> CardError | ReaderError:
        """What an error code of §7.1 means. A torn card shows in many codes, so the field is asked."""
        if code in CHIP_FAULTS:
            return ReaderError(ReaderFault.PROTOCOL, f"status {code:02X}")
        if not _same_cards(self._presented, self._look()):
            return CardError(CardFault.REMOVED)
        return CardError(CardFault.MUTE if code == STATUS_TIMEOUT else CardFault.GARBLED, f"status {code:02X}")

    def _present(self, targets: tuple[Target, ...]) -> Pn532Channel:
        self._presented = targets
        self._pace.happened(time.monotonic_ns())
        self._empty_looks = 0
        if len(targets) > 1:
            raise CardError(CardFault.SEVERAL)
        target = targets[0]
        if not target.iso_dep:
            raise CardError(CardFault.UNSUPPORTED, "no ISO/IEC 14443-4")
        if not target.activated:
            raise CardError(CardFault.MUTE, "no answer to its activation")
        self._channel = Pn532Channel(self, target.atr)
        return self._channel

    def _left_by(self, deadline_ns: int) -> bool:
        """Wait until the card that was presented last has left; whether it has."""
        while self._presented:
            if self._is_there():
                self._empty_looks = 0
            else:
                self._empty_looks += 1
            if self._empty_looks == EMPTY_LOOKS_TO_LEAVE:
                self._presented = ()
            elif not self._pause(deadline_ns):
                return False
        return True

    def _is_there(self) -> bool:
        if self._channel is not None:
            if self._command(DIAGNOSE, ATTENTION_REQUEST) == bytes((STATUS_OK,)):
                return True
            self._channel = None
        return _same_cards(self._presented, self._look())

    def _look(self) -> tuple[Target, ...]:
        """The cards in the field, freshly powered; a single one is active."""
        self._has_looked = True
        type_b = self._list_type_b()
        type_a = self._list_type_a()
        if type_b and not type_a:
            # The look for type A has taken the power from it.
            type_b = self._list_type_b()
        return type_a + type_b

    def _list_type_a(self) -> tuple[Target, ...]:
        try:
            return parse_type_a(self._list(TWO_OF_TYPE_A))
        except ListingError as error:
            raise ReaderError(ReaderFault.PROTOCOL, str(error)) from error

    def _list_type_b(self) -> tuple[Target, ...]:
        try:
            return parse_type_b(self._list(TWO_OF_TYPE_B))
        except ListingError as error:
            raise ReaderError(ReaderFault.PROTOCOL, str(error)) from error

    def _list(self, kind: bytes) -> bytes:
        if self._may_hold_targets:  # an empty field is looked at all day
            self._command(IN_RELEASE, ALL_TARGETS)
        self._command(RF_CONFIGURATION, FIELD_OFF)
        self._link.idle(time.monotonic_ns() + FIELD_RESET_MS * 1_000_000)
        self._may_hold_targets = True
        listed = self._command(IN_LIST_PASSIVE_TARGET, kind)
        self._may_hold_targets = listed[:1] != NO_TARGETS
        return listed

    def _command(self, code: int, data: bytes = b"") -> bytes:
        return self._link.repeat(code, data, self._settings.card_timeout_ms)

    def _pause(self, deadline_ns: int) -> bool:
        """Wait until the next look is due; ``False`` when there is no time for one."""
        now_ns = time.monotonic_ns()
        if self._presented:
            self._pace.happened(now_ns)
        next_look_ns = self._pace.next_ns(now_ns)
        self._link.idle(min(next_look_ns, deadline_ns))
        return next_look_ns < deadline_ns


def _deadline_ns(timeout_s: float) -> int:
    return time.monotonic_ns() + int(timeout_s * 1e9)


def _same_cards(before: tuple[Target, ...], now: tuple[Target, ...]) -> bool:
    """Whether a card of ``before`` may be among ``now``: an identity that changes by itself proves nothing."""
    known = {target.fixed_id for target in before}
    found = {target.fixed_id for target in now}
    return bool(now) and (None in known or None in found or not known.isdisjoint(found))
