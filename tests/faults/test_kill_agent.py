"""kill -9 under taps, when a seed says so: nothing opens without its record, and every start serves again."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.faults import ROUNDS, SEED
from tests.faults.invariants import pulses_follow_their_records, whole_journal
from tests.scenarios.site import Site, gate, started
from tools.cli.bench_process import BenchError

CARDS = ("gen3-chen", "gen3-transit", "t-union")
LONGEST_LIFE_S = 0.4


def tapped_to_death(site: Site, dice: random.Random) -> None:
    """Taps and passages, until the moment has come; then a fresh agent takes over."""
    end_s = time.monotonic() + dice.uniform(0.0, LONGEST_LIFE_S)
    while time.monotonic() < end_s:
        site.insert(dice.choice(CARDS), tear_after=dice.choice((None, None, None, 2)))
        time.sleep(dice.uniform(0.0, 0.05))
        site.press("passage", active=dice.random() < 0.5)
        site.remove()
    os.kill(site.terminal.pid, signal.SIGKILL)
    site.terminal.stop()
    with suppress(BenchError):  # it is let go, and nobody is there to see it
        site.press("passage", active=False)


def test_a_killed_agent_opened_nothing_without_its_record_and_the_next_one_serves(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    with gate(tmp_path, double_tap_ms=0, open_pulse_ms=50, passage_timeout_ms=500) as site:
        with ExitStack() as agents:
            for _ in range(ROUNDS):
                tapped_to_death(site, dice)
                site.terminal, site.seen = agents.enter_context(started(site.config, site.devices)), 0
                site.expect("ready")
                site.insert("gen3-chen")
                site.expect("decision")
                site.remove()
            site.expect_relay("gate", on=False)  # what a killed pulse left open is shut again
        opened = pulses_follow_their_records(whole_journal(site.state_dir), site.relay())
        assert opened, "the taps never opened the gate: this showed nothing"
