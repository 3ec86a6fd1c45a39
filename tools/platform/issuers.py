"""The issuers of citizen codes whose evidence the platform verifies: their rows of the trust list, a file each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import click

from agent.credentials.trust import TrustList
from agent.signatures import KeyInvalid
from tools.cli import code_files
from tools.cli.words import say
from tools.platform.errors import PlatformError
from tools.platform.key_files import make_private_directory, write_private

_FOR_EVER_MS = 1 << 53


def add(directory: Path, file: Path) -> Path:
    """Take a row as `onecard code keygen --row` writes it; where it lies now. Raises `PlatformError`."""
    row = _read(file)
    make_private_directory(directory)
    kept = directory / f"{row.issuer}-{row.kid}.json"
    write_private(kept, file.read_bytes())
    return kept


def known(directory: Path) -> list[code_files.RowFile]:
    """Every row, by issuer and kid. Raises `PlatformError`."""
    files = sorted(directory.glob("*.json")) if directory.is_dir() else []
    return sorted((_read(file) for file in files), key=lambda row: (row.issuer, row.kid))


def trust_in(directory: Path) -> Callable[[], TrustList]:
    """The trust list of a directory's rows, read again when a row was added. Raises `PlatformError`."""
    held: tuple[int, TrustList] | None = None

    def current() -> TrustList:
        nonlocal held
        changed_ns = directory.stat().st_mtime_ns if directory.is_dir() else 0
        if held is None or held[0] != changed_ns:
            rows = {(row.issuer, row.kid): row.row() for row in known(directory)}
            held = changed_ns, TrustList(1, 0, _FOR_EVER_MS, 0, MappingProxyType(rows))
        return held[1]

    return current


def _read(file: Path) -> code_files.RowFile:
    try:
        row = code_files.read(file, code_files.RowFile)
        row.row()
    except click.ClickException as error:
        raise PlatformError(error.message) from error
    except KeyInvalid as error:
        raise PlatformError(
            say(f"{file} 中的公钥无法使用。", f"The public key in {file} cannot be used: {error}.")
        ) from error
    return row
