"""Files and lines that are read whole, with a bound: a slip of the hand may name a device that never ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from agent.keys import KeyStoreError
from agent.words import why_en, why_zh

MAX_FILE_BYTES = 8 << 20
MAX_LINE_CHARS = 65_536


def read_small(path: Path) -> bytes:
    """The content of a file of keys or certificates. Raises :class:`agent.keys.KeyStoreError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise KeyStoreError(f"{path} 无法读取：{why_zh(error)}", f"{path} cannot be read: {why_en(error)}") from error
    if len(content) > MAX_FILE_BYTES:
        raise KeyStoreError(f"{path} 太大，不是这里要的文件", f"{path} is too large to be what is wanted here")
    return content


def lines_of(file: IO[str]) -> Iterator[str]:
    """A file's lines; one that is longer than any of ours comes in pieces, which nobody can read as a whole."""
    return iter(lambda: file.readline(MAX_LINE_CHARS), "")
