"""A serial line that does to bytes what real ones do: between a driver and a virtual device, both ways, seeded.

Each fault touches at most one byte of a frame: the PN532's 8-bit sum finds every such error, and not all greater ones.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from drivers.api import ReaderError
from drivers.pn532_frame import FrameParser
from drivers.serial_port import Cancelled, SerialPort
from drivers.virtual.pty import VirtualPort

Fault = Callable[[bytes], Iterator[bytes]]
"""From one frame to the pieces that arrive of it."""

NO_DEADLINE_NS = 3_600 * 1_000_000_000


def healthy(frame: bytes) -> Iterator[bytes]:
    yield frame


def nothing(frame: bytes) -> Iterator[bytes]:
    yield from ()


def byte_by_byte(rng: random.Random) -> Fault:
    def fault(frame: bytes) -> Iterator[bytes]:
        for byte in frame:
            if rng.random() < 0.1:
                pause(0.001)
            yield bytes((byte,))

    return fault


def loss(rng: random.Random) -> Fault:
    def fault(frame: bytes) -> Iterator[bytes]:
        at = rng.randrange(len(frame)) if rng.random() < 0.1 else len(frame)
        yield frame[:at] + frame[at + 1 :]

    return fault


def corruption(rng: random.Random) -> Fault:
    def fault(frame: bytes) -> Iterator[bytes]:
        damaged = bytearray(frame)
        if rng.random() < 0.1:
            damaged[rng.randrange(len(frame))] ^= rng.randrange(1, 256)
        yield bytes(damaged)

    return fault


def delay(rng: random.Random) -> Fault:
    def fault(frame: bytes) -> Iterator[bytes]:
        at = rng.randrange(len(frame))
        yield frame[:at]
        pause(rng.choice((0.0, 0.002, 0.02, 0.12)) if rng.random() < 0.3 else 0.0)
        yield frame[at:]

    return fault


def noise(rng: random.Random) -> Fault:
    def fault(frame: bytes) -> Iterator[bytes]:
        if rng.random() < 0.3:
            yield rng.choice(
                (rng.randbytes(rng.randrange(1, 12)), b"\x00\x00\xff\x05\xfb", b"\x00\xff\xff\xff\x01\x00\xff")
            )
        yield frame

    return fault


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


class CutOnce:
    """Passes ``after_bytes`` bytes, then loses the rest of that frame; all is well again from the next one on."""

    def __init__(self, after_bytes: int) -> None:
        self._left = after_bytes
        self.done = False

    def __call__(self, frame: bytes) -> Iterator[bytes]:
        if self.done or len(frame) <= self._left:
            self._left -= 0 if self.done else len(frame)
            yield frame
        else:
            self.done = True
            yield frame[: self._left]


class Sizes:
    """Passes everything and notes the size of each frame."""

    def __init__(self) -> None:
        self.frames: list[int] = []

    def __call__(self, frame: bytes) -> Iterator[bytes]:
        self.frames.append(len(frame))
        yield frame


class FaultyLine:
    """Appears under ``path`` and passes everything to and from the device under ``device``, through the two faults."""

    def __init__(self, path: Path, device: Path) -> None:
        self.to_host: Fault = healthy
        self.to_device: Fault = healthy
        self._front = VirtualPort(path, self._host_sent)
        self._back = SerialPort(str(device), 115200)
        self._frames = FrameParser()
        self._pump = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._back.open()
        self._front.plug()
        self._pump.start()

    def stop(self) -> None:
        self._front.unplug()
        self._back.cancel()
        self._pump.join()
        self._back.close()

    def heal(self) -> None:
        self.to_host = self.to_device = healthy

    def _host_sent(self, data: bytes) -> None:
        for piece in self.to_device(data):
            self._back.write(piece)

    def _run(self) -> None:
        try:
            while True:
                data = self._back.read(time.monotonic_ns() + NO_DEADLINE_NS)
                for frame in self._frames.feed(data):
                    for piece in self.to_host(frame.to_bytes()):
                        self._front.write(piece)
        except (Cancelled, ReaderError):
            return
