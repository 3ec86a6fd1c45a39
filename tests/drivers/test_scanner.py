"""Serial scanners: lines however they end and are split, encodings, hostile bytes."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.api import CodeReading, ReaderError, ReaderFault, Source
from drivers.scanner import CODE_MAX_BYTES, ScannerSettings, SerialScanner
from drivers.virtual.scanner import VirtualScanner

WAIT_S = 20.0


@pytest.fixture
def device(tmp_path: Path) -> Iterator[VirtualScanner]:
    scanner = VirtualScanner(tmp_path / "scanner")
    scanner.port.plug()
    yield scanner
    scanner.port.unplug()


@pytest.fixture
def scanner(device: VirtualScanner) -> Iterator[SerialScanner]:
    driver = SerialScanner("scan", ScannerSettings(port=str(device.port.path)))
    driver.open()
    yield driver
    driver.close()


def text_of(scanner: SerialScanner, timeout_s: float = WAIT_S) -> str | None:
    reading = scanner.read(timeout_s)
    assert reading is None or isinstance(reading, CodeReading)
    return reading.text if reading else None


def test_it_is_a_source() -> None:
    assert isinstance(SerialScanner("scan", ScannerSettings(port="/nowhere")), Source)


def test_a_scan_becomes_a_reading_of_this_scanner(device: VirtualScanner, scanner: SerialScanner) -> None:
    device.scan("市民码 6925303721039")
    reading = scanner.read(WAIT_S)
    assert isinstance(reading, CodeReading)
    assert (reading.reader, reading.text, reading.symbology) == ("scan", "市民码 6925303721039", "serial")
    assert "6925303721039" not in repr(reading)


@pytest.mark.parametrize("tail", [b"\r", b"\n", b"\r\n"])
def test_every_usual_tail_ends_one_line(device: VirtualScanner, scanner: SerialScanner, tail: bytes) -> None:
    device.port.write(b"one" + tail + b"two" + tail + b"three" + tail)
    assert [text_of(scanner) for _ in range(3)] == ["one", "two", "three"]
    assert text_of(scanner, 0.0) is None
    assert scanner.dropped == 0


def test_lines_split_anywhere_arrive_whole(device: VirtualScanner, scanner: SerialScanner) -> None:
    chance = random.Random(20)
    codes = [f"电子市民码-{number}" for number in range(20)]
    stream = "\r\n".join([*codes, ""]).encode()
    got: list[str | None] = []
    while stream:
        size = chance.randint(1, 40)
        device.port.write(stream[:size])
        stream = stream[size:]
        while (text := text_of(scanner, 0.01)) is not None:
            got.append(text)
    while len(got) < len(codes):
        got.append(text_of(scanner))
    assert got == codes


def test_a_gbk_scanner_is_understood(tmp_path: Path) -> None:
    device = VirtualScanner(tmp_path / "gbk", encoding="gbk", tail=b"\r")
    device.port.plug()
    scanner = SerialScanner("scan", ScannerSettings(port=str(device.port.path), encoding="gbk"))
    scanner.open()
    try:
        device.scan("图书馆")
        assert text_of(scanner) == "图书馆"
    finally:
        scanner.close()
        device.port.unplug()


def test_bytes_that_are_no_text_are_dropped_and_counted(device: VirtualScanner, scanner: SerialScanner) -> None:
    device.port.write(b"\xff\xfe\x80\r\n")
    device.scan("next")
    assert text_of(scanner) == "next"
    assert scanner.dropped == 1


def test_an_overlong_line_is_dropped_once_and_the_next_is_read(device: VirtualScanner, scanner: SerialScanner) -> None:
    flood = b"x" * 1024
    for _ in range(9):
        device.port.write(flood)
        assert text_of(scanner, 0.05) is None
    device.port.write(b"\r\n")
    device.scan("next")
    assert text_of(scanner) == "next"
    assert scanner.dropped == 1


def test_the_longest_line_is_still_read(device: VirtualScanner, scanner: SerialScanner) -> None:
    code = "x" * CODE_MAX_BYTES
    device.port.write(code[:3000].encode())
    assert text_of(scanner, 0.05) is None
    device.port.write(code[3000:].encode() + b"\r")
    assert text_of(scanner) == code


def test_another_thread_ends_the_wait(scanner: SerialScanner) -> None:
    got: list[object] = []
    waiting = threading.Thread(target=lambda: got.append(scanner.read(60.0)))
    waiting.start()
    scanner.cancel()
    waiting.join(WAIT_S)
    assert got == [None]


def test_an_unplugged_scanner_is_a_reader_error_and_opens_again(device: VirtualScanner, scanner: SerialScanner) -> None:
    device.port.write(b"begun before the plug was pulled")
    assert text_of(scanner, 0.05) is None
    device.port.unplug()
    with pytest.raises(ReaderError) as caught:
        scanner.read(WAIT_S)
    assert caught.value.fault is ReaderFault.UNPLUGGED
    scanner.close()
    with pytest.raises(ReaderError) as caught:
        scanner.open()
    assert caught.value.fault is ReaderFault.NOT_FOUND
    device.port.plug()
    scanner.open()
    device.scan("again")
    assert text_of(scanner) == "again"
