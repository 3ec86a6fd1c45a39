"""Pictures from where they come: a device, a network stream or a file, each captured in a thread of its own.

Only the newest picture is kept: who looks later looks at what is there now. Numpy and OpenCV are imported when a
capture opens, so that a terminal without a camera never loads them.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from drivers.api import ReaderError, ReaderFault
from drivers.mjpeg import MjpegStream

if TYPE_CHECKING:
    import cv2

    from drivers.vision.sight import Gray

PIXELS_MAX = 40_000_000
"""A larger picture is refused before it is unpacked: a few kilobytes can announce gigabytes."""
STOP_S = 0.8
OPEN_S = 15.0
_FILE_FPS = 25.0
_SIZE_JUMP = 1 / 40
_EOI = b"\xff\xd9"


class Frame(Protocol):
    """One picture as it arrived."""

    @property
    def at_ns(self) -> int:
        """``time.monotonic_ns()`` of its arrival."""

    @property
    def size_bytes(self) -> int:
        """Its compressed size, which changes with what it shows; 0 when it came otherwise."""

    def gray(self) -> Gray | None:
        """Its grey levels, height × width; ``None`` when it is no picture."""


class Capture(Protocol):
    """Where pictures come from. Used by one thread; :meth:`interrupt` is for others."""

    def open(self) -> None:
        """Raises :class:`ReaderError`."""

    def next(self, wanted: Callable[[], bool]) -> Frame | None:
        """Wait for the next frame; ``None`` when there is none yet, or nobody wants it. Raises :class:`ReaderError`."""

    def interrupt(self) -> None:
        """Let a blocked call end soon, if it can."""

    def close(self) -> None:
        """Release; never raises."""


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """A picture that is unpacked only when somebody looks at it."""

    at_ns: int
    jpeg: bytes

    @property
    def size_bytes(self) -> int:
        """Bytes of the JPEG."""
        return len(self.jpeg)

    def gray(self) -> Gray | None:
        """The luminance; ``None`` for what is no JPEG, is cut off, or is beyond :data:`PIXELS_MAX`."""
        import cv2
        import numpy as np

        # libjpeg fills up what is cut off with grey and says so on stderr: such a picture is not even tried.
        if self.jpeg.rfind(_EOI, -64) < 0 or not 0 < jpeg_pixels(self.jpeg) <= PIXELS_MAX:
            return None
        return cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)


def jpeg_pixels(jpeg: bytes) -> int:
    """Width × height as the frame header says (ITU-T T.81 §B.2.2); 0 when there is none."""
    place = 2
    while jpeg.startswith(b"\xff\xd8") and place + 9 <= len(jpeg):
        mark, kind, length, _, height, width = struct.unpack_from(">BBHBHH", jpeg, place)
        if mark != 0xFF:  # every marker begins so
            return 0
        if 0xC0 <= kind <= 0xCF and kind not in {0xC4, 0xC8, 0xCC}:
            return int(height) * int(width)
        place += 2 + int(length)
    return 0


@dataclass(frozen=True, slots=True)
class PixelFrame:
    """A picture that OpenCV has unpacked, of one or three channels."""

    at_ns: int
    picture: Gray
    size_bytes: int = 0

    def gray(self) -> Gray | None:
        """Its grey levels."""
        import cv2

        if self.picture.ndim == 2:
            return self.picture
        return cv2.cvtColor(self.picture, cv2.COLOR_BGR2GRAY)


class MjpegCapture:
    """An MJPEG stream over HTTP; its pictures stay packed."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._stream = MjpegStream(url, timeout_s)
        self.open = self._stream.open
        self.interrupt = self._stream.interrupt
        self.close = self._stream.close

    def next(self, wanted: Callable[[], bool]) -> Frame | None:
        """The newest picture among those that arrived together."""
        del wanted
        parts = self._stream.parts()
        return JpegFrame(time.monotonic_ns(), parts[-1]) if parts else None


@dataclass(frozen=True, slots=True)
class DeviceModes:
    """What a V4L2 device is asked for; ``None`` leaves it as it is, or to the device's own automatic control."""

    width: int | None = None
    height: int | None = None
    fps: int | None = None
    exposure: int | None = None
    focus: int | None = None


class OpenCvCapture:
    """A V4L2 device, an RTSP stream or a video file; a file is played at its own pace and then ends."""

    def __init__(self, source: str, timeout_s: float, modes: DeviceModes, *, is_file: bool) -> None:
        self._source = source
        self._where = "the stream" if "://" in source else source  # a URL may hold a password
        self._timeout_ms = int(timeout_s * 1000)
        self._modes = modes
        self._is_file = is_file
        self._stopping = threading.Event()
        self._video: cv2.VideoCapture | None = None
        self._next_s = 0.0

    def open(self) -> None:
        """Open it and set its modes. Raises :class:`ReaderError`."""
        import cv2

        # OpenCV writes the address that it could not open to stderr, password and all.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        video = cv2.VideoCapture()
        if self._source.startswith("/dev/"):
            opened = video.open(self._source, cv2.CAP_V4L2, _modes(self._modes))
        else:
            limits = {
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: self._timeout_ms,
                cv2.CAP_PROP_READ_TIMEOUT_MSEC: self._timeout_ms,
            }
            # FFmpeg's frame threads would hold back as many pictures as there are threads.
            opened = video.open(self._source, cv2.CAP_FFMPEG, _flat(limits | {cv2.CAP_PROP_N_THREADS: 1}))
        if not opened:
            raise ReaderError(ReaderFault.NOT_FOUND, f"{self._where} cannot be opened")
        self._video = video
        self._next_s = time.monotonic()

    def next(self, wanted: Callable[[], bool]) -> Frame | None:
        """Take the next picture from the device, and unpack it if it is wanted."""
        if self._video is None or self._stopping.is_set() or not self._video.grab():
            raise ReaderError(ReaderFault.UNPLUGGED, f"{self._where} gives no more pictures")
        at_ns = time.monotonic_ns()
        if self._is_file:
            self._keep_pace()
        if not wanted():
            return None
        taken, picture = self._video.retrieve()
        return PixelFrame(at_ns, picture) if taken else None

    def _keep_pace(self) -> None:
        import cv2

        fps = self._video.get(cv2.CAP_PROP_FPS) if self._video is not None else 0.0
        self._next_s += 1 / (fps if 1 <= fps <= 1000 else _FILE_FPS)  # else the file says nonsense
        self._stopping.wait(max(0.0, self._next_s - time.monotonic()))

    def interrupt(self) -> None:
        """End with the picture that is being waited for."""
        self._stopping.set()

    def close(self) -> None:
        """Release the device."""
        if self._video is not None:
            self._video.release()


