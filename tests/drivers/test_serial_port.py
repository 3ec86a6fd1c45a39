"""The serial line on real pseudo-terminals: faults named, reads bounded, cancelled from another thread."""

import errno
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.api import ReaderError, ReaderFault
from drivers.serial_port import Cancelled, SerialPort, open_fault
from drivers.virtual.pty import VirtualPort


def soon() -> int:
    return time.monotonic_ns() + 20_000_000_000


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[VirtualPort]:
    """A device that answers what it is sent."""
    device = VirtualPort(tmp_path / "ports" / "echo", lambda data: device.write(data))
    device.plug()
    yield device
    device.unplug()


@pytest.fixture
def port(echo: VirtualPort) -> Iterator[SerialPort]:
    serial_port = SerialPort(str(echo.path), 115200)
    serial_port.open()
    yield serial_port
    serial_port.close()


def test_what_is_written_reaches_the_device_and_its_answer_comes_back(port: SerialPort) -> None:
    port.write(b"\x00\x03\x04\x11\x13\x7f\xff\r\n")
    answer = b""
    while len(answer) < 9:
        answer += port.read(soon())
    assert answer == b"\x00\x03\x04\x11\x13\x7f\xff\r\n"


def test_a_read_without_bytes_ends_at_its_deadline(port: SerialPort) -> None:
    deadline_ns = time.monotonic_ns() + 20_000_000
    assert port.read(deadline_ns) == b""
    assert time.monotonic_ns() >= deadline_ns


def test_a_missing_port_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ReaderError) as caught:
        SerialPort(str(tmp_path / "absent"), 115200).open()
    assert caught.value.fault is ReaderFault.NOT_FOUND


def test_a_file_that_is_no_port_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReaderError) as caught:
        SerialPort(str(tmp_path / "file"), 115200).open()
    assert caught.value.fault is ReaderFault.NOT_FOUND


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (errno.EACCES, ReaderFault.DENIED),
        (errno.ENODEV, ReaderFault.NOT_FOUND),
        (errno.EAGAIN, ReaderFault.BUSY),
        (errno.EIO, ReaderFault.UNPLUGGED),
    ],
)
def test_what_the_system_says_at_opening_is_named(code: int, fault: ReaderFault) -> None:
    assert open_fault("/dev/ttyUSB0", OSError(code, "")).fault is fault


def test_a_port_that_another_holds_is_busy(echo: VirtualPort, port: SerialPort) -> None:
    with pytest.raises(ReaderError) as caught:
        SerialPort(str(echo.path), 115200).open()
    assert caught.value.fault is ReaderFault.BUSY


def test_a_blocked_read_reports_that_the_device_was_unplugged(echo: VirtualPort, port: SerialPort) -> None:
    puller = threading.Thread(target=echo.unplug)
    puller.start()
    with pytest.raises(ReaderError) as caught:
        port.read(soon())
    puller.join()
    assert caught.value.fault is ReaderFault.UNPLUGGED
    with pytest.raises(ReaderError):
        port.write(b"x")


def test_an_unplugged_device_works_again_under_the_same_path(echo: VirtualPort, port: SerialPort) -> None:
    echo.unplug()
    assert not echo.path.exists()
    echo.plug()
    port.open()
    port.write(b"again")
    assert port.read(soon())


def test_cancel_ends_a_blocked_read_once(port: SerialPort) -> None:
    canceller = threading.Thread(target=port.cancel)
    canceller.start()
    with pytest.raises(Cancelled):
        port.read(soon())
    canceller.join()
    assert port.read(time.monotonic_ns()) == b""


def test_a_cancel_before_the_read_is_not_lost(port: SerialPort) -> None:
    port.cancel()
    with pytest.raises(Cancelled):
        port.read(soon())


def test_a_closed_port_reports_itself_unplugged_and_takes_every_call(port: SerialPort) -> None:
    port.close()
    port.close()
    port.cancel()
    with pytest.raises(ReaderError) as caught:
        port.read(soon())
    assert caught.value.fault is ReaderFault.UNPLUGGED
