"""A board that is busy for too long gives no pulse late: the lane has given up by then."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pytest

from drivers.api import ReaderError, ReaderFault
from drivers.board import PULSE_WAITS_S, Board, BoardSettings

WAIT_S = 20.0


class BusyLink:
    """A wire on which every exchange takes until the test lets it go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.on: list[int] = []

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def switch(self, address: int, on: bool) -> int:
        self.free.wait(WAIT_S)
        if on:
            self.on.append(address)
        return time.monotonic_ns()

    def pulse(self, address: int, pulse_ms: int) -> int:
        del pulse_ms
        return self.switch(address, on=True)

    def read_inputs(self) -> Mapping[int, bool]:
        return {}


def test_a_pulse_that_could_not_begin_in_time_never_does() -> None:
    link = BusyLink()
    board = Board("board", BoardSettings(outputs={"first": 0, "second": 1}), link)
    board.open()
    try:
        link.free.clear()
        first = board.pulse("first", 10)
        second = board.pulse("second", 10)
        late = threading.Timer(PULSE_WAITS_S + 0.2, link.free.set)
        late.start()
        first.result(WAIT_S)
        with pytest.raises(ReaderError) as caught:
            second.result(WAIT_S)
        assert caught.value.fault is ReaderFault.SILENT
        board.pulse("first", 10).result(WAIT_S)
        assert link.on == [0, 0]
    finally:
        board.close()
