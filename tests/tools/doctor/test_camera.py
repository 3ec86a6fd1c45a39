"""Cameras before the doctor: light and sharpness by what a file films, and a test code that is held up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.virtual.camera import VirtualCamera
from drivers.virtual.phone import Look
from drivers.vision.api import Gray
from drivers.vision.clarity import clarity
from tests.tools.doctor.parts import Ward
from tools.doctor.finding import Verdict
from tools.doctor.shown_code import new_code, wait_for

SIZE = (320, 240)
WAIT_S = 20.0


def scene() -> Gray:
    """A bright card on a dark wall, with a sensor's noise."""
    picture = np.full((SIZE[1], SIZE[0]), 70, np.float32)
    picture[60:180, 80:240] = 190
    return np.clip(picture + np.random.default_rng(1).normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def film(path: Path, picture: Gray) -> str:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, SIZE, isColor=False)
    for _ in range(10):
        writer.write(picture)
    writer.release()
    return str(path)


def faults(well: Ward) -> dict[str, str]:
    return {each.check: each.fault for each in well.findings() if each.check.startswith("camera")}


def test_a_sharp_and_light_picture_is_well(well: Ward) -> None:
    well.use_camera(film(well.directory / "film.avi", scene()))
    assert faults(well) == {"camera": "", "camera.light": "", "camera.sharpness": ""}


@pytest.mark.parametrize(
    ("picture", "check", "fault"),
    [
        (lambda: (scene() * 0.15).astype(np.uint8), "camera.light", "dark"),
        (lambda: np.maximum(scene(), 240), "camera.light", "bright"),
        (lambda: cv2.GaussianBlur(scene(), (0, 0), 6), "camera.sharpness", "blurred"),
    ],
    ids=["dark", "glaring", "blurred"],
)
def test_a_poor_picture_is_named(well: Ward, picture: object, check: str, fault: str) -> None:
    assert callable(picture)
    well.use_camera(film(well.directory / "film.avi", picture()))
    assert {name: found for name, found in faults(well).items() if found} == {check: fault}


def test_of_a_bare_wall_nobody_can_say_whether_it_is_sharp(well: Ward) -> None:
    wall = np.clip(np.random.default_rng(1).normal(120, 3, (SIZE[1], SIZE[0])), 0, 255).astype(np.uint8)
    well.use_camera(film(well.directory / "film.avi", wall))
    verdicts = {each.check: each.verdict for each in well.findings()}
    assert verdicts["camera.sharpness"] is Verdict.UNKNOWN


def test_a_camera_that_is_absent(well: Ward) -> None:
    well.use_camera(str(well.directory / "video99"))
    assert faults(well) == {"camera": "not-found"}


def test_sharpness_is_measured_in_any_light_and_contrast() -> None:
    for contrast in (0.3, 0.6, 1.0):
        picture = (scene() * contrast + 20).astype(np.uint8)
        assert not clarity(picture).is_blurred
        assert clarity(cv2.GaussianBlur(picture, (0, 0), 5)).is_blurred


@contextmanager
def held_up(well: Ward, text: str) -> Iterator[None]:
    """A code before the scanner, which scans it again and again: an opened port drops what came before."""
    over = threading.Event()

    def hold() -> None:
        while not over.wait(0.05):
            well.scanner.scan(text)

    holding = threading.Thread(target=hold)
    holding.start()
    try:
        yield
    finally:
        over.set()
        holding.join()


def test_a_test_code_is_read_by_a_scanner_and_by_a_camera(well: Ward) -> None:
    code = new_code()
    with held_up(well, code):
        assert [each.verdict for each in wait_for(well.patient(), code, WAIT_S)] == [Verdict.OK]
    camera = VirtualCamera(well.directory / "camera.url", size=(640, 480))
    camera.plug()
    well.use_camera(str(camera.path))
    camera.show([code], Look(code_px=260), 20_000)
    assert [each.verdict for each in wait_for(well.patient(), code, WAIT_S)] == [Verdict.OK]
    camera.unplug()


def test_another_code_is_not_the_test_code(well: Ward) -> None:
    with held_up(well, "6925303721039"):
        (found,) = wait_for(well.patient(), new_code(), 1.0)
    assert (found.verdict, found.fault) == (Verdict.FAIL, "not-read")
    assert "other codes: 0" not in found.said.en
    assert "6925303721039" not in str(found)


BROKEN = """
from drivers.scanner import SerialScanner

class Buggy(SerialScanner):
    def open(self):
        raise ValueError("张三")

class Deaf(SerialScanner):
    def read(self, timeout_s):
        import threading
        threading.Event().wait({hangs_s})
"""


@pytest.mark.parametrize(("kind", "fault"), [("Buggy", "driver-bug"), ("Deaf", "hangs")])
def test_a_driver_that_breaks_or_hangs_before_a_test_code_is_a_finding(
    well: Ward, monkeypatch: pytest.MonkeyPatch, kind: str, fault: str
) -> None:
    well.install_driver(monkeypatch, "scanner", kind, BROKEN.format(hangs_s=10))
    monkeypatch.setattr("tools.doctor.shown_code._ENDS_S", 0.0)
    (found,) = wait_for(well.patient(), new_code(), 0.1)
    assert found.fault == fault
    assert "张三" not in found.said.zh + found.said.en