def _modes(modes: DeviceModes) -> list[int]:
    import cv2

    automatic, by_hand = 3, 1  # V4L2_EXPOSURE_APERTURE_PRIORITY, V4L2_EXPOSURE_MANUAL
    chosen = {
        cv2.CAP_PROP_FRAME_WIDTH: modes.width,
        cv2.CAP_PROP_FRAME_HEIGHT: modes.height,
        cv2.CAP_PROP_FPS: modes.fps,
        cv2.CAP_PROP_AUTO_EXPOSURE: automatic if modes.exposure is None else by_hand,
        cv2.CAP_PROP_EXPOSURE: modes.exposure,
        cv2.CAP_PROP_AUTOFOCUS: int(modes.focus is None),
        cv2.CAP_PROP_FOCUS: modes.focus,
    }
    return _flat({prop: value for prop, value in chosen.items() if value is not None})


def _flat(properties: dict[int, int]) -> list[int]:
    return [number for pair in properties.items() for number in pair]


class NewestFrame:
    """Runs a capture and keeps its newest frame. For one opening: a new one is made for the next."""

    def __init__(self, name: str, capture: Capture, silence_ms: int) -> None:
        self._capture = capture
        self._silence_ns = silence_ms * 1_000_000
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._arrived_ns = 0
        self._opened = False
        self._fault: ReaderError | None = None
        self._cancelled = False
        self._stopping = False
        self._due_ns = 0
        self._usual_bytes = 0
        self._thread = threading.Thread(target=self._run, name=f"capture-{name}", daemon=True)

    def open(self) -> None:
        """Begin; returns when the source is open. Raises :class:`ReaderError`, also after :meth:`cancel`."""
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._opened or self._fault is not None or self._cancelled, OPEN_S)
            if self._fault is not None:
                raise self._fault
            if not self._opened:
                raise ReaderError(ReaderFault.SILENT, "it does not open")

    def take(self, due_ns: int, usual_bytes: int, deadline_ns: int) -> Frame | None:
        """The newest frame not taken yet that arrived at ``due_ns`` or later, or whose size says that much changed.

        ``None`` at the deadline or after :meth:`cancel`. Raises :class:`ReaderError` when the source is gone, or has
        been silent for too long.
        """
        with self._changed:
            self._due_ns, self._usual_bytes = due_ns, usual_bytes
            until_ns = min(deadline_ns, self._arrived_ns + self._silence_ns)
            self._changed.wait_for(self._has_news, max(0, until_ns - time.monotonic_ns()) / 1e9)
            if self._cancelled:
                self._cancelled = False
                return None
            frame, self._frame = (self._frame, None) if self._is_wanted() else (None, self._frame)
            if frame is not None:
                return frame
            if self._fault is not None:
                raise self._fault
            if time.monotonic_ns() >= self._arrived_ns + self._silence_ns:
                raise ReaderError(ReaderFault.SILENT, "no pictures")
            return None

    def cancel(self) -> None:
        """Make the call that waits, else the next one, return."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def close(self) -> None:
        """End the capture. A thread that hangs in its device is left behind; it releases the device when it returns."""
        self._stopping = True
        self._capture.interrupt()
        self._thread.join(STOP_S)

    def _has_news(self) -> bool:
        return self._cancelled or self._fault is not None or self._is_wanted()

    def _is_wanted(self) -> bool:
        frame = self._frame
        if frame is None:
            return False
        changed = abs(frame.size_bytes - self._usual_bytes) > self._usual_bytes * _SIZE_JUMP
        return changed or frame.at_ns >= self._due_ns

    def _run(self) -> None:
        try:
            self._capture.open()
            with self._changed:
                self._opened = True
                self._arrived_ns = time.monotonic_ns()
                self._changed.notify_all()
            while not self._stopping:
                frame = self._capture.next(lambda: time.monotonic_ns() >= self._due_ns)
                if frame is not None:
                    self._put(frame)
        except ReaderError as error:
            with self._changed:
                self._fault = error
                self._changed.notify_all()
        finally:
            self._capture.close()

    def _put(self, frame: Frame) -> None:
        with self._changed:
            self._frame = frame
            self._arrived_ns = frame.at_ns
            if self._is_wanted():
                self._changed.notify_all()
