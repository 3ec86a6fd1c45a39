"""A disk that a test breaks: a small ext4 in a file, mounted; its power is cut, it hangs, it becomes read-only.

``EXT4_IOC_SHUTDOWN`` with ``NOLOGFLUSH`` (fs/ext4/ioctl.c) is what xfstests uses for a power cut: nothing unsynced
survives. ``FIFREEZE`` (ioctl_fsfreeze) lets every write wait until ``FITHAW``. All of it needs root.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import struct
import subprocess
from pathlib import Path

from tests.faults.privilege import refused

_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2
_FREEZE, _THAW = 0xC0045877, 0xC0045878


class CuttableDisk:
    """One file system in a file, mounted at ``root``."""

    def __init__(self, directory: Path, size_mb: int) -> None:
        if os.geteuid() != 0:
            refused("a power cut is played on a mounted file system")
        self._images = (directory / f"disk-{number}.img" for number in itertools.count())
        self._image = next(self._images)
        self._fillers = itertools.count()
        self.root = directory / "disk"
        self.root.mkdir()
        with self._image.open("wb") as image:
            image.truncate(size_mb * 1024**2)
        # Blocks as on every real disk: one so small would get smaller ones, and SQLite makes sure of its shared memory
        # by a byte in each 4 KiB. What a full disk lacks of it is a SIGBUS.
        subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-b", "4096", str(self._image)], check=True)
        self._mount()

    def cut(self) -> None:
        """The power goes: what was not synced is lost, and every later access fails."""
        self._ioctl(_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))

    def come_back(self) -> None:
        """The power returns: the file system replays its log.

        On a copy of what the disk held: a mount namespace that somebody made meanwhile keeps the dead one alive, and
        the kernel would hand that out again for the same disk.
        """
        self.unmount()
        dead, self._image = self._image, next(self._images)
        subprocess.run(["cp", "--sparse=always", str(dead), str(self._image)], check=True)
        dead.unlink()
        self._mount()

    def freeze(self) -> None:
        """Whoever writes or syncs waits, until :meth:`thaw`."""
        self._ioctl(_FREEZE, bytes(4))

    def thaw(self) -> None:
        """Whoever waited goes on."""
        self._ioctl(_THAW, bytes(4))

    def fill(self) -> Path:
        """Somebody else's file takes what is left, durably."""
        path = self.root / f"somebody-elses-{next(self._fillers)}"
        with path.open("wb", buffering=0) as file:
            piece = bytes(65_536)
            while piece:
                try:
                    file.write(piece)
                except OSError:
                    piece = piece[: len(piece) // 2]
            os.fsync(file.fileno())
        return path

    def remount(self, *, read_only: bool) -> None:
        """As the kernel does by itself after an error of the file system. Nobody may have a file open for writing."""
        option = f"remount,{'ro' if read_only else 'rw'}"
        subprocess.run(["mount", "-o", option, str(self.root)], check=True)

    def unmount(self) -> None:
        """Nobody may have a file open there, but a test that failed: then it goes when that lets go."""
        if subprocess.run(["umount", str(self.root)], capture_output=True, check=False).returncode:
            subprocess.run(["umount", "--lazy", str(self.root)], check=True)

    def _ioctl(self, request: int, argument: bytes) -> None:
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, request, argument)
        finally:
            os.close(descriptor)

    def _mount(self) -> None:
        done = subprocess.run(
            ["mount", "-o", "loop", str(self._image), str(self.root)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            refused(f"this machine mounts no loop device: {done.stderr.strip()}")
