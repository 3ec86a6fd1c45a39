"""Where one demo keeps its things, and what becomes of those of demos that were killed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"onecard-demo-(\d{1,9})-\w+")


@contextmanager
def demo_directory() -> Iterator[Path]:
    """A temporary directory that names its process, removed in the end; what dead demos left is removed first."""
    _clear_leftovers()
    with tempfile.TemporaryDirectory(prefix=f"onecard-demo-{os.getpid()}-") as directory:
        yield Path(directory)


def _clear_leftovers() -> None:
    for path in Path(tempfile.gettempdir()).iterdir():
        named = _NAME.fullmatch(path.name)
        if named is not None and path.stat(follow_symlinks=False).st_uid == os.getuid() and not _lives(int(named[1])):
            shutil.rmtree(path, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
