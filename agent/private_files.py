"""Files that are nobody else's business: 0600 in a directory of 0700, written so that a power cut leaves old or new."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from agent.words import why_en, why_zh
from offline_store.durable import sync_directory
from offline_store.whole_file import replace_whole

MAX_FILE_BYTES = 64 * 1024


class KeyStoreError(Exception):
    """A key is missing, unreadable, or not kept privately.

    ``zh`` and ``en`` say which file, and what to do; ``str()`` is English.
    """

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


def make_directory(directory: Path) -> None:
    """Make it, and what is above it, where it is missing, all for this user alone. Raises :class:`KeyStoreError`."""
    try:
        for above in reversed(directory.parents):  # `parents=True` would take the usual mode for them
            above.mkdir(mode=0o700, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise KeyStoreError(
            f"密钥目录 {directory} 无法建立：{why_zh(error)}",
            f"the key directory {directory} cannot be made: {why_en(error)}",
        ) from error


def write(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of what was there, durable on return. Raises :class:`KeyStoreError`."""
    check_directory(path.parent)
    with _told(path):
        replace_whole(path, content)


def create(path: Path, content: bytes) -> None:
    """The same where nothing is there: of several who do so at once one wins, and the others' content is dropped."""
    check_directory(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with _told(path):
        replace_whole(draft, content)
        try:
            with suppress(FileExistsError):
                path.hardlink_to(draft)
        finally:
            draft.unlink()
        sync_directory(path.parent)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeyStoreError(
            f"{path} 无法写入：{why_zh(error)}", f"{path} cannot be written: {why_en(error)}"
        ) from error


def read(path: Path) -> bytes:
    """The whole of a file that only its owner can read. Raises :class:`KeyStoreError`."""
    check_file(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise KeyStoreError(f"{path} 无法读取：{why_zh(error)}", f"{path} cannot be read: {why_en(error)}") from error
    if len(content) > MAX_FILE_BYTES:
        raise KeyStoreError(
            f"{path} 超过 {MAX_FILE_BYTES} 字节，不会是密钥",
            f"{path} is larger than {MAX_FILE_BYTES} bytes; no key is",
        )
    return content


def remove(path: Path) -> None:
    """Take a file away for good. Raises :class:`KeyStoreError`."""
    try:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)
    except OSError as error:
        raise KeyStoreError(
            f"{path} 无法删除：{why_zh(error)}", f"{path} cannot be removed: {why_en(error)}"
        ) from error


def wipe(directory: Path, first: str) -> list[str]:
    """Write over every file and remove it, ``first`` before the others; the names of what is no file, which stays.

    Through the directory's descriptor and through no link: what a link points to is somebody else's. A file that cannot
    be wiped stops none of the others. Raises :class:`KeyStoreError`.

    Flash and copying file systems keep old blocks: what counts is that ``first`` is what all others are encrypted by.
    """
    failed: KeyStoreError | None = None
    left = []
    with _opened(directory) as held:
        names = os.listdir(held)  # noqa: PTH208 -- a descriptor, which no path is
        for name in sorted(names, key=lambda name: (name != first, name)):
            try:
                if not _wiped(held, name):
                    left.append(name)
            except OSError as error:
                path = directory / name
                failed = failed or KeyStoreError(
                    f"{path} 无法销毁：{why_zh(error)}", f"{path} cannot be destroyed: {why_en(error)}"
                )
    if failed is not None:
        raise failed
    return left


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """A private directory's descriptor; its names are durable at the end. Raises :class:`KeyStoreError`."""
    check_directory(directory)
    try:
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield held
            os.fsync(held)
        finally:
            os.close(held)
    except OSError as error:
        raise KeyStoreError(
            f"密钥目录 {directory} 无法打开：{why_zh(error)}",
            f"the key directory {directory} cannot be opened: {why_en(error)}",
        ) from error


def _wiped(held: int, name: str) -> bool:
    """Whether ``name`` is gone: a directory stays, of a link only the link goes. Raises ``OSError``."""
    mode = os.stat(name, dir_fd=held, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        return False
    if stat.S_ISREG(mode):
        descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=held)
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(os.fstat(descriptor).st_size))
            file.flush()
            os.fsync(descriptor)
    os.unlink(name, dir_fd=held)
    return True


def sweep(directory: Path) -> None:
    """Remove drafts that a power cut left; whoever writes at the same time must be shut out by the caller.

    A directory is no draft, and in nobody's way.
    """
    for draft in directory.glob(".*.*"):
        if not draft.is_dir():
            draft.unlink(missing_ok=True)


def check_file(path: Path) -> None:
    """Refuse a file, or its directory, that another user could have read or replaced. Raises :class:`KeyStoreError`."""
    check_directory(path.parent)
    _check_private(path, 0o600, stat.S_ISREG, "普通文件", "file")


def check_directory(directory: Path) -> None:
    """The same for a directory."""
    _check_private(directory, 0o700, stat.S_ISDIR, "目录", "directory")


class _Kind(Protocol):
    def __call__(self, mode: int, /) -> bool: ...


def _check_private(path: Path, mode: int, is_kind: _Kind, kind_zh: str, kind_en: str) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError as error:
        raise KeyStoreError(
            f"缺少 {path}；请为终端注册，或把密钥放到那里",
            f"{path} is missing; enrol the terminal, or put the key there",
        ) from error
    except OSError as error:
        raise KeyStoreError(
            f"{path} 无法查看：{why_zh(error)}", f"{path} cannot be examined: {why_en(error)}"
        ) from error
    if not is_kind(status.st_mode):
        raise KeyStoreError(f"{path} 不是{kind_zh}", f"{path} is not a plain {kind_en}")
    if status.st_uid != os.geteuid():
        raise KeyStoreError(
            f"{path} 属于其他用户；应属于运行终端的用户",
            f"{path} belongs to another user; it must belong to the one the agent runs as",
        )
    if stat.S_IMODE(status.st_mode) & ~mode:
        raise KeyStoreError(
            f"{path} 对其他用户开放；请运行：chmod {mode:o} {path}",
            f"{path} is open to other users; run: chmod {mode:o} {path}",
        )
