"""What the platform gives out, as it lies on its disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from agent.bundles.manifest import Kind
from tests.agent.bundles.parts import BUNDLE, issue
from tools import bundles
from tools.platform.bundle_store import BundleStore
from tools.platform.errors import PlatformError


def made(path: Path, content: bytes) -> Path:
    path.write_bytes(bundles.full_bundle(issue(Kind.STATUS), content, BUNDLE))
    return path


def test_what_was_given_out_is_durable_by_its_names_and_never_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that a power cut took back would go out again with other content, which terminals refuse."""
    synced: list[tuple[Path, list[str]]] = []
    fsync = os.fsync

    def seen(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            directory = Path(f"/proc/self/fd/{descriptor}").readlink()
            synced.append((directory, sorted(path.name for path in directory.iterdir() if path.suffix == ".bundle")))
        fsync(descriptor)

    given, first = BundleStore(tmp_path / "bundles"), made(tmp_path / "first", b"first")
    monkeypatch.setattr(os, "fsync", seen)
    folder = given.directory / given.add(first).name
    assert (tmp_path, []) in synced
    assert (given.directory, []) in synced
    assert synced[-1] == (folder, ["1.bundle"])
    given.add(first)
    with pytest.raises(PlatformError, match="other content"):
        given.add(made(tmp_path / "second", b"second"))
    assert [path.name for path in folder.iterdir()] == ["1.bundle"]
