"""Disks that fill up, hang, dawdle, fail, lie or become read-only under a gate: nothing opens without its record."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from offline_store.figures import UNRECORDED
from offline_store.unrecorded import tallies_of
from tests.faults.broken_disk import BrokenDisk, Fault
from tests.faults.invariants import pulses_follow_their_records, whole_journal
from tests.faults.power import CuttableDisk
from tests.faults.site import FaultySite, faulty_gate, tap, wait_until

CARD = "gen3-chen"
DEADLINE_MS = 1_000
"""So long a citizen waits for a disk that does not answer."""


def pulses(site: FaultySite) -> int:
    return sum(change.on for change in site.relay().history)


def pass_through(site: FaultySite) -> None:
    site.seen = len(site.terminal.lines)
    site.insert(CARD)
    site.expect("decision", reason="granted")
    site.press("passage", active=True)
    site.expect("outcome", reason="passed")
    site.press("passage", active=False)
    site.remove()
    site.expect("removed")


def refused(site: FaultySite) -> None:
    """Somebody taps, hears that it cannot be recorded, and nothing opens."""
    before, site.seen = pulses(site), len(site.terminal.lines)
    site.insert(CARD)
    site.expect("show", en="Out of service for the moment; please use the next lane")
    site.remove()
    assert pulses(site) == before


def works_again(site: FaultySite) -> None:
    """What was wrong is over: within the bounds of the backoff people pass, and the chain is whole."""
    wait_until(lambda: tap(site), "the gate works again")
    assert site.terminal.stop() == 0
    assert pulses_follow_their_records(whole_journal(site.state_dir), site.relay()) > 0


def test_a_frozen_disk_refuses_within_the_deadline_and_serves_when_it_thaws(tmp_path: Path, disk: CuttableDisk) -> None:
    with faulty_gate(tmp_path, state_dir=disk.root / "state", deadline_ms=DEADLINE_MS) as site:
        pass_through(site)
        disk.freeze()
        try:
            refused(site)
            site.press("fire", active=True)
            site.expect_relay("gate", on=True)
        finally:
            disk.thaw()
        site.press("fire", active=False)
        site.press("fire-reset", active=True)
        site.expect("life-safety", reason="fire-cleared")
        assert "append is past its deadline" in [line["event"] for line in site.terminal.lines]
        pass_through(site)
        assert site.terminal.stop() == 0
        whole_journal(site.state_dir)


def test_a_slow_disk_only_makes_people_wait(tmp_path: Path, broken: BrokenDisk) -> None:
    with faulty_gate(tmp_path, environment=broken.environment) as site:
        broken.syncs(Fault.DAWDLES)
        for _ in range(3):
            pass_through(site)
        assert broken.met >= 6
        broken.syncs(Fault.SOUND)
        works_again(site)


@pytest.mark.parametrize("times", [1, -1])
def test_a_sync_that_fails_opens_nothing_and_what_is_said_to_be_durable_is(
    tmp_path: Path, broken: BrokenDisk, times: int
) -> None:
    """A sync that failed must not be tried again on the same pages: the kernel has dropped them (fsync(2), EIO)."""
    with faulty_gate(tmp_path, environment=broken.environment) as site:
        pass_through(site)
        broken.syncs(Fault.FAILS, times)
        refused(site)
        broken.syncs(Fault.SOUND)
        works_again(site)


def test_a_quota_that_is_used_up_is_a_full_disk_and_an_error_of_the_disk_is_none(
    tmp_path: Path, broken: BrokenDisk
) -> None:
    """SQLite knows only ENOSPC for full (os_unix.c, seekAndWrite); a quota is an error of writing to it."""
    with faulty_gate(tmp_path, environment=broken.environment, journal={"size_limit_mb": 16, "reserve_mb": 0}) as site:
        pass_through(site)
        broken.syncs(Fault.QUOTA)
        wait_until(lambda: tap(site) and bool(tallies_of(site.state_dir)), "nothing can grow any more")
        assert broken.met
        broken.syncs(Fault.FAILS)
        refused(site)
        broken.syncs(Fault.SOUND)
        works_again(site)
        assert any(record.entry.kind == UNRECORDED for record in whole_journal(site.state_dir))


def test_a_disk_that_becomes_read_only_under_the_gate_opens_to_nobody(tmp_path: Path, broken: BrokenDisk) -> None:
    """As the kernel makes it after an error of the file system: what is open stays open, and takes nothing more."""
    with faulty_gate(tmp_path, environment=broken.environment) as site:
        pass_through(site)
        broken.syncs(Fault.READ_ONLY)
        for _ in range(3):
            refused(site)
        assert broken.met
        broken.syncs(Fault.SOUND)
        works_again(site)


def test_a_full_disk_admits_nobody_without_a_record_where_that_is_wanted_and_empties_by_itself(
    tmp_path: Path, small_disk: CuttableDisk
) -> None:
    journal = {"size_limit_mb": 16, "reserve_mb": 0}
    with faulty_gate(tmp_path, state_dir=small_disk.root / "state", journal=journal, full_disk="refuse") as site:
        pass_through(site)
        others = small_disk.fill()
        wait_until(lambda: not tap(site), "the disk is full for the journal too")
        refused(site)
        others.unlink()
        works_again(site)


def test_a_disk_that_is_read_only_at_the_start_is_said_and_service_begins_when_it_is_writable(
    tmp_path: Path, disk: CuttableDisk
) -> None:
    with faulty_gate(tmp_path, state_dir=disk.root / "state") as site:
        pass_through(site)
        assert site.terminal.stop() == 0
        disk.remount(read_only=True)
        site.start()
        said = site.expect("journal cannot be opened")
        assert os.strerror(errno.EROFS) in str(said["detail"])
        site.seen = 0  # the board may have been the first
        site.expect("device", device="board", state="ready")
        site.press("fire", active=True)
        site.expect_relay("gate", on=True)
        disk.remount(read_only=False)
        site.expect("life-safety", reason="fire")
        site.press("fire", active=False)
        site.press("fire-reset", active=True)
        site.expect("life-safety", reason="fire-cleared")
        pass_through(site)
        assert site.terminal.stop() == 0
        whole_journal(site.state_dir)
