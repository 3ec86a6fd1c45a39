"""kill -9 under taps, when a seed says so: nothing opens without its record, and every start serves again."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from offline_store.outbox import Outbox
from offline_store.record import Record
from tests.faults import ROUNDS, SEED
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


def grants_and_pulses(site: Site) -> tuple[list[float], list[float]]:
    """When grants were decided and when the relay was switched on, in seconds of CLOCK_MONOTONIC."""
    slept_s = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    granted = [
        record.entry.monotonic_ms / 1000 - slept_s
        for record in site.records()
        if record.entry.reason in ("granted", "granted-again")
    ]
    return sorted(granted), sorted(change.at_ns / 1e9 for change in site.relay().history if change.on)


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
        granted, pulses = grants_and_pulses(site)
        outbox = Outbox.open(site.state_dir)
        try:
            assert outbox.verify().broken is None
            bodies = outbox.batch(0, 5_000, 10**7)
        finally:
            outbox.close()
        assert [Record.from_bytes(body).seq for body in bodies] == list(range(1, len(bodies) + 1))
        assert pulses, "the taps never opened the gate: this showed nothing"
        for number, pulse_s in enumerate(pulses, start=1):
            before = sum(grant_s <= pulse_s for grant_s in granted)
            assert before >= number, f"pulse {number} at {pulse_s:.3f} has {before} grants before it"
