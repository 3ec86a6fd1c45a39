"""The PN532 reader over faulty serial lines: the right answer or a fault in bounded time, never a wrong answer."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.api import CardError, ReaderError, ReaderFault
from drivers.pn532 import Pn532Reader, Pn532Settings
from drivers.pn532_frame import Ack, Nack
from drivers.virtual.pn532 import VirtualPn532
from tests.drivers.conformance import DEADLINE_S, EchoCard, echo, present, reader_fault, reopen
from tests.drivers.faulty_serial import (
    CutOnce,
    Fault,
    FaultyLine,
    Sizes,
    byte_by_byte,
    corruption,
    delay,
    loss,
    noise,
    nothing,
    pause,
)

BOUND_S = 30.0
NEXT_CARDS = 5
"""One of them must be read: on a stalled machine any single one may be late."""
MESSAGES = (b"\x00" * 12, b"", b"\x00\x00\xff\x00\xff\x00", b"\x01\x00\x02\x00", bytes(range(200)), b"", b"end")


class Bench:
    """A virtual PN532, a line that can be made faulty, and the driver at its other end."""

    def __init__(self, folder: Path) -> None:
        self.slot = VirtualPn532(folder / "device")
        self.slot.plug()
        self.line = FaultyLine(folder / "line", folder / "device")
        self.line.start()
        settings = Pn532Settings(port=str(folder / "line"), poll_ms=10, ack_timeout_ms=60, card_timeout_ms=200)
        self.reader = Pn532Reader("desk", settings)

    def close(self) -> None:
        self.reader.close()
        self.line.stop()
        self.slot.unplug()

    def read_card(self, messages: tuple[bytes, ...] = MESSAGES) -> None:
        """Present a card, exchange some APDUs, and hold every answer against what was asked."""
        self.slot.insert(EchoCard())
        channel = present(self.reader)
        for message in messages:
            assert channel.transmit(echo(message)) == message + b"\x90\x00"

    def attempt(self, messages: tuple[bytes, ...] = MESSAGES) -> bool:
        """Whether a card was read; a fault is fine, a wrong answer or a missed bound is not."""
        started = time.monotonic()
        try:
            self.read_card(messages)
        except (CardError, ReaderError):
            return False
        else:
            return True
        finally:
            assert time.monotonic() - started < BOUND_S

    def recover(self) -> None:
        """The line is well again: a next card is read, after an opening if the driver asked for one."""
        self.line.heal()
        self.leave()
        self.read_one_card()

    def read_one_card(self) -> None:
        """One of the next cards is read."""
        for _ in range(NEXT_CARDS):
            if self.attempt():
                return
            self.leave()
        raise AssertionError("no card is read although the line brings every byte")

    def leave(self) -> None:
        """Take the card away; what still is wrong from before may ask for an opening."""
        self.slot.remove()
        try:
            assert self.reader.wait_removal(DEADLINE_S)
        except ReaderError:
            reopen(self.reader)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.reader.open()
    yield bench
    bench.close()


def mixed(rng: random.Random) -> Fault:
    kinds = [kind(rng) for kind in (byte_by_byte, loss, corruption, delay, noise)]

    def fault(frame: bytes) -> Iterator[bytes]:
        yield from rng.choice(kinds)(frame)

    return fault


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [byte_by_byte, loss, corruption, delay, noise, mixed])
def test_a_faulty_line_never_makes_a_wrong_answer_and_the_next_card_is_read(
    bench: Bench, kind: Callable[[random.Random], Fault], seed: int
) -> None:
    bench.line.to_host = kind(random.Random(2 * seed))
    bench.line.to_device = kind(random.Random(2 * seed + 1))
    bench.attempt()
    bench.recover()


def test_a_slow_line_of_single_bytes_reads_the_card(bench: Bench) -> None:
    bench.line.to_host = byte_by_byte(random.Random(1))
    bench.line.to_device = byte_by_byte(random.Random(2))
    bench.read_one_card()


def test_a_device_that_falls_silent_is_a_reader_fault_and_works_again_after_an_opening(bench: Bench) -> None:
    bench.slot.insert(EchoCard())
    channel = present(bench.reader)
    bench.line.to_host = nothing
    assert reader_fault(lambda: channel.transmit(echo(b"x"))) is ReaderFault.SILENT
    assert reader_fault(lambda: bench.reader.wait_card(DEADLINE_S)) is ReaderFault.SILENT
    bench.line.heal()
    reopen(bench.reader)
    assert present(bench.reader).transmit(echo(b"well")) == b"well\x90\x00"


def test_an_answer_that_was_asked_for_too_early_comes_twice_and_is_taken_once(bench: Bench) -> None:
    class SlowCard(EchoCard):
        def answer(self, apdu: bytes) -> bytes:
            pause(0.1)
            return super().answer(apdu)

    def noise_behind_every_ack(frame: bytes) -> Iterator[bytes]:
        yield frame
        if frame == Ack().to_bytes():
            yield b"\x13\x37"

    def slow_nack(data: bytes) -> Iterator[bytes]:
        if data == Nack().to_bytes():
            pause(0.1)
        yield data

    bench.slot.insert(SlowCard())
    channel = present(bench.reader)
    bench.line.to_host = noise_behind_every_ack
    bench.line.to_device = slow_nack
    for message in (b"first", b"second", b"third"):
        assert channel.transmit(echo(message)) == message + b"\x90\x00"


def test_an_answer_cut_at_any_byte_is_asked_for_again_or_ends_in_a_fault(bench: Bench) -> None:
    messages = (b"\x00\x00", b"\x00\x00", b"end")
    sizes = Sizes()
    bench.line.to_host = sizes
    bench.read_card(messages)
    # The frames of the presentation before its last listing are the same small ones again and again.
    listing_and_answers = 2 + 2 * len(messages)
    first = sum(sizes.frames[:-listing_and_answers])
    positions = range(first, sum(sizes.frames))
    read = 0
    for after_bytes in positions:
        bench.leave()
        bench.line.to_host = CutOnce(after_bytes)
        read += bench.attempt(messages)
        bench.line.heal()
    bench.recover()
    assert read > len(positions) // 2
