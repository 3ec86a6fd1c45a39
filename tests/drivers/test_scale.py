"""Serial scales: only what lies still weighs, it is said again while it lies there, and nonsense weighs nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import MAX_WEIGHT_GRAMS, WeightReading
from drivers.scale import AGAIN_S, ScaleSettings, SerialScale, grams
from drivers.virtual.scale import VirtualScale

WAIT_S = 20.0


@pytest.mark.parametrize(
    ("line", "weight"),
    [
        (b"ST,GS,+  0.350kg", 350),
        (b"ST,NT,+00012.34kg", 12_340),
        (b"ST,+00018.72  g", 19),
        (b"ST,GS,   1.2345kg", 1_235),
        (b"ST,GS,     500,g", 500),
        (b"ST,GS,   0.500,kg", 500),
        (b"US,GS,+  0.350kg", 0),
        (b"ST,GS,-  0.350kg", 0),
        (b"OL,+9999999E+19", 0),
        (b"ST,GS,+ 60.001kg", 0),
        (b"ST,GS,+  0.350lb", None),
        (b"ST,GS,+  0.350", None),
        (b"ST,GS,+  0..50kg", None),
        (b"XX,GS,+  0.350kg", None),
        (b"0.350kg", None),
    ],
)
def test_a_line_is_a_weight_nothing_or_no_line_of_a_scale(line: bytes, weight: int | None) -> None:
    assert grams(line) == weight


@given(st.binary(max_size=64))
def test_hostile_bytes_weigh_nothing_that_a_scale_could_not_carry(line: bytes) -> None:
    weight = grams(line)
    assert weight is None or 0 <= weight <= MAX_WEIGHT_GRAMS


@given(st.integers(0, MAX_WEIGHT_GRAMS))
def test_every_gram_is_read_exactly(weight: int) -> None:
    assert grams(f"ST,GS,+{weight / 1000:8.3f}kg".encode()) == weight


def test_a_weight_is_said_once_again_and_gone_once() -> None:
    scale = SerialScale("scale", ScaleSettings(port="/nowhere"))
    second = 1_000_000_000

    def said(line: bytes, at_s: int) -> int | None:
        reading = scale.parse(line, at_s * second)
        return None if reading is None else reading.grams

    still, empty = b"ST,GS,+  0.350kg", b"ST,GS,+  0.000kg"
    assert [said(empty, 1), said(still, 1), said(still, 2), said(still, 1 + AGAIN_S)] == [None, 350, None, 350]
    assert [said(b"US,GS,+  0.150kg", 4), said(empty, 4), said(empty, 99)] == [0, None, None]
    assert scale.makes_sense(empty), "it is sent all day and is no noise"
    assert not scale.makes_sense(b"STGS0")


@pytest.fixture
def device(tmp_path: Path) -> Iterator[VirtualScale]:
    device = VirtualScale(tmp_path / "scale")
    device.plug()
    yield device
    device.unplug()


def test_what_is_put_on_a_scale_on_a_serial_line_is_weighed_and_its_leaving_is_noticed(device: VirtualScale) -> None:
    scale = SerialScale("scale", ScaleSettings(port=str(device.port.path)))
    scale.open()
    device.put(1_234)
    heard: list[int] = []
    deadline_s = time.monotonic() + WAIT_S
    while heard[-1:] != [0] and time.monotonic() < deadline_s:
        reading = scale.read(1.0)
        if isinstance(reading, WeightReading):
            heard.append(reading.grams)
            device.put(0)
    scale.close()
    assert heard == [1_234, 0]
