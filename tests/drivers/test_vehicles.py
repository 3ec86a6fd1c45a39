"""Number plates and long-range tags: one vehicle that stands there is one presentation, and noise is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import CardReading, Source
from drivers.vehicles import VehicleReader, VehicleSettings
from drivers.virtual.scanner import VirtualScanner

WAIT_S = 20.0
SECOND_NS = 1_000_000_000


@pytest.fixture
def device(tmp_path: Path) -> Iterator[VirtualScanner]:
    """A plate camera sends lines, as a scanner does."""
    camera = VirtualScanner(tmp_path / "camera")
    camera.port.plug()
    yield camera
    camera.port.unplug()


@pytest.fixture
def reader(device: VirtualScanner) -> Iterator[VehicleReader]:
    driver = VehicleReader("plates", VehicleSettings(port=str(device.port.path)))
    driver.open()
    yield driver
    driver.close()


def parsed(text: str, **settings: object) -> CardReading | None:
    reader = VehicleReader("plates", VehicleSettings.model_validate({"port": "/nowhere"} | settings))
    return reader.parse(text.encode(str(settings.get("encoding", "utf-8"))), 0)


def test_a_plate_comes_over_the_line_as_a_reading_that_shows_nothing_of_it(
    device: VirtualScanner, reader: VehicleReader
) -> None:
    assert isinstance(reader, Source)
    device.scan("京A·12345")
    reading = reader.read(WAIT_S)
    assert isinstance(reading, CardReading)
    assert (reading.reader, reading.application, reading.identifier) == ("plates", "plate", "京A12345".encode())
    assert "12345" not in repr(reading)


@pytest.mark.parametrize("text", ["京A12345", "粤B D1234 5", "沪AD12345", "苏e·1234学", "鲁B12345F", "京A-12345"])
def test_plates_are_taken_however_they_are_written(text: str) -> None:
    reading = parsed(text)
    assert reading is not None
    assert reading.identifier.decode() == text.upper().translate(str.maketrans("", "", " ·-"))


@pytest.mark.parametrize(
    "text", ["", "京A1234", "京A1234567", "AA12345", "京112345", "京AO2345I", "京A12345;", "无牌车"]
)
def test_what_is_no_plate_makes_no_reading(text: str) -> None:
    assert parsed(text) is None


def test_tags_and_other_encodings() -> None:
    tag = parsed("e2 00 00 17 22 11 01 44 18 90 aa bb", reads="vehicle-tag")
    assert tag is not None
    assert (tag.application, tag.identifier) == ("vehicle-tag", b"E2000017221101441890AABB")
    assert parsed("京A12345", reads="vehicle-tag") is None
    assert parsed("京A12345", encoding="gbk") is not None
    assert VehicleReader("plates", VehicleSettings(port="/nowhere")).parse("京A12345".encode("gbk"), 0) is None


def test_a_vehicle_that_stands_there_is_one_presentation_until_it_was_away_or_another_came() -> None:
    reader = VehicleReader("plates", VehicleSettings(port="/nowhere", again_ms=10_000))

    def comes(text: str, at_s: int) -> bool:
        return reader.parse(text.encode(), at_s * SECOND_NS) is not None

    assert [comes("京A12345", at_s) for at_s in (0, 5, 14, 23, 33)] == [True, False, False, False, True]
    assert [comes("京A99999", 34), comes("京A12345", 35)] == [True, True]
    assert reader.makes_sense("京A12345".encode()), "a vehicle that is read again and again is no noise"
    assert not reader.makes_sense(b"12345")


@given(st.binary(max_size=96))
def test_any_noise_is_taken(line: bytes) -> None:
    reading = VehicleReader("plates", VehicleSettings(port="/nowhere")).parse(line, 0)
    assert reading is None or reading.application == "plate"
