"""Temporary directories that name their process, and what becomes of those whose process was killed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch(purpose: str, parent: Path | None = None) -> Iterator[Path]:
    """A directory in ``parent`` (or where temporary files go), removed in the end; those of the dead go first."""
    parent = parent or Path(tempfile.gettempdir())
    clear_leftovers(parent, f"onecard-{purpose}-{{pid}}-\\w+")
    with tempfile.TemporaryDirectory(prefix=f"onecard-{purpose}-{os.getpid()}-", dir=parent) as directory:
        yield Path(directory)


def clear_leftovers(parent: Path, name: str) -> None:
    """Remove our own directories in ``parent`` whose process lives no more; ``{pid}`` in the pattern ``name`` is it."""
    named = re.compile(name.format(pid=r"(\d{1,9})"))
    for path in parent.iterdir() if parent.is_dir() else ():
        match = named.fullmatch(path.name)
        if match is not None and path.stat(follow_symlinks=False).st_uid == os.getuid() and not _lives(int(match[1])):
            shutil.rmtree(path, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
