"""Which terminals a worker serves: shards are the first byte of SHA-256(terminal id), two hexadecimal digits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tools.cli.words import say
from tools.platform.errors import PlatformError
from tools.platform.key_files import make_private_directory, write_private

_SHARDS = tuple(f"{number:02x}" for number in range(256))
EVERY = ("+",)
"""All of them, as MQTT writes it (MQTT 5 §4.7.1.3)."""
_RANGE = re.compile(r"([0-9a-f]{2})(?:-([0-9a-f]{2}))?")


def parse(text: str) -> tuple[str, ...]:
    """Shards written as ranges, such as `00-7f` or `00-3f,c0`. Raises `PlatformError`."""
    chosen: set[str] = set()
    for part in text.lower().split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last = (match[1], match[2] or match[1]) if match else ("", "")
        if not match or first > last:
            raise PlatformError(
                say(
                    f"分片 {part!r} 不对：应写成 00-7f 或 00-3f,c0（十六进制，00 至 ff）。",
                    f"The shards {part!r} are not usable: write 00-7f, or 00-3f,c0 (hexadecimal, 00 to ff).",
                )
            )
        chosen.update(_SHARDS[int(first, 16) : int(last, 16) + 1])
    return EVERY if len(chosen) == len(_SHARDS) else tuple(sorted(chosen))


class Served:
    """The shards that a worker served last: its session at the broker still has them."""

    def __init__(self, directory: Path, number: int) -> None:
        self._path = directory / f"worker-{number}.shards"

    def former(self, shards: Sequence[str]) -> tuple[str, ...]:
        """Those that it serves no more."""
        try:
            before = self._path.read_text(encoding="ascii").split()
        except (OSError, UnicodeDecodeError):
            before = []
        return tuple(shard for shard in before if shard not in shards)

    def note(self, shards: Sequence[str]) -> None:
        """These are served from now on. Raises `PlatformError` and `OSError`."""
        make_private_directory(self._path.parent)
        write_private(self._path, " ".join(shards).encode())
