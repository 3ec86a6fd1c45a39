"""Serial scanners: lines however they end and are split, encodings, hostile bytes."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers import lines
from drivers.api import CodeReading, ReaderError, ReaderFault, Source
from drivers.lines import LINE_END, LineSource
from drivers.scanner import CODE_MAX_BYTES, ETX, STX, TRIGGERS, ScannerSettings, SerialScanner
from drivers.serial_port import SerialPort
from drivers.virtual.scanner import VirtualScanner
from tests.drivers.source_conformance import SourceConformance, fault_of

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


@contextmanager
def sending_on(device: VirtualScanner, data: bytes) -> Iterator[None]:
    """The device sends this again and again, without a pause, until the block ends."""
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.001):
            device.port.write(data)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()


class Endless(SerialPort):
    """A line on which there is always more to read."""

    def __init__(self, noise: bytes) -> None:
        super().__init__("/nowhere", 9600)
        self.noise, self.reads = noise, 0

    def read(self, deadline_ns: int) -> bytes:
        self.reads += 1
        assert self.reads < 1_000, "nobody looks at the deadline"
        return self.noise


class Deaf(LineSource):
    """What makes sense of nothing."""

    def parse(self, line: bytes, at_ns: int) -> None:
        return None


@pytest.mark.parametrize("end", [LINE_END, None])
@pytest.mark.parametrize("noise", [b"\xff" * 200, b"\xff\n" * 100, b"\r\n" * 100])
def test_noise_without_end_keeps_no_read_beyond_its_deadline(noise: bytes, end: re.Pattern[bytes] | None) -> None:
    port = Endless(noise)
    source = Deaf("scan", port, CODE_MAX_BYTES, end=end)
    for reads in (1, 2):
        assert source.read(0.0) is None
        assert port.reads == reads


@pytest.mark.parametrize("noise", [b"\xff" * 200, b"\xff\n" * 100, b"\r\n" * 100])
def test_noise_without_end_is_a_fault_and_the_scanner_reads_again_when_it_is_over(
    device: VirtualScanner, scanner: SerialScanner, monkeypatch: pytest.MonkeyPatch, noise: bytes
) -> None:
    monkeypatch.setattr(lines, "NOISE_NS", 100_000_000)
    with sending_on(device, noise):
        assert fault_of(scanner) is ReaderFault.PROTOCOL
    scanner.close()
    scanner.open()
    device.scan("next")
    assert text_of(scanner) == "next"


def test_what_the_scanner_is_not_set_up_for_is_no_fault_however_long_it_lies_there(
    set_up: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, scanner = set_up({}, prefix="S1:")
    monkeypatch.setattr(lines, "NOISE_NS", 50_000_000)
    with sending_on(device, b"69012345\r\n"):
        while scanner.dropped < 200:
            assert text_of(scanner, 0.05) is None


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


@pytest.fixture
def set_up(tmp_path: Path) -> Iterator[Callable[..., tuple[VirtualScanner, SerialScanner]]]:
    """Makes scanners that are set up in pairs: the device and its driver."""
    with ExitStack() as stack:

        def make(device: dict[str, Any], **settings: Any) -> tuple[VirtualScanner, SerialScanner]:
            virtual = VirtualScanner(tmp_path / "set-up", **device)
            virtual.port.plug()
            stack.callback(virtual.port.unplug)
            driver = SerialScanner("scan", ScannerSettings(port=str(virtual.port.path), **settings))
            driver.open()
            stack.callback(driver.close)
            return virtual, driver

        yield make


SetUp = Callable[..., tuple[VirtualScanner, SerialScanner]]


@pytest.mark.parametrize("tail", [ETX, ETX + b"\r\n"])
def test_codes_between_stx_and_etx_are_read_and_what_has_no_stx_is_dropped(set_up: SetUp, tail: bytes) -> None:
    device, scanner = set_up({"head": STX, "tail": tail}, framing="stx-etx")
    device.scan("first\rline")
    device.port.write(b"noise" + ETX)
    device.scan("second")
    assert [text_of(scanner) for _ in range(2)] == ["first\rline", "second"]
    assert scanner.dropped == 1


def test_without_an_end_a_code_ends_with_silence(set_up: SetUp) -> None:
    device, scanner = set_up({"tail": b""}, framing="gap", gap_ms=200)
    device.port.write(b"two ")
    assert text_of(scanner, 0.0) is None
    device.scan("halves")
    assert text_of(scanner) == "two halves"
    device.scan("next")
    assert text_of(scanner) == "next"
    assert text_of(scanner, 0.3) is None


def test_silence_ends_what_is_too_long(set_up: SetUp) -> None:
    device, scanner = set_up({"tail": b""}, framing="gap", gap_ms=200)
    for _ in range(5):
        device.port.write(b"x" * 1000)
        assert text_of(scanner, 0.01) is None
    assert text_of(scanner, 0.5) is None
    device.scan("next")
    assert text_of(scanner) == "next"
    assert scanner.dropped == 1


def test_a_prefix_and_an_aim_identifier_are_taken_off_and_name_the_symbology(set_up: SetUp) -> None:
    device, scanner = set_up({}, prefix="S1:", aim=True)
    for line in ("S1:]Q1市民码", "S1:]E06901234567892", "S1:]z0other", "]Q1no prefix", "S1:no identifier", "S1:]Q1"):
        device.scan(line)
    readings = [scanner.read(WAIT_S) for _ in range(3)]
    seen = [(reading.text, reading.symbology) for reading in readings if isinstance(reading, CodeReading)]
    assert seen == [("市民码", "qr"), ("6901234567892", "ean-13"), ("other", "serial")]
    assert text_of(scanner, 0.3) is None
    assert scanner.dropped == 3


@pytest.mark.parametrize("make", sorted(TRIGGERS))
@pytest.mark.parametrize(("framing", "head", "tail"), [("line", b"", b"\r"), ("stx-etx", STX, ETX), ("gap", b"", b"")])
def test_a_scanner_that_must_be_told_is_told_again_after_each_code(
    set_up: SetUp, make: str, framing: str, head: bytes, tail: bytes
) -> None:
    device, scanner = set_up({"head": head, "tail": tail, "trigger": TRIGGERS[make]}, framing=framing, trigger=make)
    for text in ("first", "second", "third"):
        device.scan(text)
        assert text_of(scanner) == text
    assert scanner.dropped == 0


def test_a_scan_that_brought_nothing_is_started_again(set_up: SetUp) -> None:
    device, scanner = set_up({"trigger": TRIGGERS["gm65"]}, trigger="gm65", trigger_ms=500)
    while device.triggered < 3:
        assert text_of(scanner, 0.1) is None


class ScannerHarness:
    """A virtual scanner and drivers for it."""

    def __init__(self, path: Path) -> None:
        self._device = VirtualScanner(path)
        self.unplug = self._device.port.unplug
        self.replug = self._device.port.plug
        self.present = self._device.scan
        self.replug()

    def make_source(self) -> SerialScanner:
        return SerialScanner("scan", ScannerSettings(port=str(self._device.port.path)))


class TestScannerConformance(SourceConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[ScannerHarness]:
        harness = ScannerHarness(tmp_path / "conformant")
        yield harness
        harness.unplug()
