"""Commands and answers with a scripted device that answers at the wrong moment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.pn532_frame import Ack, FrameParser, Information, Nack
from drivers.pn532_link import DIAGNOSE, LineFault, Pn532Link
from drivers.serial_port import SerialPort
from drivers.virtual.pty import VirtualPort

EXCHANGE = 0x40
ANSWER = Information(b"\xd5\x41\x00old")


class HastyDevice:
    """Answers its first exchange; at the second it is still busy, and a NACK brings the first answer once more."""

    def __init__(self, path: Path) -> None:
        self.port = VirtualPort(path, self._on_bytes)
        self._parser = FrameParser()
        self._exchanges = 0

    def _on_bytes(self, data: bytes) -> None:
        for frame in self._parser.feed(data):
            if isinstance(frame, Nack):
                self.port.write(ANSWER.to_bytes())
            elif isinstance(frame, Information):
                self.port.write(Ack().to_bytes() + self._answer(frame.body[1], frame.body[2:]))

    def _answer(self, code: int, data: bytes) -> bytes:
        if code == DIAGNOSE:
            return Information(bytes((0xD5, DIAGNOSE + 1)) + data).to_bytes()
        self._exchanges += 1
        return ANSWER.to_bytes() if self._exchanges == 1 else b"noise"


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Pn532Link]:
    device = HastyDevice(tmp_path / "hasty")
    device.port.plug()
    port = SerialPort(str(device.port.path), 115200)
    port.open()
    yield Pn532Link(port, ack_timeout_ms=1000)
    port.close()
    device.port.unplug()


def test_an_old_answer_that_a_nack_brings_is_not_taken_for_the_new_one(link: Pn532Link) -> None:
    assert link.call(EXCHANGE, b"\x01first", 1000) == b"\x00old"
    with pytest.raises(LineFault) as caught:
        link.call(EXCHANGE, b"\x01second", 1000)
    assert caught.value.damaged
