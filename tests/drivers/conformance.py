"""What every reader of chip cards must do, shown on its real transport.

A driver's tests derive from :class:`CardReaderConformance` and give the fixture ``harness``::

    class TestPcsc(CardReaderConformance):
        @pytest.fixture
        def harness(self, ...) -> Iterator[Harness]: ...
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from drivers.api import CardChannel, CardError, CardFault, CardReader, ReaderError, ReaderFault
from drivers.virtual.api import CardSlot, Torn

DEADLINE_S = 20.0
ATR = bytes.fromhex("3B8580014563686F3114")
"""A contactless ATR (PC/SC part 3 §3.1.3.2.3) with the historical bytes ``Echo1``."""

SELECT = bytes.fromhex("00A4040002DF01")
READ = bytes.fromhex("00B0000000")
READ_WRONG_LE = bytes.fromhex("00B0010000")
PAGE = bytes(range(256))


def echo(data: bytes) -> bytes:
    """The APDU whose data the test card sends back (case 4, short)."""
    return bytes((0x80, 0xEE, 0x00, 0x00, len(data))) + data + b"\x00"


class Harness(Protocol):
    """One virtual reader on the driver's real transport, and the hand that moves card and plug."""

    @property
    def slot(self) -> CardSlot:
        """Where cards go; usable across :meth:`unplug` and :meth:`replug`."""

    def make_reader(self) -> CardReader:
        """A new, closed driver for this reader; short timeouts are welcome."""

    def unplug(self) -> None:
        """Take the reader away from the running driver."""

    def replug(self) -> None:
        """Bring the reader back; it may need a moment until ``open`` succeeds."""


class EchoCard:
    """A chip that sends back what it gets, and counts.

    An empty ``atr`` is a card that does not answer its reset. ``torn_at`` is the number of the command, from 1, during
    which the card leaves the field; ``silent_at`` the one from which on it does not answer.
    """

    def __init__(
        self, atr: bytes = ATR, *, contactless: bool = True, torn_at: int | None = None, silent_at: int | None = None
    ) -> None:
        self.atr = atr
        self.contactless = contactless
        self.resets = 0
        self.commands: list[bytes] = []
        self._torn_at = torn_at
        self._silent_at = silent_at

    def reset(self) -> None:
        self.resets += 1

    def answer(self, apdu: bytes) -> bytes:
        self.commands.append(apdu)
        number = len(self.commands)
        if self._torn_at is not None and number >= self._torn_at:
            raise Torn
        if self._silent_at is not None and number >= self._silent_at:
            return b""
        if apdu.startswith(SELECT[:2]):
            return b"\x61\x10"
        if apdu.startswith(READ_WRONG_LE[:3]):
            return b"\x6c\x05"
        if apdu.startswith(READ[:2]):
            return PAGE + b"\x90\x00"
        return apdu[5 : 5 + apdu[4]] + b"\x90\x00"


def present(reader: CardReader) -> CardChannel:
    """The card that is being presented."""
    channel = reader.wait_card(DEADLINE_S)
    assert channel is not None, "no card was handed out in time"
    return channel


def card_fault(call: Callable[[], object]) -> CardFault:
    with pytest.raises(CardError) as caught:
        call()
    return caught.value.fault


def reader_fault(call: Callable[[], object]) -> ReaderFault:
    with pytest.raises(ReaderError) as caught:
        call()
    return caught.value.fault


