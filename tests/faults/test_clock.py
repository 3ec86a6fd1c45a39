"""The wall clock jumps a day ahead, a day back and home again, also while the agent is dead: no code opens twice."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.virtual.bench import Scan
from tests.faults import ROUNDS, SEED
from tests.faults.invariants import pulses_follow_their_records, whole_journal
from tests.faults.site import FaultySite, faulty_gate
from tests.faults.wrong_clock import WrongClock
from tests.scenarios.site import DEADLINE_S
from tests.scenarios.test_codes import Desk

DAY_MS = 86_400_000
WRONG_BY_MS = (0, DAY_MS, -DAY_MS)


def opens(site: FaultySite, code: str) -> bool:
    """Whether the gate opens for a code that is held before the scanner; who may pass does."""
    site.seen = len(site.terminal.lines)
    site.devices.ask(Scan(do="show", text=code))
    shown = site.terminal.wait_for(
        lambda line: line.get("event") == "show" and line["tone"] != "wait", DEADLINE_S, site.seen
    )
    assert shown is not None, "the code was not answered"
    if shown[1]["tone"] != "ok":
        return False
    site.press("passage", active=True)
    site.expect("outcome", reason="passed")
    site.press("passage", active=False)
    return True


@pytest.mark.timeout(120 + 20 * ROUNDS)
def test_a_clock_that_jumps_lets_no_code_in_twice_and_keeps_the_order_of_the_journal(tmp_path: Path) -> None:
    dice, clock, desk = random.Random(SEED), WrongClock(tmp_path), Desk(tmp_path)
    desk.enrol()
    codes = {"untrusted_clock": "judge", "lifetime_ms": 300_000, "purposes": ["any", "pass"], "static": False}
    with faulty_gate(tmp_path, environment=clock.environment, codes=codes) as site:
        desk.trust(site.terminal_id)
        desk.deny(1, "")
        used = [desk.code()]
        assert opens(site, used[0])
        for _ in range(-(-ROUNDS // 2)):
            clock.jump_to(dice.choice(WRONG_BY_MS))
            if dice.random() < 0.3:
                site.kill()
                site.start()
                site.expect("ready")
            assert not opens(site, dice.choice(used))
            fresh = desk.code()
            if opens(site, fresh):
                used.append(fresh)
                assert not opens(site, fresh)
        clock.jump_to(0)
        assert not any(opens(site, code) for code in used)
        records = whole_journal(site.state_dir)
        granted = [record.entry.medium for record in records if record.entry.reason == "granted"]
        assert len(granted) == len(set(granted)) == len(used)
        assert any(abs(after.entry.time_ms - before.entry.time_ms) > DAY_MS // 2 for before, after in pairwise(records))
        assert pulses_follow_their_records(records, site.relay()) == len(used)
