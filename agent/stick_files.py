"""Files that somebody brings on a stick: hostile until proven. Only plain, bounded files are ever read.

A stick can hold anything under the expected name: a symbolic link to what this user may read, a device, a FIFO on which
an ``open`` would hang, a sparse file of terabytes, a name that moves a terminal's cursor. Each is a sentence.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader, FileIO
from pathlib import Path

from agent.words import why_en, why_zh
from offline_store.whole_file import replace_whole

MAX_NAME_CHARS = 120
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class StickError(Exception):
    """A file is not to be read or written; nothing has changed. ``zh`` and ``en`` say which and why."""

    def __init__(self, path: Path, zh: str, en: str) -> None:
        self.zh = f"{shown(path)}：{zh}"
        self.en = f"{shown(path)}: {en}"
        super().__init__(self.en)


def shown(path: Path | str) -> str:
    """A name as it may be printed: one line, of bounded length."""
    name = "".join(each if each.isprintable() else "?" for each in str(path))
    return name if len(name) <= MAX_NAME_CHARS else f"…{name[-MAX_NAME_CHARS:]}"


def open_plain(path: Path, max_bytes: int) -> BufferedReader:
    """A regular file of at most ``max_bytes`` (by its stated length), to be read. Raises :class:`StickError`."""
    file = os.fdopen(_descriptor(path, os.O_RDONLY), "rb")
    size_bytes = os.fstat(file.fileno()).st_size
    if size_bytes > max_bytes:
        file.close()
        raise StickError(
            path,
            f"有 {size_bytes} 字节，多于此类文件至多的 {max_bytes} 字节",
            f"has {size_bytes} bytes; a file of this kind has at most {max_bytes}",
        )
    return file


def read_plain(path: Path, max_bytes: int) -> bytes:
    """The whole of such a file, which is no longer than it said. Raises :class:`StickError`."""
    try:
        with open_plain(path, max_bytes) as file:
            return file.read(max_bytes)
    except OSError as error:
        raise StickError(path, f"无法读取（{why_zh(error)}）", f"cannot be read ({why_en(error)})") from error


def open_to_go_on(path: Path) -> FileIO:
    """A regular file to be read and written, made if nothing bears the name. Raises :class:`StickError`.

    Unbuffered: every write tells at once what became of it.
    """
    try:
        return os.fdopen(_descriptor(path, os.O_RDWR), "r+b", buffering=0)
    except _Missing:
        pass
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600), "r+b", buffering=0)
    except OSError as error:
        raise StickError(path, f"无法建立（{why_zh(error)}）", f"cannot be made ({why_en(error)})") from error


def write_plain(path: Path, content: bytes) -> None:
    """Put a whole new file in the place of what bore the name, and follow nothing. Raises :class:`StickError`."""
    try:
        replace_whole(path, content, 0o644, foreign=True)
    except OSError as error:
        raise StickError(path, f"无法写入（{why_zh(error)}）", f"cannot be written ({why_en(error)})") from error


class _Missing(StickError):
    """Nothing bears the name."""


def _descriptor(path: Path, access: int) -> int:
    """Of a regular file: looked at before it is opened, since opening a device may do something, and again after."""
    try:
        _check_plain(path, os.lstat(path).st_mode)
        descriptor = os.open(path, access | _FLAGS)
    except FileNotFoundError:
        raise _Missing(path, "不存在", "does not exist") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            _check_plain(path, stat.S_IFLNK)
        raise StickError(path, f"无法打开（{why_zh(error)}）", f"cannot be opened ({why_en(error)})") from error
    try:
        _check_plain(path, os.fstat(descriptor).st_mode)
    except StickError:
        os.close(descriptor)
        raise
    return descriptor


def _check_plain(path: Path, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise StickError(path, "是符号链接，不跟随", "is a symbolic link, which is not followed")
    if stat.S_ISDIR(mode):
        raise StickError(path, "是目录，不是文件", "is a directory and no file")
    if not stat.S_ISREG(mode):
        raise StickError(path, "不是普通文件", "is no plain file")
