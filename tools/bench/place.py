"""Where a bench keeps its terminal: on a real disk, under a name of its own, and nothing left of benches that died."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.virtual.place import virtual_dir
from tools.scratch import clear_leftovers, scratch


def terminal_id() -> str:
    """The bench's terminal; its virtual devices have a directory of this name."""
    return f"bench-{os.getpid()}"


@contextmanager
def bench_directory() -> Iterator[Path]:
    """A directory for one bench, removed in the end; on a disk, since the temporary directory may be memory."""
    clear_leftovers(virtual_dir(terminal_id()).parent, "bench-{pid}")
    disk = Path(os.environ.get("ONECARD_BENCH_DIR", "/var/tmp"))  # noqa: S108 -- a private directory is made in it
    with scratch("bench", disk) as directory:
        yield directory
