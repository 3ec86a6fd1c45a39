"""What the faults are done to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults import ROUNDS, SHORT_ROUNDS
from tests.faults.broken_disk import BrokenDisk
from tests.faults.power import CuttableDisk
from tools.platform.service import Platform

SMALL_MB = 16
SHORT_TEST_S = 120
A_ROUND_S = 10
"""What a round may take: in the long form (`make faults`) a test that counts rounds runs for minutes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test here the time that its rounds need, unless it names its own."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SHORT_TEST_S + A_ROUND_S * max(0, ROUNDS - SHORT_ROUNDS)))


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
