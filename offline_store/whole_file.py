"""Puts a file in the place of another as a whole, also where other users and processes write into its directory."""

from __future__ import annotations

import io
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


def replace_whole(
    path: Path, content: bytes | BinaryIO, mode: int = 0o600, owner: tuple[int, int] | None = None
) -> None:
    """Durable on return; a power cut before leaves the old file or the new one.

    Nothing of a new one that could not be written stays, but for a draft that a power cut left, `.NAME.…`.

    The draft has a name that nobody can foresee and is never opened through a link, so that root can write where
    somebody else could have planted one. A link at ``path`` itself is replaced.

    ``owner``: user and group, as far as this process may give files away; without, its own.

    Raises ``OSError`` with ``path`` as its file name.
    """
    try:
        held = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _replace(held, path.name, io.BytesIO(content) if isinstance(content, bytes) else content, mode, owner)
        finally:
            os.close(held)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(held: int, name: str, content: BinaryIO, mode: int, owner: tuple[int, int] | None) -> None:
    draft = f".{name}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o600, dir_fd=held)
    try:
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(content, file)
            file.flush()
            if owner is not None:
                with suppress(PermissionError):
                    os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.replace(draft, name, src_dir_fd=held, dst_dir_fd=held)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft, dir_fd=held)
        raise
    os.fsync(held)
