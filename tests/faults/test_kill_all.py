"""kill -9 of agent, broker and platform in one scene, when a seed says so: nothing lost, twice or hung."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults import ROUNDS, SEED
from tests.faults.invariants import GRANTS, platform_has_it_all, pulses_follow_their_records, whole_journal
from tests.faults.site import City, FaultySite, city, faulty_gate, is_drained, wait_until
from tools.cli.bench_process import BenchError

CARDS = ("gen3-chen", "gen3-transit", "t-union")
LONGEST_LIFE_S = 0.4
TRIED_S = 3.0


def taps(site: FaultySite, dice: random.Random) -> None:
    """People come and go, until the moment has come; nobody asks whether the gate works."""
    end_s = time.monotonic() + dice.uniform(0.0, LONGEST_LIFE_S)
    while time.monotonic() < end_s:
        with suppress(BenchError):
            site.insert(dice.choice(CARDS), tear_after=dice.choice((None, None, None, 2)))
            time.sleep(dice.uniform(0.0, 0.05))
            site.press("passage", active=dice.random() < 0.5)
            site.remove()


def conduct(site: FaultySite, running: City, dice: random.Random) -> None:
    """One round: taps, then some of the three die, and come back in any order, with taps in between."""
    parts: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "agent": (site.kill, site.start),
        "broker": (running.broker.kill, running.broker.start),
        "platform": (running.kill_platform, running.start_platform),
    }
    taps(site, dice)
    victims = [name for name in parts if dice.random() < 0.5] or [dice.choice(list(parts))]
    for name in victims:
        parts[name][0]()
    # The platform waits for its broker.
    for name in sorted(victims, key=lambda name: (name == "platform", dice.random())):
        parts[name][1]()
        taps(site, dice)


def opens(site: FaultySite) -> bool:
    """Somebody taps once more; on a busy machine his card may be gone before it was read."""
    before = len(site.terminal.lines)
    site.insert(CARDS[0])
    granted = site.terminal.wait_for(
        lambda line: line.get("event") == "decision" and line.get("reason") in GRANTS, TRIED_S, before
    )
    site.remove()
    return granted is not None


def is_settled(site: FaultySite) -> bool:
    """Whether the last opening has its outcome."""
    said = [line for line in site.terminal.lines if line.get("event") == "outcome" or line.get("reason") in GRANTS]
    return bool(said) and said[-1]["event"] == "outcome"


@pytest.mark.timeout(120 + 10 * ROUNDS)
def test_killed_agents_brokers_and_platforms_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    with city(tmp_path) as running, faulty_gate(tmp_path, running, passage_timeout_ms=500) as site:
        for _ in range(-(-ROUNDS // 2)):
            conduct(site, running, dice)
        wait_until(lambda: site.said("ready"), "the terminal serves")
        wait_until(lambda: opens(site), "the gate opens")
        wait_until(lambda: is_settled(site), "nobody passes: on a busy machine a sensor would come too late")
        wait_until(lambda: is_drained(site), "the platform acknowledges everything")
        with running.store() as store:
            platform_has_it_all(store, site.state_dir)
        assert pulses_follow_their_records(whole_journal(site.state_dir), site.relay()) > 0
        assert running.alarms() <= {"answer-refused", "clock-untrusted", "forced-open"}
