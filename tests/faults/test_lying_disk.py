"""A card that says that it has synced, and has not, until the power goes: noticed, carried on, and nothing hangs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.faults.broken_disk import BrokenDisk, Fault
from tests.faults.invariants import platform_has_it_all, whole_journal
from tests.faults.power import CuttableDisk
from tests.faults.site import city, faulty_gate, is_drained, tap, wait_until

BEFORE, DURING, AFTER = 3, 6, 3
NOTICED = {"rolled-back", "fork"}


def test_after_a_lie_and_a_power_cut_the_platform_notices_and_everything_since_arrives(
    tmp_path: Path, disk: CuttableDisk
) -> None:
    state_dir = disk.root / "state"
    broken = BrokenDisk.make(tmp_path, state_dir)
    with (
        city(tmp_path) as running,
        faulty_gate(tmp_path, running, state_dir=state_dir, environment=broken.environment) as site,
    ):
        for _ in range(BEFORE):
            assert tap(site)
        wait_until(lambda: is_drained(site), "the platform has what is before the lie")
        subprocess.run(["sync", "--file-system", str(disk.root)], check=True)
        honest = whole_journal(state_dir)
        broken.syncs(Fault.LIES)
        for _ in range(DURING):
            assert tap(site)
        wait_until(lambda: is_drained(site), "the platform has what the disk only says that it has")
        before_the_cut = whole_journal(state_dir)
        assert len(before_the_cut) >= len(honest) + DURING
        disk.cut()
        site.kill()
        broken.syncs(Fault.SOUND)
        disk.come_back()
        left = whole_journal(state_dir)
        assert left == before_the_cut[: len(left)]
        assert len(honest) <= len(left) < len(before_the_cut), "the disk told the truth: this showed nothing"
        site.start()
        site.expect("ready")
        for _ in range(AFTER):
            wait_until(lambda: tap(site), "the gate works again")
        wait_until(lambda: bool(running.alarms() & NOTICED), "the platform notices")
        wait_until(lambda: is_drained(site), "the platform has everything since")
        assert whole_journal(state_dir)[0] != before_the_cut[0], "the chain that the platform refuses went on"
        with running.store() as store:
            with store.transaction() as transaction:
                held = {row.body for chain in transaction.chains() for row in transaction.records(chain.chain_id)}
            platform_has_it_all(store, state_dir, open_for=running.alarms() & NOTICED)
        assert held >= {record.to_bytes() for record in before_the_cut}
