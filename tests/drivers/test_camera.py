"""Cameras on real transports: what is seen, when the stream breaks, and that a terminal without one loads nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from drivers.api import CodeHint, CodeProblem, CodeReading, ReaderError, ReaderFault, Source
from drivers.camera import Camera, CameraSettings
from drivers.virtual.camera import VirtualCamera
from drivers.virtual.phone import LOOKS, Look, Phone, Picture, Room
from tests.drivers.source_conformance import DEADLINE_S, SourceConformance, fault_of, next_code, next_reading

SIZE = (640, 480)
CLEAR = Look(code_px=260)
HELD_MS = 400


class CameraHarness:
    """A virtual camera, and a driver that follows its address."""

    def __init__(self, directory: Path) -> None:
        self.device = VirtualCamera(directory / "camera.url", size=SIZE)
        self.device.plug()

    def make_source(self, **settings: object) -> Camera:
        return Camera("lens", CameraSettings.model_validate({"source": str(self.device.path), **settings}))

    def present(self, text: str) -> None:
        self.device.show([text], CLEAR, HELD_MS)

    def unplug(self) -> None:
        self.device.unplug()

    def replug(self) -> None:
        self.device.plug()


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[CameraHarness]:
    harness = CameraHarness(tmp_path)
    yield harness
    harness.device.unplug()


@pytest.fixture
def device(harness: CameraHarness) -> VirtualCamera:
    return harness.device


@pytest.fixture
def camera(harness: CameraHarness) -> Iterator[Camera]:
    camera = harness.make_source(silence_ms=1000, frozen_ms=1000)
    camera.open()
    yield camera
    camera.close()


class TestCameraConformance(SourceConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[CameraHarness]:
        harness = CameraHarness(tmp_path)
        yield harness
        harness.device.unplug()


def codes(camera: Source, count: int) -> list[str]:
    return [next_code(camera).text for _ in range(count)]


def test_a_code_that_stays_is_read_once_and_again_after_it_was_away(harness: CameraHarness) -> None:
    device = harness.device
    camera = harness.make_source(gap_ms=1000)
    camera.open()
    device.show(["STAYS"], CLEAR, 1200)
    reading = next_code(camera)
    assert (reading.text, reading.symbology) == ("STAYS", "qr")
    assert camera.read(3.0) is None
    device.show(["STAYS"], CLEAR, HELD_MS)
    assert next_code(camera).text == "STAYS"
    camera.close()


def test_a_fresh_code_on_the_same_phone_is_read_without_its_leaving(device: VirtualCamera, camera: Camera) -> None:
    device.show(["FIRST"], CLEAR, 10_000)
    assert next_code(camera).text == "FIRST"
    device.show(["SECOND"], CLEAR, HELD_MS)
    assert next_code(camera).text == "SECOND"


@pytest.mark.parametrize("count", [2, 10])
def test_several_codes_in_one_picture_are_read_once_each(device: VirtualCamera, camera: Camera, count: int) -> None:
    texts = [f"CODE {number}" for number in range(count)]
    device.show(texts, Look(code_px=380), 1000)
    assert sorted(codes(camera, count)) == sorted(texts)
    assert camera.read(1.0) is None


def test_a_barcode_is_read_where_it_is_asked_for(harness: CameraHarness) -> None:
    camera = harness.make_source(symbologies=["qr", "ean-13"])
    camera.open()
    harness.device.show(["6901234567892"], Look(code_px=300, tilt_deg=0), 2000, symbology="ean-13")
    reading = next_code(camera)
    camera.close()
    assert (reading.text, reading.symbology) == ("6901234567892", "ean-13")


def test_a_code_that_is_too_small_is_a_hint(harness: CameraHarness) -> None:
    camera = harness.make_source()
    camera.open()
    harness.device.show(["EC1:" + "A7%" * 100], Look(code_px=80, tilt_deg=0, turn_deg=0, roll_deg=0), 5000)
    reading = next_reading(camera)
    camera.close()
    assert isinstance(reading, CodeHint)
    assert reading.problem in {CodeProblem.SMALL, CodeProblem.UNREAD}


def test_a_mirrored_picture_is_turned_back_and_the_region_alone_is_looked_at(tmp_path: Path) -> None:
    room = Room(SIZE, 3)
    left, right = (Phone(room, [text], Look(code_px=180)).shot(1).picture for text in ("LEFT", "RIGHT"))
    both = np.hstack([left, right])
    region = {"left": 0.0, "right": 0.5}
    file = film(tmp_path / "two.avi", [both] * 20)
    assert one_of(file) in {"LEFT", "RIGHT"}
    assert one_of(file, region=region) == "LEFT"
    mirrored = film(tmp_path / "mirrored.avi", [np.ascontiguousarray(both[:, ::-1])] * 20)
    assert one_of(mirrored, region=region, mirror=True) == "RIGHT"


def test_a_video_file_is_played_and_ends(tmp_path: Path) -> None:
    room = Room(SIZE, 2)
    phone = Phone(room, ["ON FILM"], CLEAR)
    pictures = [room.empty(step) for step in range(10)] + [phone.shot(step).picture for step in range(10)]
    camera = Camera("film", CameraSettings(source=str(film(tmp_path / "film.avi", pictures))))
    camera.open()
    assert next_code(camera).text == "ON FILM"
    assert fault_of(camera) is ReaderFault.UNPLUGGED
    camera.close()


@pytest.mark.parametrize(
    ("trouble", "fault"),
    [("silent", ReaderFault.SILENT), ("frozen", ReaderFault.SILENT), ("garbage", ReaderFault.PROTOCOL)],
)
def test_a_stream_in_trouble_is_a_fault_and_reads_again_afterwards(
    device: VirtualCamera, camera: Camera, trouble: str, fault: ReaderFault
) -> None:
    device.trouble = trouble  # type: ignore[assignment]
    assert fault_of(camera) is fault
    assert (camera.dropped > 0) is (trouble == "garbage")
    device.trouble = "none"
    camera.close()
    camera.open()
    device.show(["BACK"], CLEAR, HELD_MS)
    assert next_code(camera).text == "BACK"


def test_closing_does_not_wait_for_a_server_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        camera = Camera("lens", CameraSettings(source=url, silence_ms=60_000))
        faults: list[ReaderFault] = []
        opening = threading.Thread(target=lambda: faults.append(open_fault_of(camera)), daemon=True)
        opening.start()
        connection, _ = server.accept()
        camera.cancel()
        opening.join(DEADLINE_S)
        camera.close()
        assert faults == [ReaderFault.SILENT]
        assert not [thread for thread in threading.enumerate() if thread.name == "capture-lens"]
        connection.close()


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    for source in (tmp_path / "none.url", tmp_path / "none.mp4", "/dev/video99", "http://127.0.0.1:1/"):
        assert open_fault_of(Camera("lens", CameraSettings(source=str(source)))) is ReaderFault.NOT_FOUND


def test_a_password_in_the_address_is_in_no_text() -> None:
    settings = CameraSettings(source="http://user:secret@127.0.0.1:1/")
    with pytest.raises(ReaderError) as caught:
        Camera("lens", settings).open()
    assert "secret" not in f"{settings!r} {caught.value}"


def test_modes_are_for_devices_only() -> None:
    assert CameraSettings(source="/dev/video0", exposure=120, focus=30).modes.exposure == 120
    with pytest.raises(ValidationError, match="device only"):
        CameraSettings(source="rtsp://camera/", exposure=120)


@pytest.mark.parametrize("look", sorted(LOOKS.keys() - {"too-small", "noisy"}))
def test_every_look_of_a_citizen_code_is_read(look: str) -> None:
    from drivers.vision.api import FrameDecoder

    text = "EC1:" + "AB12CD%*+-./:" * 23 + "ABCDEFG"
    phone = Phone(Room((1280, 720), 5), [text], LOOKS[look])
    decoder = FrameDecoder()
    seen = (decoder.frame(cv2.cvtColor(phone.shot(step).picture, cv2.COLOR_BGR2GRAY)) for step in range(12))
    assert any(symbol.text == text for sight in seen for symbol in sight.symbols)


def test_the_driver_loads_no_opencv_before_it_opens() -> None:
    check = (
        "import sys; from drivers.camera import *; Camera('x', CameraSettings(source='x')); print('cv2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def film(path: Path, pictures: list[Picture]) -> Path:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (width, height))
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


def one_of(file: Path, **settings: object) -> str:
    camera = Camera("film", CameraSettings.model_validate({"source": str(file), **settings}))
    camera.open()
    reading = next_code(camera)
    camera.close()
    assert isinstance(reading, CodeReading)
    return reading.text


def open_fault_of(camera: Camera) -> ReaderFault:
    with pytest.raises(ReaderError) as caught:
        camera.open()
    return caught.value.fault
