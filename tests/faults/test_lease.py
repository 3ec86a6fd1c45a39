"""A till and a gate of one terminal whose lease ends: the platform renews it or not, and only the till cares."""

from __future__ import annotations

import time
from pathlib import Path

from profiles.api import Kind
from tests.faults.site import FaultySite, city, faulty_gate, tap, wait_until
from tools.platform import leases
from tools.platform.bundle_store import BundleStore
from tools.platform.service import Layout

LIFE_MS = 4_000
CARD, READER = "gen2-li", "pcsc-0"


def asks(site: FaultySite) -> bool:
    """Somebody would pay; whether the till asks the platform about him. Nobody here has an account: it says no."""

    def asked() -> int:
        return sum(record.entry.kind == Kind.ASKED for record in site.records())

    before, site.seen = asked(), len(site.terminal.lines)
    site.insert(CARD, reader=READER)
    found = site.terminal.wait_for(
        lambda line: line.get("event") == "show" and line["lane"] == "till" and line["tone"] != "wait", 20.0, site.seen
    )
    site.remove(READER)
    assert found is not None, f"nobody at the till was told anything: {site.terminal.lines[site.seen :]}"
    return asked() > before


def test_the_till_stops_with_the_lease_and_goes_on_with_the_next_while_the_gate_opens(tmp_path: Path) -> None:
    with city(tmp_path) as running, faulty_gate(tmp_path, running, till_reader="card-slot") as site:
        given = BundleStore(Layout(tmp_path / "city").bundles)
        assert asks(site)
        leases.grant(given, running.authority, site.terminal_id, time.time_ns() // 1_000_000, LIFE_MS)
        site.expect("bundle installed", path="lease")
        wait_until(lambda: not asks(site), "the lease ends")
        assert "lease-ended" in site.reasons()
        assert tap(site)
        leases.grant(given, running.authority, site.terminal_id, time.time_ns() // 1_000_000, 86_400_000)
        site.expect("bundle installed", path="lease")
        assert asks(site)
