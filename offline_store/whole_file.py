"""Puts a file in the place of another as a whole, also where other users and processes write into its directory."""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_NAME_BYTES = 200
"""So much of a long name stands in its draft's, which no file system cuts (255 bytes, NAME_MAX)."""
_DRAFT = re.compile(r"\.(.+)\.[0-9a-f]{16}")


@dataclass(frozen=True)
class Draft:
    """What will be the file: written through ``file``; under ``path`` others may read what was flushed."""

    file: BinaryIO
    path: Path


def drafted(name: str) -> str | None:
    """The name for which a draft of this name was begun, cut if it is long; ``None`` for what is no draft."""
    draft = _DRAFT.fullmatch(name)
    return None if draft is None else draft[1]


@contextmanager
def whole(
    path: Path, mode: int = 0o600, owner: tuple[int, int] | None = None, *, foreign: bool = False
) -> Iterator[Draft]:
    """Within it the file is written, piece by piece; it takes the place of ``path`` at the end, unless that raises.

    Durable when it is left; a power cut before leaves the old file or the new one. Nothing of a new one that could not
    be written stays, but for a draft that a power cut left, `.NAME.…`.

    The draft has a name that nobody can foresee and is never opened through a link, so that root can write where
    somebody else could have planted one. A link at ``path`` itself is replaced.

    ``owner``: user and group, as far as this process may give files away; without, its own.
    ``foreign``: on a stick, whose file system may refuse modes and the syncing of directories; the content is synced.

    Raises ``OSError`` with ``path`` as its file name, for what it does itself.
    """
    tolerated = (OSError,) if foreign else ()
    with _named(path):
        held = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        name = f".{os.fsencode(path.name)[:_NAME_BYTES].decode(errors='ignore')}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _named(path):
            descriptor = os.open(name, flags, 0o600, dir_fd=held)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield Draft(file, path.parent / name)
                with _named(path):
                    _finish(file, mode, owner, tolerated)
            with _named(path):
                os.replace(name, path.name, src_dir_fd=held, dst_dir_fd=held)
        except BaseException:
            with suppress(OSError):
                os.unlink(name, dir_fd=held)
            raise
        with _named(path), suppress(*tolerated):
            os.fsync(held)
    finally:
        os.close(held)


def replace_whole(
    path: Path,
    content: bytes | BinaryIO,
    mode: int = 0o600,
    owner: tuple[int, int] | None = None,
    *,
    foreign: bool = False,
) -> None:
    """The same for content that is there. Raises ``OSError`` with ``path`` as its file name."""
    with _named(path), whole(path, mode, owner, foreign=foreign) as draft:
        shutil.copyfileobj(io.BytesIO(content) if isinstance(content, bytes) else content, draft.file)


def _finish(file: BinaryIO, mode: int, owner: tuple[int, int] | None, tolerated: tuple[type[OSError], ...]) -> None:
    file.flush()
    descriptor = file.fileno()
    if owner is not None:
        with suppress(PermissionError):
            os.fchown(descriptor, *owner)
    with suppress(*tolerated):
        os.fchmod(descriptor, mode)
    os.fsync(descriptor)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
