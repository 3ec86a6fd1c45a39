"""Leases at the platform: granted, renewed half-way, ended, and never of a terminal that is out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tools.platform import leases
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.revocation import revoke
from tools.platform.service import Layout

DAY_MS = 86_400_000
NOW_MS = 1_795_406_400_000


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "city")
    authority = Authority.init(layout.keys)
    for terminal in ("till-1", "till-2"):
        authority.provision(terminal, tmp_path / terminal)
    return layout


def command(layout: Layout, *arguments: str) -> str:
    result = CliRunner().invoke(platform, [*arguments, "--dir", str(layout.directory)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def ends(given: BundleStore) -> dict[str, int]:
    return {terminal: leases.ends_ms(lease) for terminal, lease in leases.leases(given).items()}


def test_it_is_renewed_once_half_of_it_is_over_and_not_for_who_is_out(layout: Layout) -> None:
    given, authority = BundleStore(layout.bundles), Authority.at(layout.keys)
    for terminal in ("till-1", "till-2"):
        leases.grant(given, authority, terminal, NOW_MS, 14 * DAY_MS)
    assert ends(given) == {"till-1": NOW_MS + 14 * DAY_MS, "till-2": NOW_MS + 14 * DAY_MS}
    leases.renew(given, authority, NOW_MS + 7 * DAY_MS - 1)
    assert set(ends(given).values()) == {NOW_MS + 14 * DAY_MS}
    revoke(authority, "till-2")
    leases.renew(given, authority, NOW_MS + 7 * DAY_MS)
    assert ends(given) == {"till-1": NOW_MS + 21 * DAY_MS, "till-2": NOW_MS + 14 * DAY_MS}
    assert len(list(layout.bundles.glob("lease/*"))) == 2, "what was renewed is not kept"


def test_one_that_was_ended_is_granted_anew_above_what_the_terminal_had(layout: Layout) -> None:
    given, authority = BundleStore(layout.bundles), Authority.at(layout.keys)
    leases.grant(given, authority, "till-1", NOW_MS, 14 * DAY_MS)
    before = leases.leases(given)["till-1"].version
    assert leases.end(given, "till-1") == NOW_MS + 14 * DAY_MS
    assert leases.end(given, "till-1") is None
    leases.grant(given, authority, "till-1", NOW_MS + 1_000, 14 * DAY_MS)
    assert leases.leases(given)["till-1"].version > before


def test_an_operator_grants_lists_and_ends_them_and_retiring_a_terminal_ends_its_own(layout: Layout) -> None:
    for terminal in ("till-1", "till-2"):
        command(layout, "lease", "grant", terminal, "--days", "30")
    listed = json.loads(command(layout, "lease", "list", "--json"))
    assert [row["terminal"] for row in listed] == ["till-1", "till-2"]
    command(layout, "lease", "end", "till-1")
    command(layout, "terminal", "retire", "till-2")
    assert json.loads(command(layout, "lease", "list", "--json")) == []


def test_a_terminal_that_nobody_enrolled_gets_none(layout: Layout) -> None:
    result = CliRunner().invoke(platform, ["lease", "grant", "till-9", "--dir", str(layout.directory)])
    assert result.exit_code == 1
    assert not layout.bundles.exists()
