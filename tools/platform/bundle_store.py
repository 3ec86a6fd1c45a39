"""The bundles that the platform gives out: files in one directory, the latest version of each name with its deltas.

A file is `<name>/<version>.bundle` where it is full, `<name>/<version>-from-<base>.bundle` where it is a delta. Bundles
of one name for different audiences are different things; each is kept under its audience too.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.bundles.check import ALL
from agent.bundles.chunk_tree import ChunkTree
from agent.bundles.envelope import head
from agent.bundles.errors import BundleError
from agent.bundles.install import envelope_of
from agent.bundles.manifest import Manifest
from agent.sync.contract.downloads import CHUNK_BYTES, MAX_CHUNKS, MAX_ENVELOPES, chunk_count
from offline_store.durable import sync_directory
from tools import bundles
from tools.cli.words import say
from tools.platform.errors import PlatformError
from tools.platform.file_lock import locked
from tools.platform.key_files import copy_private, make_private_directory

_SUFFIX = ".bundle"


@dataclass(frozen=True, slots=True)
class Published:
    """One bundle file, and what it says of itself."""

    path: Path
    envelope: bytes
    manifest: Manifest

    def chunk(self, number: int) -> bytes:
        """One chunk of its body; empty beyond the end. Raises `OSError`."""
        with self.path.open("rb") as file:
            file.seek(len(head(self.envelope)) + number * CHUNK_BYTES)
            return file.read(CHUNK_BYTES)

    def tree(self) -> ChunkTree:
        """Over all chunks of its body; reads the whole. Raises `OSError`."""
        return ChunkTree(self.chunk(number) for number in range(chunk_count(self.manifest.body_bytes)))


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest version of one name for one audience: the full bundle if there is one, and deltas that lead to it."""

    name: str
    audience: str
    version: int
    forms: tuple[Published, ...]

    @property
    def envelopes(self) -> tuple[bytes, ...]:
        """The full one first; no more than an offer holds."""
        ordered = sorted(self.forms, key=lambda form: -(form.manifest.previous_version or 1 << 60))
        return tuple(form.envelope for form in ordered[:MAX_ENVELOPES])

    def may_be_for(self, terminal: str) -> bool:
        """Whether a terminal is meant, as far as the platform knows: which site it stands at, it knows itself."""
        return self.terminal in (None, terminal)

    @property
    def terminal(self) -> str | None:
        """The one terminal that it is for, if it is for one."""
        return self.audience.removeprefix("terminal:") if self.audience.startswith("terminal:") else None

    @property
    def for_all(self) -> bool:
        """Whether it is for every terminal."""
        return self.audience == ALL


class BundleStore:
    """The directory; looked at anew whenever somebody asks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def alone(self, *, wait: bool = True) -> Iterator[bool]:
        """Nobody else decides on the next version meanwhile; ``False`` where somebody does and nobody waits."""
        with locked(self.directory.with_name(f"{self.directory.name}-lock"), wait=wait) as is_alone:
            yield is_alone

    def add(self, file: Path) -> Manifest:
        """Take a bundle file as `onecard trust build` and the like write it. Raises `PlatformError`.

        A version that was given out is never another one: of two that come with one number, the second is refused.
        """
        try:
            envelope = envelope_of(file)
            manifest = bundles.manifest_of(envelope)
        except BundleError as error:
            raise PlatformError(say(f"{file}：{error.zh}", f"{file}: {error.en}")) from error
        with file.open("rb") as opened:
            opened.seek(len(head(envelope)))
            body_sha256 = hashlib.file_digest(opened, "sha256").digest()
        size_bytes = file.stat().st_size - len(head(envelope))
        if size_bytes != manifest.body_bytes or body_sha256 != manifest.body_sha256:
            raise PlatformError(say(f"{file} 与签名的内容不符。", f"{file} is not what was signed."))
        if chunk_count(manifest.body_bytes) > MAX_CHUNKS:
            raise PlatformError(say(f"{file} 太大，无法通过网络下发。", f"{file} is too large for the link."))
        make_private_directory(self.directory)
        folder = self.directory / manifest.name
        make_private_directory(folder)
        base = "" if manifest.previous_version is None else f"-from-{manifest.previous_version}"
        audience = "" if manifest.audience == ALL else "-" + manifest.audience.replace(":", "-")
        _take(file, folder / f"{manifest.bundle_version}{base}{audience}{_SUFFIX}")
        return manifest

    def latest(self) -> list[Latest]:
        """What terminals should have, by name and audience."""
        newest: dict[tuple[str, str], list[Published]] = {}
        for path in sorted(self.directory.glob(f"*/*{_SUFFIX}")):
            published = _read(path)
            if published is None:
                continue
            forms = newest.setdefault((published.manifest.name, published.manifest.audience), [])
            if forms and published.manifest.bundle_version > forms[0].manifest.bundle_version:
                forms.clear()
            if not forms or published.manifest.bundle_version == forms[0].manifest.bundle_version:
                forms.append(published)
        return [
            Latest(name, audience, forms[0].manifest.bundle_version, tuple(forms))
            for (name, audience), forms in sorted(newest.items())
        ]

    def fingerprint(self) -> tuple[tuple[str, int], ...]:
        """Changes when a file comes or goes."""
        return tuple((str(path), _changed_ns(path)) for path in sorted(self.directory.glob(f"*/*{_SUFFIX}")))


def _take(file: Path, path: Path) -> None:
    """Durable by its name on return: a version that a power cut took back would be given out with other content."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    copy_private(file, draft)
    try:
        os.link(draft, path)
    except FileExistsError:
        if not filecmp.cmp(draft, path, shallow=False):
            zh, en = "此版本已下发过别的内容；请再试一次。", "This version was given out with other content; try again."
            raise PlatformError(say(f"{path.name}：{zh}", f"{path.name}: {en}")) from None
    finally:
        draft.unlink()
    sync_directory(path.parent)


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0  # it has gone meanwhile


def _read(path: Path) -> Published | None:
    try:
        envelope = envelope_of(path)
        return Published(path, envelope, bundles.manifest_of(envelope))
    except BundleError:
        return None  # what somebody laid there by hand
