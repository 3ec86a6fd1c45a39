"""The demo proves what it shows, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles.api import Reason
from profiles.code_reasons import CodeReason
from profiles.reasons import ReasonEnum
from tools.scratch import scratch

PATIENCE_S = 30.0


def said(reason: ReasonEnum) -> str:
    """What the technician reads."""
    return reason.technician.en


PASSED = "granted, passed"
CARDS = (PASSED, PASSED, PASSED, said(Reason.NOT_ENTITLED), said(Reason.CARD_REMOVED), PASSED)
CODES = (
    PASSED,
    said(CodeReason.REPLAYED),
    said(CodeReason.STALE),
    said(CodeReason.EXPIRED),
    PASSED,  # SM2
    PASSED,  # whom a deny list names a moment later
    said(CodeReason.REVOKED),
    said(CodeReason.STATIC_REFUSED),
    said(CodeReason.ISSUER_UNKNOWN),
)
DEMO = (sys.executable, "-P", "-m", "agent", "demo", "--no-stay")


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary directory for the demo alone, with the short path that Unix sockets need."""
    directory = Path(tempfile.mkdtemp(prefix="onecard-test-"))
    yield directory
    shutil.rmtree(directory)


def processes_of(place: Path) -> list[str]:
    """The command lines that name the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if os.fsencode(place) in (line := path.read_bytes()):
                found.append(line.decode())
    return found


def test_the_demo_plays_every_scene_and_proves_that_the_platform_has_the_journal(tmp_path: Path) -> None:
    done = subprocess.run(
        DEMO,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        check=False,
        env=os.environ | {"ONECARD_LANG": "en"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reasons = re.findall(r"→ .* ms   (.+)$", done.stdout.partition("timeline")[0], flags=re.MULTILINE)
    assert reasons == [*CARDS, *CODES]
    assert "equal the journal, byte for byte" in done.stdout
    timeline = done.stdout[done.stdout.index("timeline") :]
    rows = [row for row in timeline.splitlines() if "shown →" in row]
    assert len(rows) == len(reasons)
    assert all("acknowledged +" in row for row in rows)


def test_a_killed_demo_takes_all_its_processes_along_and_the_next_one_clears_its_directory(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = os.environ | {"TMPDIR": str(place), "ONECARD_LANG": "en"}
    environment.pop("XDG_RUNTIME_DIR", None)
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True, cwd=place, env=environment) as demo:
        assert demo.stdout is not None
        assert "terminal are up" in demo.stdout.readline()
        assert {"mosquitto", "pcscd", "drivers.virtual"} <= set(
            "\0".join(processes_of(place)).replace("/", "\0").split("\0")
        )
        demo.kill()
    deadline_s = time.monotonic() + PATIENCE_S
    while left := processes_of(place):
        assert time.monotonic() < deadline_s, left
        time.sleep(0.05)
    assert len(list(place.glob("onecard-demo-*"))) == 1
    stranger = place / "onecard-demo-mine"
    stranger.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with scratch("demo") as own, scratch("demo"):
        assert own.is_dir(), "a demo that runs was taken for a dead one"
    assert list(place.glob("onecard-demo-*")) == [stranger]