def reopen(reader: CardReader) -> None:
    """What the agent's supervisor does after a :class:`ReaderError`: close, open, again after a pause."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        reader.close()
        try:
            reader.open()
        except ReaderError:
            if time.monotonic() > deadline:
                raise
            threading.Event().wait(0.05)
        else:
            return


def take_away(harness: Harness, reader: CardReader) -> None:
    """Leave an empty reader to the next test: a service may take a moment to notice that the card has left."""
    harness.slot.remove()
    reopen(reader)
    assert reader.wait_removal(DEADLINE_S), "the card that was removed is still presented"
    reader.close()


def cancel_until_done(reader: CardReader, call: Callable[[], object]) -> object:
    """Run ``call`` in a thread, cancel it from this one, return its result."""
    results: list[object] = []
    started = threading.Event()

    def run() -> None:
        started.set()
        results.append(call())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(DEADLINE_S)
    deadline = time.monotonic() + DEADLINE_S
    while thread.is_alive() and time.monotonic() < deadline:
        reader.cancel()
        thread.join(0.05)
    assert not thread.is_alive(), "cancel() did not wake the call"
    return results[0]


class CardReaderConformance:
    """The suite. Derive, give ``harness``, and every test below runs on your driver."""

    @pytest.fixture
    def harness(self) -> Iterator[Harness]:
        raise NotImplementedError

    @pytest.fixture
    def reader(self, harness: Harness) -> Iterator[CardReader]:
        reader = harness.make_reader()
        reader.open()
        yield reader
        take_away(harness, reader)

    def test_it_has_the_shape_of_a_card_reader(self, reader: CardReader) -> None:
        assert isinstance(reader, CardReader)
        assert reader.name

    def test_without_a_card_waiting_ends_with_nothing(self, reader: CardReader) -> None:
        assert reader.wait_card(0.2) is None
        assert reader.wait_removal(0.2) is True

    def test_a_presentation_is_handed_out_once(self, harness: Harness, reader: CardReader) -> None:
        harness.slot.insert(EchoCard())
        assert present(reader).atr
        assert reader.wait_card(0.6) is None

    def test_a_card_that_stays_is_not_reported_as_removed(self, harness: Harness, reader: CardReader) -> None:
        harness.slot.insert(EchoCard())
        present(reader)
        assert reader.wait_removal(0.6) is False

    def test_removal_is_seen_and_the_next_presentation_is_handed_out(
        self, harness: Harness, reader: CardReader
    ) -> None:
        card = EchoCard()
        for _ in range(2):
            harness.slot.insert(card)
            assert present(reader).transmit(echo(b"again")) == b"again\x90\x00"
            harness.slot.remove()
            assert reader.wait_removal(DEADLINE_S) is True

    def test_a_card_that_lies_there_at_open_is_handed_out(self, harness: Harness) -> None:
        harness.slot.insert(EchoCard())
        reader = harness.make_reader()
        reader.open()
        try:
            assert present(reader).transmit(echo(b"early")) == b"early\x90\x00"
        finally:
            take_away(harness, reader)

    def test_a_card_that_lies_there_at_open_has_not_left(self, harness: Harness) -> None:
        """It was read before the reader was opened again, and must not be read as if it had come anew."""
        harness.slot.insert(EchoCard())
        reader = harness.make_reader()
        reader.open()
        try:
            present(reader)
            reader.close()
            reader.open()
            assert reader.wait_removal(0.6) is False
            harness.slot.remove()
            assert reader.wait_removal(DEADLINE_S) is True
        finally:
            take_away(harness, reader)

    def test_the_card_is_reset_before_it_is_handed_out(self, harness: Harness, reader: CardReader) -> None:
        card = EchoCard()
        harness.slot.insert(card)
        present(reader)
        assert card.resets >= 1
        assert card.commands == []

    def test_the_longest_short_command_and_answer_pass_unchanged(self, harness: Harness, reader: CardReader) -> None:
        harness.slot.insert(EchoCard())
        channel = present(reader)
        data = bytes(reversed(range(255)))
        assert channel.transmit(echo(data)) == data + b"\x90\x00"
        assert channel.transmit(READ) == PAGE + b"\x90\x00"

    def test_more_data_and_wrong_length_are_handed_on_as_the_card_gave_them(
        self, harness: Harness, reader: CardReader
    ) -> None:
        harness.slot.insert(EchoCard())
        channel = present(reader)
        assert channel.transmit(SELECT) == b"\x61\x10"
        assert channel.transmit(READ_WRONG_LE) == b"\x6c\x05"

    def test_a_card_torn_out_in_mid_read_is_reported_as_removed(self, harness: Harness, reader: CardReader) -> None:
        harness.slot.insert(EchoCard(torn_at=2))
        channel = present(reader)
        channel.transmit(echo(b"first"))
        assert card_fault(lambda: channel.transmit(echo(b"second"))) is CardFault.REMOVED
        assert card_fault(lambda: channel.transmit(echo(b"third"))) is CardFault.REMOVED

    def test_after_a_torn_card_the_next_one_works(self, harness: Harness, reader: CardReader) -> None:
        harness.slot.insert(EchoCard(torn_at=1))
        torn = present(reader)
        assert card_fault(lambda: torn.transmit(echo(b"x"))) is CardFault.REMOVED
        assert reader.wait_removal(DEADLINE_S) is True
        harness.slot.insert(EchoCard())
        assert present(reader).transmit(echo(b"next")) == b"next\x90\x00"
        assert card_fault(lambda: torn.transmit(echo(b"x"))) is CardFault.REMOVED

    def test_a_channel_dies_with_its_presentation(self, harness: Harness, reader: CardReader) -> None:
        harness.slot.insert(EchoCard())
        old = present(reader)
        harness.slot.remove()
        assert reader.wait_removal(DEADLINE_S) is True
        harness.slot.insert(EchoCard())
        present(reader)
        assert card_fault(lambda: old.transmit(echo(b"x"))) is CardFault.REMOVED

    def test_a_card_that_does_not_answer_its_reset_is_mute_and_refused_once(
        self, harness: Harness, reader: CardReader
    ) -> None:
        harness.slot.insert(EchoCard(atr=b""))
        assert card_fault(lambda: reader.wait_card(DEADLINE_S)) is CardFault.MUTE
        assert reader.wait_card(0.6) is None
        harness.slot.remove()
        assert reader.wait_removal(DEADLINE_S) is True
        harness.slot.insert(EchoCard())
        assert present(reader).transmit(echo(b"well")) == b"well\x90\x00"

    def test_a_card_that_falls_silent_in_mid_read_is_a_card_fault(self, harness: Harness, reader: CardReader) -> None:
        harness.slot.insert(EchoCard(silent_at=2))
        channel = present(reader)
        channel.transmit(echo(b"first"))
        assert card_fault(lambda: channel.transmit(echo(b"second"))) in {CardFault.MUTE, CardFault.REMOVED}
        harness.slot.remove()
        assert reader.wait_removal(DEADLINE_S) is True
        harness.slot.insert(EchoCard())
        assert present(reader).transmit(echo(b"next")) == b"next\x90\x00"

    def test_cancel_wakes_a_call_that_waits_for_a_card(self, reader: CardReader) -> None:
        assert cancel_until_done(reader, lambda: reader.wait_card(600.0)) is None

    def test_cancel_wakes_a_call_that_waits_for_removal(self, harness: Harness, reader: CardReader) -> None:
        harness.slot.insert(EchoCard())
        present(reader)
        assert cancel_until_done(reader, lambda: reader.wait_removal(600.0)) is False

    def test_cancel_and_close_are_harmless_on_a_closed_reader(self, harness: Harness) -> None:
        reader = harness.make_reader()
        reader.cancel()
        reader.close()
        reader.open()
        reader.close()
        reader.close()
        reader.cancel()

    def test_closing_ends_the_channel_and_opening_again_works(self, harness: Harness, reader: CardReader) -> None:
        harness.slot.insert(EchoCard())
        channel = present(reader)
        reader.close()
        assert card_fault(lambda: channel.transmit(echo(b"x"))) is CardFault.REMOVED
        reader.open()
        assert present(reader).transmit(echo(b"again")) == b"again\x90\x00"

    def test_an_unplugged_reader_is_a_reader_fault_and_works_again_when_plugged_in(
        self, harness: Harness, reader: CardReader
    ) -> None:
        gone = {ReaderFault.UNPLUGGED, ReaderFault.NO_SERVICE}
        harness.unplug()
        try:
            assert reader_fault(lambda: reader.wait_card(DEADLINE_S)) in gone
            reader.close()
            assert reader_fault(reader.open) in gone | {ReaderFault.NOT_FOUND}
        finally:
            harness.replug()
        reopen(reader)
        harness.slot.insert(EchoCard())
        assert present(reader).transmit(echo(b"back")) == b"back\x90\x00"

    def test_a_reader_unplugged_in_mid_read_ends_the_read_with_a_fault(
        self, harness: Harness, reader: CardReader
    ) -> None:
        harness.slot.insert(EchoCard())
        channel = present(reader)
        harness.unplug()
        try:
            with pytest.raises((ReaderError, CardError)):
                channel.transmit(echo(b"x"))
        finally:
            harness.replug()
        reopen(reader)
        assert present(reader).transmit(echo(b"still there")) == b"still there\x90\x00"
