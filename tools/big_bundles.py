"""Bundles of tables too large for memory, such as a city's card register: made and read from file to file.

The files are those of :mod:`tools.bundles`; only what is in memory at one time is less: a piece, and the hashes of the
chunks (32 bytes for each 48 KiB).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import zstandard

from agent import cose
from agent.bundles import envelope
from agent.bundles.chunk_tree import ChunkTree
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Manifest
from agent.bundles.table import Operation, Shape, Table
from agent.sync.contract.downloads import CHUNK_BYTES
from profiles.reasons import Sentence
from tools.bundles import Issue, manifest_of

_PIECE_BYTES = 1 << 20
_LEVEL = 3


def write_table(path: Path, shape: Shape, rows: Iterable[bytes]) -> int:
    """A table whose rows come ascending by key; how many they are."""
    count = 0
    with path.open("wb") as file:
        file.write(shape.head(0))
        for row in rows:
            file.write(row)
            count += 1
        file.seek(0)
        file.write(shape.head(count))
    return count


def write_changes(path: Path, old: Table, new: Table) -> int:
    """The body of the delta between two tables, before compression; how many changes it has.

    Raises :class:`BundleError` where their rows are of another shape.
    """
    if old.shape != new.shape:
        raise BundleError(
            BundleFault.CONTENT, Sentence("行格式不同，请发完整包", "the rows have another shape; send the full bundle")
        )
    return write_table(path, new.shape, _changes(old, new))


def write_bundle(
    path: Path, issue: Issue, content: Path, plain: Path, base: Manifest | None, signer: cose.Signer
) -> None:
    """The file of a bundle whose body inflates to ``plain``: the content, or what leads to it from ``base``."""
    body = path.with_suffix(".body")
    with plain.open("rb") as source, body.open("wb") as packed:
        zstandard.ZstdCompressor(level=_LEVEL).copy_stream(source, packed, size=plain.stat().st_size)
    with body.open("rb") as packed:
        chunk_root = ChunkTree(_pieces(packed, CHUNK_BYTES)).root
    manifest = Manifest(
        kind=issue.kind,
        name=issue.name,
        bundle_version=issue.version,
        previous_version=None if base is None else base.bundle_version,
        issued_ms=issue.issued_ms,
        expires_ms=issue.expires_ms,
        grace_ms=issue.grace_ms,
        audience=issue.audience,
        body_sha256=sha256_of(body),
        body_bytes=body.stat().st_size,
        content_sha256=sha256_of(content),
        content_bytes=content.stat().st_size,
        chunk_root=chunk_root,
    )
    with path.open("wb") as file, body.open("rb") as packed:
        file.write(envelope.head(envelope.seal(manifest.encode(), signer)))
        shutil.copyfileobj(packed, file, _PIECE_BYTES)
    body.unlink()


def unpack(path: Path, content: Path) -> Manifest:
    """Write the content of a full bundle that the platform made. Raises :class:`BundleError` and ``OSError``."""
    with path.open("rb") as file, content.open("wb") as out:
        manifest = manifest_of(envelope.read_envelope(file))
        if manifest.previous_version is not None:
            raise BundleError(
                BundleFault.CONTENT,
                Sentence("这是增量包，请给出该版本的完整包", "this is a delta; name the full bundle of its version"),
            )
        digest, size_bytes = hashlib.sha256(), 0
        try:
            for piece in _pieces(zstandard.ZstdDecompressor().stream_reader(file, closefd=False), _PIECE_BYTES):
                size_bytes += len(piece)
                if size_bytes > manifest.content_bytes:
                    break
                digest.update(piece)
                out.write(piece)
        except zstandard.ZstdError as error:
            raise BundleError(
                BundleFault.CONTENT, Sentence("正文不是一个完整的 zstd 帧", "the body is not one zstd frame")
            ) from error
    if digest.digest() != manifest.content_sha256:
        raise BundleError(BundleFault.ALTERED)
    return manifest


def sha256_of(path: Path) -> bytes:
    """Of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _changes(old: Table, new: Table) -> Iterator[bytes]:
    """Both are in the order of their keys, and so is what comes of them."""
    size, shape = new.shape.key_bytes, new.shape
    olds, news = old.rows(), new.rows()
    was, now = next(olds, None), next(news, None)
    while was is not None or now is not None:
        if was is not None and (now is None or was[:size] < now[:size]):
            yield bytes([Operation.REMOVE]) + was[:size].ljust(shape.row_bytes, b"\0")
            was = next(olds, None)
        elif now is not None and (was is None or now[:size] < was[:size]):
            yield bytes([Operation.PUT]) + now
            now = next(news, None)
        else:
            if was != now and now is not None:
                yield bytes([Operation.PUT]) + now
            was, now = next(olds, None), next(news, None)


def _pieces(file: IO[bytes] | zstandard.ZstdDecompressionReader, size_bytes: int) -> Iterator[bytes]:
    while piece := file.read(size_bytes):
        yield piece
