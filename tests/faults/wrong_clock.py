"""A wall clock that jumps while a process runs: the Python side of ``wrong_clock.c``."""

from __future__ import annotations

import mmap
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")
_SIZE_BYTES = 8


class WrongClock:
    """Every process that runs with :attr:`environment` has it. Compiles into ``directory``."""

    def __init__(self, directory: Path) -> None:
        library, shift = directory / "wrong_clock.so", directory / "wrong-clock"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), str(_SOURCE)], check=True)
        shift.write_bytes(bytes(_SIZE_BYTES))
        self.environment = {"LD_PRELOAD": str(library), "ONECARD_WRONG_CLOCK": str(shift)}
        with shift.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE_BYTES)

    def jump_to(self, wrong_by_ms: int) -> None:
        """From this moment on it is wrong by so much."""
        struct.pack_into("=q", self._map, 0, wrong_by_ms)
