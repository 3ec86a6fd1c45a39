"""A disk that is full beyond the reserve: the gate opens and counts, the till beside it refuses, no count is lost."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from pathlib import Path

from offline_store.figures import UNRECORDED
from offline_store.reserve import RESERVE_NAME
from offline_store.unrecorded import tallies_of
from tests.faults import ROUNDS, SEED
from tests.faults.invariants import GRANTS, platform_has_it_all, pulses_follow_their_records, whole_journal
from tests.faults.power import CuttableDisk
from tests.faults.site import City, FaultySite, city, faulty_gate, is_drained, tap, wait_until
from tools.cli.bench_process import BenchError
from tools.cli.figures import openings_of
from tools.platform.reconcile import reconcile
from tools.platform.waiting import waiting_openings

CARD, READER = "gen3-chen", "pn532"
PAYING_CARD, TILL_READER = "gen2-li", "pcsc-0"
MOST_TAPS = 6
JOURNAL = {"size_limit_mb": 16, "reserve_mb": 1}


class Passers:
    """People at a gate whose disk fills up, and how many of them were only counted."""

    def __init__(self, site: FaultySite, disk: CuttableDisk) -> None:
        self._site = site
        self._disk = disk
        self.counted = 0

    def one(self) -> bool:
        """Somebody taps, the gate opens, he passes, and nothing alarms; whether that was only counted."""
        site = self._site
        site.seen = len(site.terminal.lines)
        site.insert(CARD)
        decision = site.expect("decision")
        assert decision["reason"] == "granted"
        site.press("passage", active=True)
        site.expect("outcome", reason="passed")
        site.press("passage", active=False)
        site.remove()
        site.expect("removed")
        counted = decision.get("counted") is True
        self.counted += counted
        return counted

    def until_counted(self) -> list[Path]:
        """Others take the disk, and then what the reserve gave back too; their files."""
        others = [self._disk.fill()]
        reserve = self._site.state_dir / RESERVE_NAME
        wait_until(lambda: self.one() or not reserve.exists(), "passages are recorded in the reserve")
        others.append(self._disk.fill())
        wait_until(self.one, "nothing can be recorded any more")
        return others

    def waiting(self) -> int:
        """How many openings the file of counts holds."""
        return sum(tally.openings for tally in tallies_of(self._site.state_dir).values())


def sells(site: FaultySite) -> bool:
    """Somebody pays at the till; whether he could."""
    site.seen = len(site.terminal.lines)
    site.insert(PAYING_CARD, reader=TILL_READER)
    found = site.terminal.wait_for(
        lambda line: line.get("event") == "show" and line["lane"] == "till" and line["tone"] != "wait", 20.0, site.seen
    )
    site.remove(TILL_READER)
    assert found is not None, f"nobody at the till was told anything: {site.terminal.lines}"
    return bool(found[1]["tone"] == "ok")


def reported(running: City) -> int:
    """What the terminal's report says of openings that wait as a count."""
    with running.store() as store, store.transaction() as transaction:
        return sum(waiting_openings(transaction).values())


def told(site: FaultySite) -> list[int]:
    """How many openings the journal's records tell of: a start may find room for one, and none for the next."""
    return [openings_of(record) or 0 for record in whole_journal(site.state_dir) if record.entry.kind == UNRECORDED]


def test_openings_beyond_the_reserve_are_counted_exactly_over_a_kill_and_a_power_cut(
    tmp_path: Path, small_disk: CuttableDisk
) -> None:
    state_dir = small_disk.root / "state"
    with faulty_gate(tmp_path, state_dir=state_dir, journal=JOURNAL, till_reader="card-slot") as site:
        people = Passers(site, small_disk)
        assert not people.one()
        assert sells(site)
        others = people.until_counted()
        assert not sells(site), "new money stops first"
        people.one()
        site.kill()
        site.start()
        site.expect("ready")
        for _ in range(3):
            people.one()
        assert not sells(site)
        wait_until(lambda: people.waiting() + sum(told(site)) == people.counted, "each is counted once")
        small_disk.cut()
        site.kill()
        small_disk.come_back()
        site.start()
        site.expect("ready")
        people.one()
        for file in others:
            file.unlink(missing_ok=True)
        wait_until(lambda: not people.one(), "there is room again")
        assert people.waiting() == 0
        wait_until(lambda: sells(site), "the till goes on")
        assert not any(line.get("reason") == "forced-open" for line in site.terminal.lines)
        assert site.terminal.stop() == 0
        assert sum(told(site)) == people.counted
        records = whole_journal(state_dir)
        recorded = sum(record.entry.reason in GRANTS for record in records)
        assert pulses_follow_their_records(records, site.relay()) == recorded + people.counted


def tapped_to_death(site: FaultySite, dice: random.Random) -> None:
    """Taps and passages, until the moment has come; then a fresh agent takes over."""
    for _ in range(dice.randint(1, MOST_TAPS)):
        site.insert(CARD)
        time.sleep(dice.uniform(0.0, 0.05))
        site.press("passage", active=dice.random() < 0.5)
        site.remove()
    site.kill()
    with suppress(BenchError):  # it is let go, and nobody is there to see it
        site.press("passage", active=False)
    site.start()
    site.expect("ready")


def test_killed_under_taps_while_the_disk_fills_and_empties_every_pulse_has_its_record_or_its_count(
    tmp_path: Path, small_disk: CuttableDisk
) -> None:
    dice, others = random.Random(SEED), list[Path]()
    state_dir = small_disk.root / "state"
    with faulty_gate(tmp_path, state_dir=state_dir, journal=JOURNAL, passage_timeout_ms=500) as site:
        people = Passers(site, small_disk)
        others += people.until_counted()
        for _ in range(ROUNDS):
            if dice.random() < 0.4:
                while others:
                    others.pop().unlink()
            else:
                others.append(small_disk.fill())
            tapped_to_death(site, dice)
        while others:
            others.pop().unlink()
        wait_until(lambda: tap(site) and not people.waiting(), "there is room again")
        assert site.terminal.stop() == 0
        records = whole_journal(state_dir)
        assert pulses_follow_their_records(records, site.relay()) > 0
        assert sum(told(site)) > 0, "nothing was counted: this showed nothing"


def test_the_platform_hears_how_many_wait_and_then_has_the_count(tmp_path: Path, small_disk: CuttableDisk) -> None:
    state_dir = small_disk.root / "state"
    with city(tmp_path) as running, faulty_gate(tmp_path, running, state_dir=state_dir, journal=JOURNAL) as site:
        people = Passers(site, small_disk)
        wait_until(lambda: is_drained(site), "the platform has what was")
        others = people.until_counted()
        people.one()
        wait_until(lambda: "unrecorded" in running.alarms(), "the platform hears of it")
        wait_until(lambda: reported(running) == people.counted, "the report says how many")
        for file in others:
            file.unlink()
        wait_until(lambda: not people.one(), "there is room again")
        wait_until(lambda: is_drained(site) and not reported(running), "the platform has it all")
        assert site.terminal.stop() == 0
        wait_until(lambda: is_drained(site), "the platform has it all")
        with running.store() as store, store.transaction() as transaction:
            counted = reconcile(transaction).counted
        assert [(row.lane, row.openings) for row in counted] == [("north-in", people.counted)]
        with running.store() as store:
            platform_has_it_all(store, state_dir)
