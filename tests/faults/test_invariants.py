"""What holds relay and journal against each other lets nothing through: each pulse has a decision of its own."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from drivers.virtual.bench import Change, RelayState
from offline_store.figures import UNRECORDED, Figure, Tally
from offline_store.record import Record
from tests.faults.invariants import LONGEST_DEADLINE_S, pulses_follow_their_records
from tests.offline_store.parts import entry
from tests.tools.platform.chains import make_chain

WALL_MS = 1_790_000_000_000
"""What the terminal's clock said when its machine was switched on."""
GRANT_S, FIRST_S, LAST_S = 10.0, 20.0, 30.0


def granted(at_s: float) -> Record:
    decision = entry(1, "decision", time_ms=WALL_MS + round(at_s * 1000), monotonic_ms=round(at_s * 1000))
    return replace(make_chain(2)[-1], entry=decision)


def counted(openings: int, granted_times: int) -> Record:
    """Told at 40 s: so many openings between 20 and 30 s."""
    figures = {
        ("decision", "granted"): Figure(granted_times, WALL_MS + 20_000, WALL_MS + 30_000),
        ("outcome", "passed"): Figure(9, WALL_MS + 1_000, WALL_MS + 39_000),
    }
    tally = Tally(bytes(16), "gate", WALL_MS, WALL_MS + 39_000, openings, figures)
    told = entry(2, UNRECORDED, reason=None, time_ms=WALL_MS + 40_000, monotonic_ms=40_000, public=tally.public())
    return replace(make_chain(2)[-1], entry=told)


def relay(*pulses_s: float) -> RelayState:
    """On at these moments of the machine's uptime, which goes on while it sleeps."""
    slept_s = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    history = tuple(Change(output="gate", on=True, at_ns=round((at_s - slept_s) * 1e9)) for at_s in pulses_s)
    return RelayState(outputs={}, inputs={}, history=history)


JOURNAL = [granted(GRANT_S), counted(2, 2)]


@pytest.mark.parametrize(
    "pulses_s",
    [
        (),
        (GRANT_S + 0.1,),
        (GRANT_S + 0.1, FIRST_S + 0.1, LAST_S + 0.1),
        (FIRST_S + 0.1, LAST_S + 0.1, LAST_S + 0.2),
        (FIRST_S + 0.1, LAST_S + LONGEST_DEADLINE_S - 0.1, 100.0),
    ],
)
def test_pulses_behind_their_decisions_are_sound(pulses_s: tuple[float, ...]) -> None:
    assert pulses_follow_their_records(JOURNAL, relay(*pulses_s)) == len(pulses_s)


@pytest.mark.parametrize(
    "pulses_s",
    [
        (GRANT_S - 0.1,),
        (GRANT_S + 0.1, FIRST_S - 0.1),
        (GRANT_S + 0.1, FIRST_S + 0.1, FIRST_S + 0.2, LAST_S + 0.1),
        (GRANT_S + 0.1, FIRST_S + 0.1, LAST_S + LONGEST_DEADLINE_S + 0.1),
    ],
)
def test_a_pulse_without_a_decision_of_its_own_is_found(pulses_s: tuple[float, ...]) -> None:
    with pytest.raises(AssertionError, match="has no decision before it"):
        pulses_follow_their_records(JOURNAL, relay(*pulses_s))


@pytest.mark.parametrize(("openings", "granted_times"), [(3, 2), (1, 2)])
def test_a_count_whose_openings_are_not_its_grants_is_found(openings: int, granted_times: int) -> None:
    with pytest.raises(AssertionError, match="each opening has its decision"):
        pulses_follow_their_records([counted(openings, granted_times)], relay())
