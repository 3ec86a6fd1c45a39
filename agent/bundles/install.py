"""Bundle files on the disk: read within bounds, written so that a power cut leaves the old content or the new one.

``<state>/bundles/`` holds one file for each installed bundle, ``<name>.<version>``. A new one is written beside it and
takes its name as a whole (:mod:`offline_store.whole_file`); only then does the store commit that it is
installed, and only after that is the old file removed. A file that no commit names is left over from a power cut and
is removed at the next start.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import zstandard

from agent.bundles.contents import Content, Opener, apply_delta, check_content, open_content
from agent.bundles.data import read_data
from agent.bundles.envelope import MAGIC, MAX_ENVELOPE_BYTES, read_envelope
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import MAX_BODY_BYTES, Manifest
from agent.credentials.lists import ListLost
from agent.stick_files import StickError, open_plain
from agent.words import why_en, why_zh
from offline_store.whole_file import replace_whole, whole
from profiles.reasons import Sentence

DIRECTORY = "bundles"
MAX_FILE_BYTES = len(MAGIC) + 2 + MAX_ENVELOPE_BYTES + MAX_BODY_BYTES
RESERVE_BYTES = 8 * 1024**2
"""So much of the disk is left to the journal."""
_PIECE_BYTES = 1 << 20
_MAX_WINDOW_BYTES = 1 << 23
"""What a zstd frame may ask the reader to keep in memory (RFC 8878 §3.1.1.1.2)."""


class _Counted:
    """A file that is hashed while it is written, and never longer than was signed."""

    def __init__(self, file: BinaryIO, limit_bytes: int) -> None:
        self._file = file
        self._left_bytes = limit_bytes
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Write all of it. Raises :class:`BundleError` beyond the limit."""
        if len(data) > self._left_bytes:
            raise BundleError(BundleFault.CONTENT, Sentence("内容比签名的大", "the content is larger than was signed"))
        self._left_bytes -= len(data)
        self._hash.update(data)
        self._file.write(data)

    def finish(self, sha256: bytes) -> None:
        """Hold size and digest to what was signed. Raises :class:`BundleError`."""
        if self._left_bytes or self._hash.digest() != sha256:
            raise BundleError(BundleFault.CONTENT, Sentence("内容与签名的不同", "the content is not what was signed"))
        self._file.flush()


class Shelf:
    """The directory of installed contents. Not for two callers at once: the agent's lock on the store stands before."""

    def __init__(self, state_dir: Path) -> None:
        self.directory = state_dir / DIRECTORY

    def make(self) -> None:
        """Make the directory where it is missing. Raises ``OSError``."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, manifest: Manifest) -> Path:
        """Where the content of a bundle stands."""
        return self.directory / f"{manifest.name}.{manifest.bundle_version}"

    def stage(self, source: Path, manifest: Manifest, base: Manifest | None, opener: Opener) -> Content:
        """Write, check and name the content of a bundle; nothing is in force yet.

        ``source`` is the bundle file whose ``manifest`` was checked, ``base`` the one in force, for a delta. Raises
        :class:`BundleError`; ``OSError`` if the disk does not take it.
        """
        self._check_room(manifest)
        with whole(self.path(manifest)) as draft:
            with opened(source) as file:
                _check_body(file, manifest)
                self._write(draft.file, file, manifest, base)
            content = open_content(manifest, read_data(draft.path), opener)
            check_content(manifest, content)
        return content

    def open(self, manifest: Manifest, opener: Opener) -> Content:
        """Content that was installed before, if it is still whole. Raises :class:`BundleError`."""
        path = self.path(manifest)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
            if digest != manifest.content_sha256:
                raise BundleError(BundleFault.ALTERED, manifest.name)
            return open_content(manifest, read_data(path), opener)
        except (OSError, ListLost) as error:
            raise BundleError(BundleFault.UNREADABLE, manifest.name) from error

    def restore(self, manifest: Manifest, content: bytes) -> None:
        """Write content again that the store had kept. Raises ``OSError``."""
        replace_whole(self.path(manifest), content)

    def sweep(self, keep: Iterable[Manifest]) -> None:
        """Remove every content that is not installed. Raises ``OSError``."""
        kept = {self.path(manifest) for manifest in keep}
        for path in self.directory.iterdir():
            if path.is_file() and path not in kept:
                path.unlink()

    def _check_room(self, manifest: Manifest) -> None:
        """A bundle must not take the room that the journal needs. Raises ``OSError``."""
        if shutil.disk_usage(self.directory).free < manifest.content_bytes + RESERVE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.directory))

    def _write(self, out: BinaryIO, file: BinaryIO, manifest: Manifest, base: Manifest | None) -> None:
        counted = _Counted(out, manifest.content_bytes)
        body = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).stream_reader(file, closefd=False)
        try:
            if manifest.previous_version is None:
                while piece := body.read(_PIECE_BYTES):
                    counted.write(piece)
            elif base is not None:
                apply_delta(manifest, read_data(self.path(base)), body, counted)
            if body.read(1):
                raise BundleError(
                    BundleFault.CONTENT, Sentence("正文之后还有多余内容", "the body holds more than was read")
                )
        except zstandard.ZstdError as error:
            raise BundleError(
                BundleFault.CONTENT, Sentence("正文不是一个完整的 zstd 帧", "the body is not one zstd frame")
            ) from error
        counted.finish(manifest.content_sha256)


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """A bundle file, wherever it lies: plain and bounded. Raises :class:`BundleError`."""
    try:
        with open_plain(path, MAX_FILE_BYTES) as file:
            yield file
    except StickError as error:
        raise BundleError(BundleFault.UNREADABLE, Sentence(error.zh, error.en)) from error


def envelope_of(path: Path) -> bytes:
    """The envelope of a bundle file. Raises :class:`BundleError`."""
    try:
        with opened(path) as file:
            return read_envelope(file)
    except OSError as error:
        raise BundleError(BundleFault.UNREADABLE, Sentence(why_zh(error), why_en(error))) from error


def _check_body(file: BufferedReader, manifest: Manifest) -> None:
    """Size and digest of the body, before anything interprets it; ``file`` then stands at the body again."""
    read_envelope(file)
    start = file.tell()
    size_bytes = os.fstat(file.fileno()).st_size - start
    if size_bytes != manifest.body_bytes:
        raise BundleError(
            BundleFault.TRUNCATED,
            Sentence(f"{manifest.body_bytes} 字节中只有 {size_bytes}", f"{size_bytes} bytes of {manifest.body_bytes}"),
        )
    if hashlib.file_digest(file, "sha256").digest() != manifest.body_sha256:
        raise BundleError(BundleFault.ALTERED)
    file.seek(start)
