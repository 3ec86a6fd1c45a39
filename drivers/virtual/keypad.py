"""A serial keypad in software, on a pseudo-terminal."""

from __future__ import annotations

from pathlib import Path

from drivers.virtual.pty import VirtualPort


class VirtualKeypad:
    """The keypad under ``path``; it has no display."""

    def __init__(self, path: Path) -> None:
        self.port = VirtualPort(path, _ignore)

    def press(self, keys: str) -> None:
        """Press keys: digits, ``.``, ``c``, and ``\\r`` to enter."""
        self.port.write(keys.encode("ascii"))


def _ignore(_data: bytes) -> None:
    pass
