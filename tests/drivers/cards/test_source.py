"""A card reader as a source: each presentation gives one reading and one removal, or one error."""

from __future__ import annotations

import threading
from typing import ClassVar

import pytest

from drivers.api import (
    CardChannel,
    CardError,
    CardFault,
    CardReading,
    CardRemoved,
    DriverSettings,
    ReaderError,
    ReaderFault,
    Source,
)
from drivers.cards.selection import CardPlan
from drivers.cards.source import CardSource
from drivers.virtual.api import CardProgram
from drivers.virtual.cards.behaviour import tear_after
from drivers.virtual.cards.cardfile import load_card_file
from tests.drivers.cards.channels import DirectChannel


class SlotReader:
    """The smallest card reader: a slot in this process. ``faults`` are raised by ``wait_card``, one a call."""

    Settings: ClassVar[type[DriverSettings]] = DriverSettings
    name = "slot"

    def __init__(self) -> None:
        self.faults: list[CardError | ReaderError] = []
        self.opened = 0
        self._changed = threading.Condition()
        self._program: CardProgram | None = None
        self._cancelled = False

    def insert(self, program: CardProgram) -> None:
        with self._changed:
            self._program = program
            self._changed.notify_all()

    def remove(self) -> None:
        with self._changed:
            self._program = None
            self._changed.notify_all()

    def open(self) -> None:
        self.opened += 1

    def close(self) -> None:
        self.opened -= 1

    def cancel(self) -> None:
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def wait_card(self, timeout_s: float) -> CardChannel | None:
        if self.faults:
            raise self.faults.pop(0)
        with self._changed:
            self._changed.wait_for(lambda: self._program is not None or self._cancelled, timeout_s)
            return None if self._program is None else DirectChannel(self._program)

    def wait_removal(self, timeout_s: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._program is None or self._cancelled, timeout_s)
            return self._program is None


@pytest.fixture
def reader() -> SlotReader:
    return SlotReader()


@pytest.fixture
def source(reader: SlotReader) -> CardSource:
    return CardSource(reader, CardPlan())


def test_it_is_a_source_and_delegates_to_its_reader(reader: SlotReader, source: CardSource) -> None:
    assert isinstance(source, Source)
    assert source.name == "slot"
    source.open()
    assert reader.opened == 1
    source.close()
    assert reader.opened == 0


def test_a_card_is_read_once_and_its_leaving_is_reported_once(reader: SlotReader, source: CardSource) -> None:
    assert source.read(0) is None
    reader.insert(load_card_file("gen2-li"))
    reading = source.read(0)
    assert isinstance(reading, CardReading)
    assert reading.reader == "slot"
    assert source.read(0) is None
    reader.remove()
    removed = source.read(0)
    assert isinstance(removed, CardRemoved)
    assert removed.at_ns >= reading.at_ns
    assert source.read(0) is None


def test_a_card_torn_out_in_mid_read_is_reported_as_removed_and_may_come_again(
    reader: SlotReader, source: CardSource
) -> None:
    reader.insert(tear_after(load_card_file("gen2-li"), 4))
    with pytest.raises(CardError) as caught:
        source.read(0)
    assert caught.value.fault is CardFault.REMOVED
    assert source.read(0) is None
    reader.remove()
    reader.insert(load_card_file("gen2-li"))
    assert source.read(0) is None, "the slot was never seen empty"
    reader.remove()
    assert source.read(0) is None, "a card that was not read leaves silently"
    reader.insert(load_card_file("gen2-li"))
    assert isinstance(source.read(0), CardReading)


def test_a_card_held_by_another_program_is_tried_again_in_the_same_presentation(
    reader: SlotReader, source: CardSource
) -> None:
    reader.insert(load_card_file("gen2-li"))
    reader.faults = [CardError(CardFault.SHARED)]
    with pytest.raises(CardError):
        source.read(0)
    assert isinstance(source.read(0), CardReading)


@pytest.mark.parametrize("fault", [CardFault.MUTE, CardFault.SEVERAL])
def test_a_presentation_refused_by_the_reader_is_over_when_the_card_has_left(
    reader: SlotReader, source: CardSource, fault: CardFault
) -> None:
    reader.insert(load_card_file("gen2-li"))
    reader.faults = [CardError(fault)]
    with pytest.raises(CardError):
        source.read(0)
    assert source.read(0) is None
    reader.remove()
    assert source.read(0) is None
    reader.insert(load_card_file("gen2-li"))
    assert isinstance(source.read(0), CardReading)


def test_a_reader_fault_passes_through_and_the_card_is_read_afterwards(reader: SlotReader, source: CardSource) -> None:
    reader.insert(load_card_file("gen2-li"))
    reader.faults = [ReaderError(ReaderFault.UNPLUGGED)]
    with pytest.raises(ReaderError):
        source.read(0)
    assert isinstance(source.read(0), CardReading)


def test_a_card_left_in_a_reader_that_is_opened_again_is_not_read_again(reader: SlotReader, source: CardSource) -> None:
    reader.insert(load_card_file("gen2-li"))
    assert isinstance(source.read(0), CardReading)
    source.close()
    source.open()
    assert source.read(0) is None
    reader.remove()
    assert isinstance(source.read(0), CardRemoved)


@pytest.mark.parametrize("inserted", [False, True])
def test_cancel_ends_a_blocked_read(reader: SlotReader, source: CardSource, inserted: bool) -> None:
    if inserted:
        reader.insert(load_card_file("gen2-li"))
        source.read(0)
    canceller = threading.Thread(target=source.cancel)
    canceller.start()
    assert source.read(30) is None
    canceller.join(10)
    assert not canceller.is_alive()
