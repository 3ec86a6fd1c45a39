"""Faults that need root. Leaving them out is a choice that somebody makes and that the run prints, never a skip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

CHOICE = "ONECARD_WITHOUT_ROOT"


def left_out() -> bool:
    """Whether whoever runs the tests chose to go without."""
    return os.environ.get(CHOICE, "") not in ("", "0")


def refused(why: str) -> NoReturn:
    """This machine refuses what the test is played in: fail, unless to go without was chosen."""
    if left_out():
        pytest.skip(f"{CHOICE} is set: {why}")
    pytest.fail(f"{why}: run as root; {CHOICE}=1 leaves such tests out, and says so")


def reachable(path: Path, mode: int = 0o711) -> None:
    """Let other users walk to a directory of the tests, whatever lies above it."""
    for directory in (path, *path.parents):
        if not directory.stat().st_mode & 0o001:
            directory.chmod(mode)
