"""In which order bundles are brought to a running terminal, which may look between any two of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agent.bundles.errors import BundleError
from agent.bundles.install import envelope_of
from agent.bundles.manifest import Kind
from tools.bundles import manifest_of

_FIRST = (Kind.KEYS, Kind.TRUST)


def in_order(files: Iterable[Path]) -> list[Path]:
    """Each after what it may hang on: keys, then whom to trust, then versions as they follow, full ones before deltas.

    By what the files say of themselves, which the terminal verifies; what says nothing comes last.
    """
    return sorted(files, key=_rank)


def _rank(file: Path) -> tuple[int, int, bool]:
    try:
        said = manifest_of(envelope_of(file))
    except BundleError:
        return len(_FIRST) + 1, 0, False
    kind = _FIRST.index(said.kind) if said.kind in _FIRST else len(_FIRST)
    return kind, said.bundle_version, said.previous_version is not None
