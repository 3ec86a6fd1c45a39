"""The disk as a process sees it, counted and spoilt step by step: the Python side of ``broken_disk.c``."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
from enum import IntEnum
from pathlib import Path
from typing import Self

_SOURCE = Path(__file__).with_suffix(".c")
_ROOT, _CONTROL = "ONECARD_BROKEN_ROOT", "ONECARD_BROKEN_CONTROL"
_FIELDS = ("steps", "die_at", "fault", "left", "met")


class Fault(IntEnum):
    """What ``fsync`` and ``fdatasync`` do; the order is that of ``enum fault``."""

    SOUND = 0
    FAILS = 1
    """``EIO``."""
    LIES = 2
    """Says done, and did nothing."""
    DAWDLES = 3
    """Takes 0.3 seconds longer."""
    QUOTA = 4
    """Syncs are sound, and no file grows: ``EDQUOT``."""
    READ_ONLY = 5
    """Syncs are sound, and nothing can be changed: ``EROFS``."""


class BrokenDisk:
    """The control of every process that runs with :attr:`environment`, and of those that it forks."""

    def __init__(self, control: Path, root: Path, library: Path) -> None:
        self.environment = {"LD_PRELOAD": str(library), _ROOT: str(root), _CONTROL: str(control)}
        if not control.exists():
            control.write_bytes(bytes(8 * len(_FIELDS)))
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8 * len(_FIELDS))

    @classmethod
    def make(cls, directory: Path, root: Path) -> Self:
        """Compile the library into ``directory``, which is not below ``root``."""
        library = directory / "broken_disk.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), str(_SOURCE)], check=True)
        return cls(directory / "broken-disk", root, library)

    @classmethod
    def of_this_process(cls) -> Self:
        """The one that this process was started with."""
        return cls(Path(os.environ[_CONTROL]), Path(os.environ[_ROOT]), Path(os.environ["LD_PRELOAD"]))

    @property
    def steps(self) -> int:
        """How often the disk was changed since :meth:`arm`."""
        return self._get("steps")

    @property
    def met(self) -> int:
        """How many syncs were not sound, or writes beyond the quota or to a disk that was read-only."""
        return self._get("met")

    def arm(self, die_at: int = 0) -> None:
        """Count from here on, and kill before that step; 0: before none."""
        self._set("die_at", 0)
        self._set("steps", 0)
        self._set("die_at", die_at)

    def syncs(self, fault: Fault, count: int = -1) -> None:
        """From now on so many syncs are so; a negative number: all."""
        self._set("left", 0)
        self._set("fault", fault)
        self._set("left", count)

    def _get(self, name: str) -> int:
        value: int = struct.unpack_from("=q", self._map, 8 * _FIELDS.index(name))[0]
        return value

    def _set(self, name: str, value: int) -> None:
        struct.pack_into("=q", self._map, 8 * _FIELDS.index(name), value)
