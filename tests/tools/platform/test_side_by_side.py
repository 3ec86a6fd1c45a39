"""Commands that give something out decide on its version alone: two side by side never choose one number."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tools.cli.presets import preset_text
from tools.platform import leases, revocation
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.service import Layout

DAY_MS = 86_400_000
NOW_MS = 1_795_406_400_000
DATES = 'terms: [{from: "2026-09-01", to: "2027-01-22"}]'


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "city")
    authority = Authority.init(layout.keys)
    authority.provision("till-1", tmp_path / "till-1")
    (tmp_path / "dates.yaml").write_text(DATES, encoding="utf-8")
    (tmp_path / "till.yaml").write_text(
        preset_text("till").replace("till-001", "till-1") + "\nplatform: {host: platform.example}\n", encoding="utf-8"
    )
    leases.grant(BundleStore(layout.bundles), authority, "till-1", NOW_MS, 14 * DAY_MS)
    (lease,) = layout.bundles.glob("lease/*")
    shutil.copy(lease, tmp_path / "a.bundle")
    return layout


@pytest.fixture
def seen(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, set[Path]]]:
    """Each lock that is taken, and what had been given out by then."""
    taken: list[tuple[Path, set[Path]]] = []
    real: Callable[[int, int], None] = fcntl.flock

    def note(lock: int, operation: int) -> None:
        real(lock, operation)
        taken.append((Path(f"/proc/self/fd/{lock}").readlink(), set(layout.bundles.glob("*/*"))))

    monkeypatch.setattr(fcntl, "flock", note)
    return taken


@pytest.mark.parametrize(
    "command",
    [
        ("publish", "{home}/a.bundle"),
        ("configure", "till-1", "{home}/till.yaml"),
        ("school", "calendar", "{home}/dates.yaml"),
        ("lease", "grant", "till-1"),
        ("lease", "end", "till-1"),
        ("terminal", "retire", "till-1"),
    ],
)
def test_nothing_is_given_out_or_taken_back_before_the_lock_is_held(
    layout: Layout, seen: list[tuple[Path, set[Path]]], tmp_path: Path, command: tuple[str, ...]
) -> None:
    before = set(layout.bundles.glob("*/*"))
    words = [word.format(home=tmp_path) for word in command]
    result = CliRunner().invoke(platform, [*words, "--dir", str(layout.directory)])
    assert result.exit_code == 0, result.output
    assert (layout.directory / "bundles-lock", before) in seen


def test_no_lease_is_renewed_while_somebody_decides_on_one_and_the_next_time_it_is(layout: Layout) -> None:
    given, authority = BundleStore(layout.bundles), Authority.at(layout.keys)
    before = set(layout.bundles.glob("lease/*"))
    with given.alone():
        leases.renew(given, authority, NOW_MS + 7 * DAY_MS)
        assert set(layout.bundles.glob("lease/*")) == before
    leases.renew(given, authority, NOW_MS + 7 * DAY_MS)
    assert set(layout.bundles.glob("lease/*")) != before


def test_the_list_of_revoked_certificates_is_written_by_one_at_a_time(
    layout: Layout, seen: list[tuple[Path, set[Path]]]
) -> None:
    revocation.revoke(Authority.at(layout.keys), "till-1")
    assert layout.keys / "revoked" / "lock" in {path for path, _ in seen}
