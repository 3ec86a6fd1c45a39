"""What every source of readings must do, shown on its real transport; as ``conformance`` does it for card readers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Protocol

import pytest

from drivers.api import CodeReading, ReaderError, ReaderFault, Reading, Source

DEADLINE_S = 20.0


class SourceHarness(Protocol):
    """One virtual device on the driver's real transport, and the hand that presents and pulls the plug."""

    def make_source(self) -> Source:
        """A new, closed driver for this device; short timeouts are welcome."""

    def present(self, text: str) -> None:
        """Hold this code before the device; it may stay for a moment and must be gone when the next one comes."""

    def unplug(self) -> None:
        """Take the device away from the running driver."""

    def replug(self) -> None:
        """Bring the device back."""


def next_reading(source: Source) -> Reading:
    """The next reading, in time."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        reading = source.read(1.0)
        if reading is not None:
            return reading
    raise AssertionError("no reading came in time")


def next_code(source: Source) -> CodeReading:
    """The next code, in time."""
    while True:
        reading = next_reading(source)
        if isinstance(reading, CodeReading):
            return reading


def fault_of(source: Source) -> ReaderFault:
    """The fault that reading on meets, in time."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        try:
            source.read(1.0)
        except ReaderError as error:
            return error.fault
    raise AssertionError("no fault came in time")


class SourceConformance:
    """The suite. Derive, give ``harness``, and every test below runs on your driver."""

    @pytest.fixture
    def harness(self) -> Iterator[SourceHarness]:
        raise NotImplementedError

    @pytest.fixture
    def source(self, harness: SourceHarness) -> Iterator[Source]:
        source = harness.make_source()
        source.open()
        yield source
        source.close()

    def test_it_has_the_shape_of_a_source(self, source: Source) -> None:
        assert isinstance(source, Source)
        assert source.name

    def test_without_a_presentation_reading_ends_with_nothing(self, source: Source) -> None:
        assert source.read(0.0) is None
        assert source.read(0.3) is None

    def test_each_presentation_is_one_reading(self, harness: SourceHarness, source: Source) -> None:
        for text in ("HELLO 1", "HELLO 2"):
            before_ns = time.monotonic_ns()
            harness.present(text)
            reading = next_code(source)
            assert (reading.reader, reading.text) == (source.name, text)
            assert before_ns <= reading.at_ns <= time.monotonic_ns()
            assert text not in repr(reading)
        assert source.read(0.5) is None

    def test_cancel_ends_a_read_that_waits(self, source: Source) -> None:
        got: list[Reading | None] = []
        waiting = threading.Thread(target=lambda: got.append(source.read(600.0)), daemon=True)
        waiting.start()
        source.cancel()
        waiting.join(DEADLINE_S)
        assert got == [None]

    def test_cancel_and_close_are_harmless_on_a_closed_source(self, harness: SourceHarness) -> None:
        source = harness.make_source()
        source.cancel()
        source.close()
        source.open()
        source.close()
        source.close()
        source.cancel()

    def test_an_unplugged_source_is_a_fault_and_reads_again_when_plugged_in(
        self, harness: SourceHarness, source: Source
    ) -> None:
        harness.unplug()
        assert fault_of(source) is ReaderFault.UNPLUGGED
        source.close()
        with pytest.raises(ReaderError) as caught:
            source.open()
        assert caught.value.fault is ReaderFault.NOT_FOUND
        harness.replug()
        source.open()
        harness.present("AGAIN")
        assert next_code(source).text == "AGAIN"
