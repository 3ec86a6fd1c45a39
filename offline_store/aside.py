"""A damaged journal is put aside, never thrown away, and a rescued one takes its place; also after a power cut between.

What was rescued is complete when it lies under :data:`READY`. From then on :func:`settle` brings it into place, file by
file, the old one's log before its database: no log ever lies beside a database that is not its own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from offline_store.database import DATABASE_NAME
from offline_store.durable import sync_directory

STAGING = "rescuing"
READY = "rescued"
MAX_ASIDE = 3
"""So many damaged files are kept; the oldest one makes room."""
_ASIDE = "damaged-"
_PARTS = (f"{DATABASE_NAME}-shm", f"{DATABASE_NAME}-wal", DATABASE_NAME)


def settle(directory: Path) -> None:
    """Exchange the journal for what was rescued, if anything was; harmless otherwise. Raises ``OSError``."""
    ready = directory / READY
    if not (ready / DATABASE_NAME).is_file():
        shutil.rmtree(ready, ignore_errors=True)  # settled already, but for the empty directory
        return
    aside = next_aside(directory)
    aside.mkdir(mode=0o700, exist_ok=True)
    for name in _PARTS:
        if (directory / name).exists():
            (directory / name).rename(aside / name)
    sync_directory(aside)
    sync_directory(directory)
    (ready / DATABASE_NAME).rename(directory / DATABASE_NAME)
    sync_directory(directory)
    shutil.rmtree(ready, ignore_errors=True)


def next_aside(directory: Path) -> Path:
    """Where the next damaged file goes; the oldest leaves where there are as many as may be."""
    whole = put_aside(directory)
    for path in whole[: max(0, len(whole) - MAX_ASIDE + 1)]:
        shutil.rmtree(path)
    return directory / f"{_ASIDE}{_number(whole[-1]) + 1 if whole else 1}"


def put_aside(directory: Path) -> list[Path]:
    """The directories of damaged files, the oldest first."""
    kept = sorted(filter(_is_aside, directory.glob(f"{_ASIDE}*")), key=_number)
    return [path for path in kept if (path / DATABASE_NAME).exists()]


def _number(path: Path) -> int:
    return int(path.name.removeprefix(_ASIDE))


def _is_aside(path: Path) -> bool:
    return path.is_dir() and path.name.removeprefix(_ASIDE).isdecimal()
