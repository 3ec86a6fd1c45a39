"""What the faults are done to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults.broken_disk import BrokenDisk
from tests.faults.power import CuttableDisk
from tools.platform.service import Platform

SMALL_MB = 16


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform.start(tmp_path / "platform") as running:
        yield running


@contextmanager
def _cuttable(size_mb: int) -> Iterator[CuttableDisk]:
    # Not among the tests' own directories, which pytest clears: what is still mounted there would be in its way.
    with TemporaryDirectory(prefix="onecard-disk-") as directory:
        cuttable = CuttableDisk(Path(directory), size_mb)
        try:
            yield cuttable
        finally:
            cuttable.unmount()


@pytest.fixture
def disk() -> Iterator[CuttableDisk]:
    with _cuttable(64) as cuttable:
        yield cuttable


@pytest.fixture
def small_disk() -> Iterator[CuttableDisk]:
    """One that is soon full."""
    with _cuttable(SMALL_MB) as cuttable:
        yield cuttable


@pytest.fixture
def broken(tmp_path: Path) -> BrokenDisk:
    """Syncs below ``tmp_path / "state"`` are as a test says, in every process started with its environment."""
    return BrokenDisk.make(tmp_path, tmp_path / "state")
