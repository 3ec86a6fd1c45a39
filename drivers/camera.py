"""Cameras: codes on phones and on paper, from a V4L2 device, an IP camera or a video file.

While nothing moves, few frames are looked at and few of those are decoded; while something moves, every one is. JPEG
pictures wake the driver at once: one that shows something new has another size, which costs nothing to weigh.
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, model_validator

from drivers.api import DriverSettings, ReaderError, ReaderFault, Reading
from drivers.capture import Capture, DeviceModes, MjpegCapture, NewestFrame, OpenCvCapture
from drivers.presentations import Presentations
from drivers.vision.sight import Symbology  # not from the room's door, which imports OpenCV

if TYPE_CHECKING:
    from drivers.vision.api import FrameDecoder, Gray

AWAKE_NS = 2_000_000_000
"""After the last motion every frame is decoded for so long."""
GLANCE_NS = 500_000_000
"""While nothing moves a frame is decoded so often, for a code that lies still."""
SOURCE_MAX_CHARS = 2048
_THUMBNAIL = (64, 36)
_MOVED_LEVELS = 10
_MOVED_CELLS = 6
_PRINT_ROWS = 16

Share = Annotated[float, Field(ge=0, le=1)]


class Region(DriverSettings):
    """A part of the picture, in shares of its width and height from its upper left corner."""

    left: Share = 0.0
    top: Share = 0.0
    right: Share = 1.0
    bottom: Share = 1.0

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.right - self.left < 0.05 or self.bottom - self.top < 0.05:  # a twentieth of the picture
            raise ValueError("left must be less than right, and top less than bottom, by at least 0.05")
        return self

    def of(self, gray: Gray) -> Gray:
        """This part of a picture, without copying it."""
        height, width = gray.shape
        rows = slice(int(self.top * height), max(1, int(self.bottom * height)))
        return gray[rows, slice(int(self.left * width), max(1, int(self.right * width)))]


class CameraSettings(DriverSettings):
    """One camera. Modes are those of a device; an IP camera has its own page for them."""

    source: str = Field(
        min_length=1,
        max_length=SOURCE_MAX_CHARS,
        repr=False,
        description="/dev/videoN; rtsp://, http:// or https:// URL; a video file; or a file *.url that holds the URL",
    )
    width: int | None = Field(default=None, ge=160, le=7680)
    height: int | None = Field(default=None, ge=120, le=4320)
    fps: int | None = Field(default=None, ge=1, le=240)
    exposure: int | None = Field(default=None, ge=0, description="in the device's unit; automatic if not given")
    focus: int | None = Field(default=None, ge=0, description="in the device's unit; automatic if not given")
    mirror: bool = Field(default=False, description="the camera's picture is mirrored")
    region: Region = Region()
    symbologies: tuple[Symbology, ...] = Field(default=(Symbology.QR,), min_length=1)
    idle_fps: int = Field(default=10, ge=2, le=60, description="frames looked at each second while nothing moves")
    gap_ms: int = Field(default=1500, ge=1000, le=60_000, description="the same code is read again after so long")
    silence_ms: int = Field(default=3000, ge=1000, le=60_000, description="no picture for so long is a fault")
    frozen_ms: int = Field(default=10_000, ge=0, le=600_000, description="the same picture for so long; 0: no fault")

    @property
    def modes(self) -> DeviceModes:
        """What a device is asked for."""
        return DeviceModes(self.width, self.height, self.fps, self.exposure, self.focus)

    @model_validator(mode="after")
    def _modes_of_a_device(self) -> Self:
        if self.modes != DeviceModes() and not self.source.startswith("/dev/"):
            raise ValueError("width, height, fps, exposure and focus can be set of a /dev/… device only")
        return self


class Camera:
    """Codes before a camera. Driver ``camera``; implements :class:`drivers.api.Source`.

    Hands over ``CodeReading``; ``CodeHint`` for a code that is in view and not read; ``SourceHealth`` when it begins to
    read worse than it used to. What is no picture is dropped and counted.
    """

    Settings: ClassVar[type[DriverSettings]] = CameraSettings

    def __init__(self, name: str, settings: CameraSettings) -> None:
        self.name = name
        self.dropped = 0
        """Frames that were no picture."""
        self._settings = settings
        self._presentations = Presentations(name, settings.gap_ms)
        self._readings: deque[Reading] = deque()
        self._frames: NewestFrame | None = None
        self._decoder: FrameDecoder | None = None
        self._watch = _Watch(settings)

    def open(self) -> None:
        """Open the camera. Raises :class:`ReaderError`."""
        self.close()
        import cv2

        from drivers.vision.api import FrameDecoder

        cv2.setNumThreads(1)  # the pictures are small; a pool of threads would only spin on other lanes' cores
        self._readings.clear()
        self._watch = _Watch(self._settings)
        self._decoder = FrameDecoder(self._settings.symbologies)
        self._frames = NewestFrame(self.name, self._capture(), self._settings.silence_ms)
        self._frames.open()

    def close(self) -> None:
        """Release the camera, within a second even if it hangs."""
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def cancel(self) -> None:
        """Make the ``read`` that waits, else the next one, return ``None``, and an ``open`` that waits give up."""
        frames = self._frames
        if frames is not None:
            frames.cancel()

    def read(self, timeout_s: float) -> Reading | None:
        """The next reading. Raises :class:`ReaderError`."""
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        while not self._readings:
            if self._frames is None or self._decoder is None:
                raise ReaderError(ReaderFault.UNPLUGGED, "the camera is not open")
            frame = self._frames.take(self._watch.due_ns, self._watch.usual_bytes, deadline_ns)
            if frame is None:
                return None
            gray = frame.gray()
            if gray is None:
                self.dropped += 1
                self._watch.miss(frame.at_ns)
                continue
            view = self._view(gray)
            if self._watch.look(view, frame.at_ns, frame.size_bytes):
                self._readings += self._presentations.note(self._decoder.frame(view), frame.at_ns)
        return self._readings.popleft()

    def picture(self, timeout_s: float) -> Gray | None:
        """The next picture as the decoder sees it, height × width; ``None`` after the timeout, or if it was none.

        For a technician's look; a lane calls :meth:`read`. Raises :class:`ReaderError`.
        """
        if self._frames is None:
            raise ReaderError(ReaderFault.UNPLUGGED, "the camera is not open")
        frame = self._frames.take(0, 0, time.monotonic_ns() + int(timeout_s * 1e9))
        gray = None if frame is None else frame.gray()
        return None if gray is None else self._view(gray)

    def _view(self, gray: Gray) -> Gray:
        import cv2

        view = self._settings.region.of(gray)
        return cv2.flip(view, 1) if self._settings.mirror else view

    def _capture(self) -> Capture:
        source = _address(self._settings.source)
        timeout_s = self._settings.silence_ms / 1000
        if source.startswith(("http://", "https://")):
            return MjpegCapture(source, timeout_s)
        is_file = "://" not in source and not source.startswith("/dev/")
        return OpenCvCapture(source, timeout_s, self._settings.modes, is_file=is_file)


class _Watch:
    """When to look at the next frame, whether to decode it, and whether the camera still sees anything."""

    def __init__(self, settings: CameraSettings) -> None:
        self._interval_ns = 1_000_000_000 // settings.idle_fps
        self._silence_ns = settings.silence_ms * 1_000_000
        self._frozen_ns = settings.frozen_ms * 1_000_000
        self._started_ns = time.monotonic_ns()
        self._looked_ns = 0
        self._awake_until_ns = 0
        self._glance_ns = 0
        self._changed_ns = 0
        self._print = 0
        self._thumbnail: Gray | None = None
        self.usual_bytes = 0
        """Compressed size of the frame that was looked at last."""

    @property
    def due_ns(self) -> int:
        """From when on a frame is worth a look."""
        return 0 if self._looked_ns < self._awake_until_ns else self._looked_ns + self._interval_ns

    def look(self, view: Gray, at_ns: int, size_bytes: int) -> bool:
        """Whether this frame is to be decoded. Raises ``ReaderError`` when the picture has not changed for too long."""
        self._looked_ns, self.usual_bytes = at_ns, size_bytes
        self._fear_frost(view, at_ns)
        if self._has_moved(view):
            self._awake_until_ns = at_ns + AWAKE_NS
        if at_ns >= self._awake_until_ns and at_ns < self._glance_ns:
            return False
        self._glance_ns = at_ns + GLANCE_NS
        return True

    def miss(self, at_ns: int) -> None:
        """A frame was no picture. Raises ``ReaderError`` when that goes on."""
        if at_ns - max(self._looked_ns, self._started_ns) >= self._silence_ns:
            raise ReaderError(ReaderFault.PROTOCOL, "no picture in what the camera sends")

    def _fear_frost(self, view: Gray, at_ns: int) -> None:
        """A sensor's noise makes no two pictures alike: the same one for long is a camera that hangs."""
        seen = zlib.crc32(view[::_PRINT_ROWS].tobytes())
        if seen != self._print:
            self._print, self._changed_ns = seen, at_ns
        elif self._frozen_ns and at_ns - self._changed_ns >= self._frozen_ns:
            raise ReaderError(ReaderFault.SILENT, "the picture does not change")

    def _has_moved(self, view: Gray) -> bool:
        """Whether enough cells of a thumbnail differ from the last one's, by more than noise and flicker do."""
        import cv2
        import numpy as np

        thumbnail = cv2.resize(view, _THUMBNAIL, interpolation=cv2.INTER_AREA)
        before, self._thumbnail = self._thumbnail, thumbnail
        if before is None:
            return True
        change = thumbnail.astype(np.int16) - before
        return int(np.count_nonzero(abs(change - int(np.median(change))) > _MOVED_LEVELS)) >= _MOVED_CELLS


def _address(source: str) -> str:
    """The source itself, or the URL in a ``.url`` file. Raises :class:`ReaderError`."""
    if not source.endswith(".url") or "://" in source:
        return source
    try:
        with Path(source).open(encoding="ascii") as file:
            return file.readline(SOURCE_MAX_CHARS).strip()
    except (OSError, ValueError) as error:
        raise ReaderError(ReaderFault.NOT_FOUND, f"no address in {source}") from error
