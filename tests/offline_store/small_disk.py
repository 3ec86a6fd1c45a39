"""A real file system that is soon full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.privilege import refused


@contextmanager
def mounted(root: Path, size: str = "12m") -> Iterator[Path]:
    """12 MiB, or so much, that only the tests fill."""
    if os.geteuid() != 0:
        refused("a small disk is mounted")
    root.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(root)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        refused(f"this machine mounts nothing: {done.stderr.strip()}")
    try:
        yield root
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)


def fill(directory: Path) -> Path:
    """Take every free byte of the disk, as a log or a video would."""
    path = directory / "others"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 65_536):
                pass
        except OSError:
            pass
    return path
