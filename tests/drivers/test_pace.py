"""A device at rest is asked less often, and soon again when something happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pytest

from drivers import pace as pace_module
from drivers.board import Board, BoardSettings
from drivers.pace import REST_AFTER_NS, Pace

WAIT_S = 20.0
MS = 1_000_000


def test_it_is_quick_for_three_seconds_after_something_happened() -> None:
    pace = Pace(20, 50)
    pace.happened(7 * MS)
    end_ns = 7 * MS + REST_AFTER_NS
    assert [pace.next_ns(now_ns) - now_ns for now_ns in (7 * MS, end_ns, end_ns + 1)] == [20 * MS, 20 * MS, 50 * MS]
    pace.happened(end_ns + 1)
    assert pace.next_ns(end_ns + 2) == end_ns + 2 + 20 * MS


def test_it_is_never_quicker_at_rest() -> None:
    assert Pace(100, 50).next_ns(REST_AFTER_NS + 1) == REST_AFTER_NS + 1 + 100 * MS


class Contacts:
    """A wire that counts how often its inputs were read, and from which moment on one is active."""

    def __init__(self) -> None:
        self.reads = 0
        self.active = False
        self.read = threading.Event()

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def switch(self, address: int, on: bool) -> int:
        del address, on
        return time.monotonic_ns()

    def pulse(self, address: int, pulse_ms: int) -> int:
        del pulse_ms
        return self.switch(address, on=True)

    def read_inputs(self) -> Mapping[int, bool]:
        self.reads += 1
        self.read.set()
        return {0: self.active}


def test_a_pulse_at_rest_waits_for_no_look_and_what_moves_is_followed_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "REST_AFTER_NS", 0)
    wire = Contacts()
    settings = BoardSettings(outputs={"gate": 0}, inputs={"passage": 0}, poll_ms=5, rest_poll_ms=1_000)  # type: ignore[dict-item]  # as YAML has it
    board = Board("board", settings, wire)
    board.open()
    try:
        wire.read.clear()
        assert wire.read.wait(WAIT_S), "it is looked at, though at rest"
        before = wire.reads
        board.pulse("gate", 10).result(WAIT_S)
        assert wire.reads <= before + 1
        wire.active = True
        reading = board.read(WAIT_S)
        assert reading is not None
        assert (reading.input, reading.active) == ("passage", True)
    finally:
        board.close()
