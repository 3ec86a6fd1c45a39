"""The PN532 reader on a pseudo-terminal: the suite of all card readers, and what is its own."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.api import CardFault, CardReading, CardRemoved, Interface, ReaderFault
from drivers.cards.selection import CardPlan
from drivers.cards.source import CardSource
from drivers.pn532 import Pn532Reader, Pn532Settings
from drivers.pn532_frame import Ack, ApplicationError, Nack
from drivers.virtual.cards.cardfile import load_card_file
from drivers.virtual.pn532 import VirtualPn532
from drivers.virtual.pty import VirtualPort
from tests.drivers.conformance import (
    DEADLINE_S,
    CardReaderConformance,
    EchoCard,
    card_fault,
    echo,
    present,
    reader_fault,
)


class BigCard:
    """A chip that answers everything with one long file, whatever it is asked."""

    atr = bytes.fromhex("3B80800101")
    contactless = True

    def __init__(self, size_bytes: int) -> None:
        self.file = bytes(index * 7 & 0xFF for index in range(size_bytes))
        self.received: list[bytes] = []

    def reset(self) -> None:
        self.received.clear()

    def answer(self, apdu: bytes) -> bytes:
        self.received.append(apdu)
        return self.file + b"\x90\x00"


class Harness:
    """A virtual PN532 and drivers with short waits for it."""

    def __init__(self, path: Path) -> None:
        self.slot = VirtualPn532(path)
        self.slot.plug()

    def make_reader(self) -> Pn532Reader:
        settings = Pn532Settings(port=str(self.slot.path), poll_ms=20, ack_timeout_ms=1000, card_timeout_ms=1000)
        return Pn532Reader("desk", settings)

    def unplug(self) -> None:
        self.slot.unplug()

    def replug(self) -> None:
        self.slot.replug()


@contextlib.contextmanager
def opened(reader: Pn532Reader) -> Iterator[None]:
    reader.open()
    try:
        yield
    finally:
        reader.close()


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path / "pn532")
    yield harness
    harness.unplug()


@pytest.fixture
def reader(harness: Harness) -> Iterator[Pn532Reader]:
    reader = harness.make_reader()
    with opened(reader):
        yield reader


class TestConformance(CardReaderConformance):
    """Every card reader's duties."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[Harness]:
        harness = Harness(tmp_path / "pn532")
        yield harness
        harness.unplug()


def test_a_card_of_type_b_is_read(harness: Harness, reader: Pn532Reader) -> None:
    harness.slot.insert(EchoCard(), type_b=True)
    channel = present(reader)
    assert channel.transmit(echo(b"type B")) == b"type B\x90\x00"
    assert reader.wait_removal(0.1) is False
    harness.slot.remove()
    assert reader.wait_removal(DEADLINE_S) is True


def test_the_atr_is_the_one_that_pcsc_gives_a_contactless_card(harness: Harness, reader: Pn532Reader) -> None:
    harness.slot.insert(EchoCard())
    assert present(reader).atr == bytes.fromhex("3B8580014563686F3114")
    harness.slot.remove()
    assert reader.wait_removal(DEADLINE_S)
    harness.slot.insert(EchoCard(), type_b=True)
    assert present(reader).atr == bytes.fromhex("3B8880014563686F00817100D8")


@pytest.mark.parametrize("second_is_type_b", [False, True])
def test_two_cards_in_the_field_ask_for_one(harness: Harness, reader: Pn532Reader, second_is_type_b: bool) -> None:
    harness.slot.insert(EchoCard())
    harness.slot.insert_second(EchoCard(), type_b=second_is_type_b)
    assert card_fault(lambda: reader.wait_card(DEADLINE_S)) is CardFault.SEVERAL
    assert reader.wait_card(0.2) is None
    harness.slot.remove()
    assert reader.wait_removal(DEADLINE_S) is True
    harness.slot.insert(EchoCard())
    assert present(reader).transmit(echo(b"alone")) == b"alone\x90\x00"


def test_a_tag_without_iso_dep_is_unsupported_and_refused_once(harness: Harness, reader: Pn532Reader) -> None:
    harness.slot.insert_tag()
    assert card_fault(lambda: reader.wait_card(DEADLINE_S)) is CardFault.UNSUPPORTED
    assert reader.wait_card(0.2) is None


def test_a_card_for_contacts_only_is_not_seen(harness: Harness, reader: Pn532Reader) -> None:
    harness.slot.insert(EchoCard(contactless=False))
    assert reader.wait_card(0.2) is None


def test_another_card_in_place_of_the_first_is_a_new_presentation(harness: Harness, reader: Pn532Reader) -> None:
    harness.slot.insert(EchoCard())
    old = present(reader)
    harness.slot.insert(EchoCard())
    assert present(reader).transmit(echo(b"second")) == b"second\x90\x00"
    assert card_fault(lambda: old.transmit(echo(b"first"))) is CardFault.REMOVED


@pytest.mark.parametrize("size_bytes", [250, 258, 260, 261, 262, 263, 524, 4000])
def test_an_answer_longer_than_a_frame_is_put_together(harness: Harness, reader: Pn532Reader, size_bytes: int) -> None:
    card = BigCard(size_bytes)
    harness.slot.insert(card)
    assert present(reader).transmit(bytes.fromhex("00B00000000FA0")) == card.file + b"\x90\x00"


