"""``onecard virtual show``: the phone of whoever tries a camera by hand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.api import CodeReading
from drivers.camera import Camera, CameraSettings
from drivers.virtual.bench import CAMERA_FILE

WAIT_S = 20.0
COMMAND = [sys.executable, "-P", "-m", "agent", "virtual", "show"]


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """A virtual camera stands where the terminal of the preset has its devices."""
    runtime = Path(tempfile.mkdtemp(prefix="show-"))
    place = runtime / "onecard" / "gate-001"
    start = [sys.executable, "-P", "-m", "drivers.virtual", "--dir", str(place), "--devices", "camera"]
    with subprocess.Popen(start, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as devices:
        assert devices.stdout is not None
        devices.stdout.readline()
        yield {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "ONECARD_LANG": "en"}
        devices.terminate()
    shutil.rmtree(runtime)


@pytest.fixture
def camera(environment: dict[str, str]) -> Iterator[Camera]:
    place = Path(environment["XDG_RUNTIME_DIR"]) / "onecard" / "gate-001"
    camera = Camera("lens", CameraSettings(source=str(place / CAMERA_FILE)))
    camera.open()
    yield camera
    camera.close()


def code(camera: Camera) -> str:
    reading = camera.read(WAIT_S)
    assert isinstance(reading, CodeReading)
    return reading.text


def test_texts_go_to_the_camera_where_there_is_one(environment: dict[str, str], camera: Camera) -> None:
    command = [*COMMAND, "BY HAND", "--look", "tilted"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    see = "onecard journal list --terminal gate-001"
    assert shown.stdout == f"showed the code; what came of it: the terminal's output, or {see}\n"
    assert code(camera) == "BY HAND"


@pytest.mark.parametrize(("lang", "words"), [("en", "serial ports and camera:"), ("zh", "串口与摄像头：")])
def test_status_is_told_to_people_in_words(environment: dict[str, str], lang: str, words: str) -> None:
    command = [*COMMAND[:-1], "status"]
    told = subprocess.run(command, env=environment | {"ONECARD_LANG": lang}, capture_output=True, text=True, check=True)
    assert words in told.stdout
    machine = subprocess.run([*command, "--json"], env=environment, capture_output=True, text=True, check=True)
    assert "camera" in json.loads(machine.stdout)["ports"]


def test_the_terminal_that_runs_is_named_where_another_was_asked_for(environment: dict[str, str]) -> None:
    command = [*COMMAND[:-1], "remove", "--terminal", "gate-9"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "gate-9 does not run; running: gate-001." in done.stderr


@pytest.fixture
def at_a_terminal() -> Iterator[None]:
    """Ctrl-C counts, also where the tests run in the background, whose children are started to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("at_a_terminal")
def test_a_live_code_is_made_anew_until_ctrl_c(environment: dict[str, str], camera: Camera, tmp_path: Path) -> None:
    maker = tmp_path / "maker.py"
    maker.write_text("import time; print('NOW', time.monotonic_ns())", encoding="ascii")
    command = [*COMMAND, "--live", f"{sys.executable} {maker}", "--every", "1"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as live:
        first, second = code(camera), code(camera)
        live.send_signal(signal.SIGINT)
        try:
            assert live.wait(WAIT_S) != 0
        finally:
            live.kill()
    assert first != second
    assert first.startswith("NOW")


def test_a_live_command_that_fails_is_one_sentence(environment: dict[str, str]) -> None:
    done = subprocess.run([*COMMAND, "--live", "/nowhere/maker"], env=environment, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"the command cannot be run: No such file" in done.stderr
    assert b"Traceback" not in done.stderr
