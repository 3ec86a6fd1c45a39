"""A journal on a real disk, with time and randomness that repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from offline_store.journal import Journal
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock
from tests.offline_store.small_disk import mounted


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def open_journal(directory: Path, clock: SteppingClock) -> Iterator[Callable[[], Journal]]:
    """Opens the same directory again and again; closes what is left open."""
    opened: list[Journal] = []

    def open_it() -> Journal:
        for journal in opened:
            journal.close()
        opened.append(Journal.open(directory, BOOT_ID, clock=clock, random=SeededRandom(1)))
        return opened[-1]

    yield open_it
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(open_journal: Callable[[], Journal]) -> Journal:
    return open_journal()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 12 MiB that only the tests fill."""
    with mounted(tmp_path / "disk") as root:
        yield root
