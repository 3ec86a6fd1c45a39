"""Bundles of one stick, in the order in which a terminal that looks at any moment takes every one of them."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

from agent.bundles.manifest import Kind
from tests.agent.bundles.parts import BUNDLE, ROOT, Terminal, issue
from tools import bundles
from tools.cli.bundle_order import in_order


def test_each_bundle_comes_after_what_it_hangs_on(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "terminal")
    made = {
        "keys": bundles.full_bundle(issue(Kind.KEYS, 9), b"new keys", ROOT),
        "trust": bundles.full_bundle(issue(Kind.TRUST, 8), b"new issuers", ROOT),
        "base": bundles.full_bundle(issue(Kind.STATUS, 1), b"status", BUNDLE),
        "delta": terminal.delta(Kind.STATUS, 1, 2),
        "noise": b"no bundle",
    }
    files = []
    for name, content in made.items():
        files.append(tmp_path / f"{name}.bundle")
        files[-1].write_bytes(content)
    for anyhow in permutations(files):
        assert in_order(anyhow) == files
    terminal.stop()
