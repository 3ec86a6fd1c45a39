"""A disk whose power can be cut: ext4 on a loop device, shut down so that nothing unsynced survives.

``EXT4_IOC_SHUTDOWN`` with ``NOLOGFLUSH`` (fs/ext4/ioctl.c) is what xfstests uses for the same end. It needs root.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from pathlib import Path

import pytest

_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2
_SIZE_MB = 64


class CuttableDisk:
    """One file system in a file, mounted at ``root``."""

    def __init__(self, directory: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("a power cut is played on a mounted file system: run as root")
        self._image = directory / "disk.img"
        self.root = directory / "disk"
        self.root.mkdir()
        with self._image.open("wb") as image:
            image.truncate(_SIZE_MB * 1024**2)
        subprocess.run(["/usr/sbin/mkfs.ext4", "-q", str(self._image)], check=True)
        self._mount()

    def cut(self) -> None:
        """The power goes: what was not synced is lost, and every later access fails."""
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def come_back(self) -> None:
        """The power returns: the file system replays its log."""
        self.unmount()
        self._mount()

    def unmount(self) -> None:
        """Nobody may have a file open there, but a test that failed: then it goes when that lets go."""
        if subprocess.run(["umount", str(self.root)], capture_output=True, check=False).returncode:
            subprocess.run(["umount", "--lazy", str(self.root)], check=True)

    def _mount(self) -> None:
        done = subprocess.run(
            ["mount", "-o", "loop", str(self._image), str(self.root)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"this machine mounts no loop device: {done.stderr.strip()}")
