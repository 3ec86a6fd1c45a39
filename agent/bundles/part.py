"""A bundle that is on its way: a part file that grows chunk by chunk, in order, and survives a restart.

``<state>/bundles/incoming/<name>-<version>-<first digits of the body's hash>.fetch`` begins as the bundle file will:
the envelope, then the body as far as it has come. So it says for itself what it is, and how much is missing.
"""

from __future__ import annotations

import os
from pathlib import Path

from agent.bundles.envelope import head, read_envelope
from agent.bundles.errors import BundleError
from agent.bundles.incoming import SUFFIX
from agent.bundles.manifest import Manifest
from agent.sync.contract.downloads import CHUNK_BYTES, chunk_count
from offline_store.durable import sync_directory

PART_SUFFIX = ".fetch"
_HASH_CHARS = 16


class Part:
    """The part file of one bundle. Every method may raise ``OSError``."""

    def __init__(self, directory: Path, envelope: bytes, manifest: Manifest) -> None:
        self.manifest = manifest
        name = f"{manifest.name}-{manifest.bundle_version}-{manifest.body_sha256.hex()[:_HASH_CHARS]}"
        self._path = directory / f"{name}{PART_SUFFIX}"
        self._head = head(envelope)
        self.chunks = 0
        """How many are there, from the first on; whoever appends counts them."""

    @property
    def total(self) -> int:
        """How many there will be."""
        return chunk_count(self.manifest.body_bytes)

    def open(self) -> None:
        """Begin, or go on from what an earlier start left; half a chunk is none."""
        self.chunks = 0
        if self._begins_as_it_should():
            self.chunks = min(self.total, (self._path.stat().st_size - len(self._head)) // CHUNK_BYTES)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            file.truncate(len(self._head) + self.chunks * CHUNK_BYTES)
            file.write(self._head)
            file.flush()
            os.fsync(file.fileno())

    def fits(self, number: int, data: bytes) -> bool:
        """Whether a chunk has the size that its place asks for."""
        last = number == self.total - 1
        wanted = self.manifest.body_bytes - number * CHUNK_BYTES if last else CHUNK_BYTES
        return number < self.total and len(data) == wanted

    def append(self, pieces: list[bytes]) -> int:
        """Write the next chunks; how many. Durable with :meth:`finish`, or as far as a restart finds them."""
        with self._path.open("ab") as file:
            file.writelines(pieces)
        return len(pieces)

    def finish(self) -> Path:
        """Everything is there: give it the name under which it is installed or refused; that name."""
        with self._path.open("rb") as file:
            os.fsync(file.fileno())
        done = self._path.with_suffix(SUFFIX)
        self._path.replace(done)
        sync_directory(done.parent)
        return done

    def remove(self) -> None:
        """Give up."""
        self._path.unlink(missing_ok=True)

    def _begins_as_it_should(self) -> bool:
        try:
            with self._path.open("rb") as file:
                return file.read(len(self._head)) == self._head
        except FileNotFoundError:
            return False


def leftovers(directory: Path) -> dict[Path, bytes]:
    """The part files of an earlier start and their envelopes; one that has none that can be read is removed."""
    found: dict[Path, bytes] = {}
    for path in sorted(directory.glob(f"*{PART_SUFFIX}")):
        try:
            with path.open("rb") as file:
                found[path] = read_envelope(file)
        except (BundleError, OSError):
            path.unlink(missing_ok=True)
    return found
