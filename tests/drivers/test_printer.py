"""Receipt printers: text alone reaches the paper, in the printer's own encoding; a file may stand in its place."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from drivers.api import Printer, ReaderError, ReaderFault
from drivers.printer import BEGIN, CUT, PrinterSettings, TextPrinter
from drivers.text_out import FILE_MAX_BYTES
from drivers.virtual.pty import VirtualPort

WAIT_S = 20.0


class _Paper:
    """What a printer on a serial line received."""

    def __init__(self, path: Path) -> None:
        self.received = b""
        self._arrived = threading.Condition()
        self.port = VirtualPort(path, self._hear)
        self.port.plug()

    def _hear(self, data: bytes) -> None:
        with self._arrived:
            self.received += data
            self._arrived.notify_all()

    def until(self, end: bytes) -> bytes:
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.received.endswith(end), WAIT_S)
            return self.received


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_lines_are_printed_and_cut_in_the_printers_encoding(tmp_path: Path, encoding: str) -> None:
    paper = _Paper(tmp_path / "printer")
    printer: Printer = TextPrinter(
        "p", PrinterSettings.model_validate({"port": str(paper.port.path), "encoding": encoding})
    )
    printer.open()
    printer.print_lines(("号码", "A001"))
    assert paper.until(CUT) == BEGIN + "号码\r\nA001\r\n".encode(encoding) + CUT
    printer.close()
    with pytest.raises(ReaderError):
        printer.print_lines(("closed",))
    paper.port.unplug()


def test_no_byte_of_a_line_is_a_command(tmp_path: Path) -> None:
    paper = _Paper(tmp_path / "printer")
    printer = TextPrinter("p", PrinterSettings(port=str(paper.port.path)))
    printer.open()
    printer.print_lines(("\x1b@\x1dV\x00\r\n\x07drawer",))
    assert paper.until(CUT) == BEGIN + b"?@?V????drawer\r\n" + CUT
    printer.close()
    paper.port.unplug()


def test_a_printer_that_is_pulled_out_is_a_fault(tmp_path: Path) -> None:
    paper = _Paper(tmp_path / "printer")
    printer = TextPrinter("p", PrinterSettings(port=str(paper.port.path)))
    printer.open()
    paper.port.unplug()
    with pytest.raises(ReaderError) as caught:
        printer.print_lines(("x",) * 64)
    assert caught.value.fault in (ReaderFault.UNPLUGGED, ReaderFault.SILENT)
    printer.close()
    printer.close()


def test_a_file_holds_the_latest_slips_and_never_grows_beyond_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "paper.txt"
    printer = TextPrinter("p", PrinterSettings(port=str(path)))
    printer.open()
    printer.print_lines(("A001",))
    printer.print_lines(("A002",))
    assert path.read_text(encoding="utf-8").splitlines()[0::2] == ["A001", "A002"]
    for _ in range(100):
        printer.print_lines(("x" * 1_000,))
        assert path.stat().st_size <= FILE_MAX_BYTES


@pytest.mark.parametrize(
    ("port", "fault"), [("/dev/no-such-printer", ReaderFault.NOT_FOUND), ("missing/paper.txt", ReaderFault.NOT_FOUND)]
)
def test_a_printer_that_is_not_there_is_a_fault(tmp_path: Path, port: str, fault: ReaderFault) -> None:
    with pytest.raises(ReaderError) as caught:
        TextPrinter("p", PrinterSettings(port=str(tmp_path / port))).open()
    assert caught.value.fault is fault