@pytest.mark.parametrize("size_bytes", [5, 261, 262, 263, 524, 525, 4000])
def test_a_command_longer_than_a_frame_reaches_the_card_whole(
    harness: Harness, reader: Pn532Reader, size_bytes: int
) -> None:
    card = BigCard(0)
    harness.slot.insert(card)
    apdu = bytes(index * 5 & 0xFF for index in range(size_bytes))
    assert present(reader).transmit(apdu) == b"\x90\x00"
    assert card.received == [apdu]


def test_a_card_slower_than_the_reader_waits_is_mute_and_its_late_answer_is_never_taken(harness: Harness) -> None:
    class SlowCard(EchoCard):
        def answer(self, apdu: bytes) -> bytes:
            threading.Event().wait(2.0)
            return super().answer(apdu)

    port = str(harness.slot.path)
    reader = Pn532Reader("desk", Pn532Settings(port=port, ack_timeout_ms=1000, card_timeout_ms=1000))
    with opened(reader):
        harness.slot.insert(SlowCard())
        channel = present(reader)
        assert card_fault(lambda: channel.transmit(echo(b"slow"))) is CardFault.MUTE
        harness.slot.insert(EchoCard())
        assert present(reader).transmit(echo(b"next")) == b"next\x90\x00"


def test_a_cancelled_read_is_over_and_the_reader_works_on(harness: Harness, reader: Pn532Reader) -> None:
    class CancellingCard(EchoCard):
        def answer(self, apdu: bytes) -> bytes:
            reader.cancel()
            threading.Event().wait(0.2)
            return super().answer(apdu)

    harness.slot.insert(CancellingCard())
    channel = present(reader)
    assert card_fault(lambda: channel.transmit(echo(b"x"))) is CardFault.REMOVED
    harness.slot.insert(EchoCard())
    assert present(reader).transmit(echo(b"next")) == b"next\x90\x00"


def test_a_social_security_card_of_generation_3_gives_a_reading_and_its_leaving(
    harness: Harness, reader: Pn532Reader
) -> None:
    source = CardSource(reader, CardPlan())
    harness.slot.insert(load_card_file("gen3-chen"))
    reading = source.read(DEADLINE_S)
    assert isinstance(reading, CardReading)
    assert reading.application == "social-security"
    assert reading.interface is Interface.CONTACTLESS
    assert reading.identifier == bytes.fromhex("00000000D3000000000000000000C301")
    assert reading.valid_until == "20411001"
    harness.slot.remove()
    assert isinstance(source.read(DEADLINE_S), CardRemoved)


def test_a_port_that_another_reader_holds_is_busy(harness: Harness, reader: Pn532Reader) -> None:
    assert reader_fault(harness.make_reader().open) is ReaderFault.BUSY


@contextlib.contextmanager
def scripted(path: Path, answer: Callable[[bytes], bytes]) -> Iterator[Pn532Reader]:
    """A reader whose device gives ``answer`` to whatever arrives."""
    device = VirtualPort(path, lambda data: device.write(answer(data)))
    device.plug()
    try:
        yield Pn532Reader("desk", Pn532Settings(port=str(path), ack_timeout_ms=300, card_timeout_ms=300))
    finally:
        device.unplug()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        pytest.param(lambda data: b"", ReaderFault.SILENT, id="a device that never answers"),
        pytest.param(lambda data: b"GPS fix lost\r\n", ReaderFault.PROTOCOL, id="a device of another kind"),
        pytest.param(lambda data: data, ReaderFault.PROTOCOL, id="a line that echoes"),
        pytest.param(lambda data: Ack().to_bytes() * 100, ReaderFault.PROTOCOL, id="acknowledgements only"),
        pytest.param(lambda data: ApplicationError().to_bytes(), ReaderFault.PROTOCOL, id="errors only"),
        pytest.param(lambda data: Nack().to_bytes(), ReaderFault.PROTOCOL, id="refusals only"),
    ],
)
def test_what_is_no_pn532_is_a_reader_fault_in_bounded_time(
    tmp_path: Path, answer: Callable[[bytes], bytes], fault: ReaderFault
) -> None:
    with scripted(tmp_path / "other", answer) as reader:
        assert reader_fault(reader.open) is fault


def test_another_chip_of_the_family_is_refused(tmp_path: Path) -> None:
    device = VirtualPn532(tmp_path / "pn533", firmware=bytes.fromhex("33020707"))
    device.plug()
    try:
        assert reader_fault(Pn532Reader("desk", Pn532Settings(port=str(device.path))).open) is ReaderFault.PROTOCOL
    finally:
        device.unplug()


def test_an_opening_that_is_cancelled_is_a_reader_fault(tmp_path: Path) -> None:
    def cancelling(data: bytes) -> bytes:
        opening.cancel()
        return b""

    with scripted(tmp_path / "other", cancelling) as opening:
        assert reader_fault(opening.open) is ReaderFault.SILENT
