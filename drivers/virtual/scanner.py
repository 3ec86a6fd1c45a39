"""A serial scanner in software: what is shown to it arrives as a line on a pseudo-terminal."""

from __future__ import annotations

from pathlib import Path

from drivers.virtual.pty import VirtualPort


class VirtualScanner:
    """The scanner under ``path``; it takes no commands."""

    def __init__(self, path: Path, *, encoding: str = "utf-8", tail: bytes = b"\r\n") -> None:
        self.port = VirtualPort(path, _ignore)
        self._encoding = encoding
        self._tail = tail

    def scan(self, text: str) -> None:
        """Show one code. Raises ``UnicodeEncodeError`` if the scanner's encoding has no such character."""
        self.port.write(text.encode(self._encoding) + self._tail)


def _ignore(_data: bytes) -> None:
    pass
