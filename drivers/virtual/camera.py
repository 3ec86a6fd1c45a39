"""A camera in software: an MJPEG stream over HTTP on loopback, as IP cameras send it, of a phone or of nobody.

Pictures are drawn before they are played, so that drawing takes nothing from whoever is measured. The address is in a
file, since the port is any free one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import cv2

from drivers.virtual.api import Use
from drivers.virtual.bench import CameraTrouble, Showing
from drivers.virtual.phone import Look, Phone, Picture, Room

BOUNDARY = "frame"
JPEG_QUALITY = 85
LOOP_FRAMES = 8
"""As many different pictures are repeated: a camera's sensor makes no two alike, a frozen camera only one."""
ENTER_MS = 300
SHOWINGS_KEPT = 1000
_GARBAGE = b"\xff\xd8" + bytes(range(256)) + b"\xff\xd9"


class Frame(NamedTuple):
    """One picture, compressed, and whether every code of the screen is wholly in it."""

    jpeg: bytes
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """A frame in the stream. ``at_ns`` is ``time.monotonic_ns()`` before its first byte was sent."""

    sequence: int
    at_ns: int
    frame: Frame


class VirtualCamera:
    """A camera whose address stands in the file ``path``. Every method may be called from any thread."""

    def __init__(self, path: Path, *, fps: int = 30, size: tuple[int, int] = (1280, 720), seed: int = 1) -> None:
        self.path = path
        self.trouble: CameraTrouble = "none"
        self.shown: deque[Showing] = deque(maxlen=SHOWINGS_KEPT)
        """The newest showings, oldest first."""
        self._fps = fps
        self._room = Room(size, seed)
        self._empty = [_compressed(self._room.empty(step)) for step in range(LOOP_FRAMES)]
        self._coming: deque[Frame] = deque()
        self._loop = self._empty
        self._loop_until_ns = 0
        self._leaving: list[Frame] = []
        self._changed = threading.Condition()
        self._newest: Published | None = None
        self._server: _Server | None = None
        self._watching = 0

    @property
    def use(self) -> Use:
        """In use while somebody takes the stream."""
        if self._server is None:
            return Use.UNPLUGGED
        return Use.IN_USE if self._watching else Use.IDLE

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While somebody takes the stream."""
        with self._changed:
            self._watching += 1
        try:
            yield
        finally:
            with self._changed:
                self._watching -= 1

    def plug(self) -> None:
        """Listen, write the address, and begin to film; harmless when plugged."""
        with self._changed:
            if self._server is not None:
                return
            server = self._server = _Server(self)
        fresh = self.path.with_name(f".{self.path.name}.fresh")
        fresh.write_text(server.url + "\n", encoding="ascii")
        fresh.replace(self.path)
        for name, work in (("serve", server.serve_forever), ("film", lambda: self._film(server))):
            threading.Thread(target=work, name=f"virtual camera {name}", daemon=True).start()

    def unplug(self) -> None:
        """Break every connection, and be gone; harmless when unplugged."""
        with self._changed:
            server, self._server = self._server, None
            self._newest = None
            self._changed.notify_all()
        if server is not None:
            self.path.unlink(missing_ok=True)
            server.shutdown()
            server.server_close()

    def show(
        self, texts: Sequence[str], look: Look, hold_ms: int, *, symbology: str = "qr", enter_ms: int = ENTER_MS
    ) -> None:
        """Hold a phone with these codes before the camera, then take it away. Raises ``NotACode``.

        A phone that is already there shows the new codes in its place and is held so much longer.
        """
        phone = Phone(self._room, texts, look, symbology)
        held = [_compressed(*phone.shot(step)) for step in range(LOOP_FRAMES)]
        slides = enter_ms * self._fps // 1000
        coming = [_compressed(*phone.shot(LOOP_FRAMES + step, 1 - step / slides)) for step in range(1, slides)]
        with self._changed:
            there = self._loop is not self._empty
            self._coming = deque() if there else deque(coming)
            self._loop = held
            self._leaving = coming[::-1]
            entering_ns = len(self._coming) * 1_000_000_000 // self._fps
            self._loop_until_ns = time.monotonic_ns() + entering_ns + hold_ms * 1_000_000

    def take_away(self) -> None:
        """Let the phone leave now; harmless when there is none."""
        with self._changed:
            self._loop_until_ns = time.monotonic_ns()

    def _film(self, server: _Server) -> None:
        """Publish a frame at every tick until unplugged."""
        started_ns = time.monotonic_ns()
        sequence = 0
        shown = False
        while self._server is server:
            sequence += 1
            due_ns = started_ns + sequence * 1_000_000_000 // self._fps
            time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
            with self._changed:
                frame = self._next(sequence)
                if frame is None or self._server is not server:
                    continue
                self._newest = Published(sequence, time.monotonic_ns(), frame)
                if frame.whole and not shown:
                    self.shown.append(Showing(sequence=sequence, at_ns=self._newest.at_ns))
                shown = frame.whole
                self._changed.notify_all()

    def _next(self, sequence: int) -> Frame | None:
        match self.trouble:
            case "silent":
                return None
            case "frozen":
                return self._empty[0]
            case "garbage":
                return Frame(_GARBAGE)
            case "none":
                pass
        if not self._coming and self._loop is not self._empty and time.monotonic_ns() >= self._loop_until_ns:
            self._coming = deque(self._leaving)
            self._loop = self._empty
        return self._coming.popleft() if self._coming else self._loop[sequence % LOOP_FRAMES]

    def after(self, sequence: int, server: _Server) -> Published | None:
        """Wait for a frame newer than this one; ``None`` when the camera is unplugged."""
        with self._changed:
            self._changed.wait_for(lambda: self._server is not server or self._is_newer(sequence))
            return self._newest if self._server is server else None

    def _is_newer(self, sequence: int) -> bool:
        return self._newest is not None and self._newest.sequence > sequence


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, camera: VirtualCamera) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.camera = camera
        self.url = f"http://127.0.0.1:{self.server_address[1]}/stream.mjpg"


class _Handler(BaseHTTPRequestHandler):
    """One client: a part for every frame that it is fast enough for, the newest one first."""

    server: _Server
    wbufsize = -1

    def do_GET(self) -> None:
        if not self.server.url.endswith(self.path):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.end_headers()
        sequence = 0
        with self.server.camera.watched(), suppress(ConnectionError):
            while (published := self.server.camera.after(sequence, self.server)) is not None:
                sequence = published.sequence
                self._send(published)

    def _send(self, published: Published) -> None:
        jpeg = published.frame.jpeg
        head = (
            f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n"
            f"X-Sequence: {published.sequence}\r\nX-Monotonic-Ns: {published.at_ns}\r\n\r\n"
        )
        self.wfile.write(head.encode("ascii") + jpeg + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing: the bench's own output is read by programs."""


def _compressed(picture: Picture, whole: bool = False) -> Frame:
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return Frame(jpeg.tobytes(), whole)
