"""Whom the trusted clock believes: kernel, platform, its own carrying on; and never below its floor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.clock import Moment
from agent.kernel_time import KernelTime
from agent.trusted_clock import (
    DRIFT_PPM,
    FRESH_MS,
    LEAP_MS,
    MAX_ROUND_TRIP_MS,
    MAX_UNCERTAINTY_MS,
    PLATFORM_ERROR_MS,
    STEADY_MS,
    Anchor,
    TrustedClock,
)
from profiles.api import ClockState

TRUE_MS = 1_790_000_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BOOT_ID = b"b" * 16
SYNCHRONISED, HOLDOVER, UNTRUSTED = ClockState.SYNCHRONISED, ClockState.HOLDOVER, ClockState.UNTRUSTED


@dataclass
class Machine:
    """A kernel's clock under the test's hand: true time goes on, the wall clock may be elsewhere."""

    boot_ms: int = 60_000
    true_ms: int = TRUE_MS
    wall_error_ms: int = 0
    synchronised: bool = False
    max_error_ms: int = 20

    def read(self) -> KernelTime:
        return KernelTime(self.true_ms + self.wall_error_ms, self.boot_ms, self.synchronised, self.max_error_ms)

    def wait(self, wait_ms: int) -> None:
        self.boot_ms += wait_ms
        self.true_ms += wait_ms


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine) -> TrustedClock:
    return TrustedClock(machine.read)


def told(clock: TrustedClock, machine: Machine) -> bool:
    return clock.platform_said(machine.true_ms - 50, round_trip_ms=100)


def watched(clock: TrustedClock, machine: Machine, wait_ms: int, pace_ms: int = 60_000) -> Moment:
    """Time goes on under the timekeeper's eyes."""
    while wait_ms > 0:
        machine.wait(min(pace_ms, wait_ms))
        wait_ms -= pace_ms
        clock.keep()
    return clock.moment()


def disciplined(clock: TrustedClock, machine: Machine) -> None:
    """A daemon has kept the time for long enough."""
    machine.synchronised = True
    clock.keep()
    watched(clock, machine, STEADY_MS)


def holds(moment: Moment, machine: Machine) -> bool:
    """Whether what the clock promises is true."""
    return abs(moment.now_ms - machine.true_ms) <= moment.uncertainty_ms


def test_nobody_vouches_for_a_machine_without_daemon_and_platform(clock: TrustedClock, machine: Machine) -> None:
    assert clock.moment() == Moment(machine.true_ms, UNTRUSTED, 20)


def test_a_disciplined_kernel_is_taken_with_its_own_error(clock: TrustedClock, machine: Machine) -> None:
    machine.synchronised = True
    assert clock.moment() == Moment(TRUE_MS, SYNCHRONISED, 20)


def test_the_platforms_time_sets_right_a_clock_that_starts_in_1970(clock: TrustedClock, machine: Machine) -> None:
    machine.wall_error_ms = -TRUE_MS
    assert told(clock, machine)
    assert clock.moment() == Moment(TRUE_MS, SYNCHRONISED, 50 + PLATFORM_ERROR_MS)


def test_an_answer_that_was_under_way_too_long_says_nothing(clock: TrustedClock, machine: Machine) -> None:
    assert not clock.platform_said(TRUE_MS, MAX_ROUND_TRIP_MS + 1)
    assert not clock.platform_said(TRUE_MS, -1)
    assert (clock.state(), clock.floor_ms) == (UNTRUSTED, 0)
    assert clock.platform_said(TRUE_MS, MAX_ROUND_TRIP_MS)


def test_setting_the_wall_clock_by_hand_changes_nothing(clock: TrustedClock, machine: Machine) -> None:
    disciplined(clock, machine)
    machine.wait(HOUR_MS)
    machine.synchronised, machine.wall_error_ms = False, -8 * HOUR_MS
    moment = clock.moment()
    assert moment.state is HOLDOVER
    assert moment.now_ms == machine.true_ms


def test_holdover_grows_less_certain_and_ends(clock: TrustedClock, machine: Machine) -> None:
    assert told(clock, machine)
    certain = clock.moment().uncertainty_ms
    machine.wait(FRESH_MS)
    assert clock.state() is SYNCHRONISED
    machine.wait(1)
    assert clock.state() is HOLDOVER
    machine.wait(7 * DAY_MS)
    assert clock.moment().uncertainty_ms == pytest.approx(certain + 7 * DAY_MS * DRIFT_PPM // 1_000_000, abs=1_000)
    machine.wait(MAX_UNCERTAINTY_MS * 1_000_000 // DRIFT_PPM)
    assert clock.state() is UNTRUSTED


def test_ntp_that_contradicts_the_platform_is_not_believed(clock: TrustedClock, machine: Machine) -> None:
    assert told(clock, machine)
    machine.synchronised, machine.wall_error_ms = True, -HOUR_MS
    clock.keep()
    assert clock.moment().now_ms == machine.true_ms
    machine.wait(3 * HOUR_MS)
    assert clock.moment().now_ms == machine.true_ms
    assert clock.state() is HOLDOVER


def test_a_kernel_that_agrees_with_the_platform_is_taken(clock: TrustedClock, machine: Machine) -> None:
    assert told(clock, machine)
    machine.synchronised, machine.wall_error_ms = True, 15
    assert clock.moment() == Moment(TRUE_MS + 15, SYNCHRONISED, 20)


def test_no_daemon_can_lead_below_the_floor(clock: TrustedClock, machine: Machine) -> None:
    clock.signed_at(TRUE_MS)
    machine.synchronised, machine.wall_error_ms = True, -HOUR_MS
    assert clock.keep().state is UNTRUSTED
    assert clock.floor_ms == TRUE_MS
    machine.wait(HOUR_MS)
    assert clock.state() is SYNCHRONISED


def test_synchronised_time_raises_the_floor_and_nothing_signed_earlier_lowers_it(
    clock: TrustedClock, machine: Machine
) -> None:
    disciplined(clock, machine)
    clock.signed_at(TRUE_MS - DAY_MS)
    assert clock.floor_ms == machine.true_ms - 20


def test_one_poisoned_answer_of_ntp_leaves_nothing_behind(clock: TrustedClock, machine: Machine) -> None:
    machine.synchronised, machine.wall_error_ms = True, 400 * DAY_MS
    clock.keep()
    watched(clock, machine, STEADY_MS - 60_000)
    assert clock.floor_ms == 0
    machine.wall_error_ms = 0
    assert clock.keep() == Moment(machine.true_ms, SYNCHRONISED, 20)


def test_a_daemon_that_leaps_is_not_believed_until_it_is_steady(clock: TrustedClock, machine: Machine) -> None:
    disciplined(clock, machine)
    machine.wall_error_ms = 3 * HOUR_MS
    leapt = watched(clock, machine, 60_000)
    assert leapt.state is HOLDOVER
    assert holds(leapt, machine)
    # A machine that starts wrong is set right the same way, where no platform speaks.
    steady = watched(clock, machine, STEADY_MS)
    assert steady == Moment(machine.true_ms + 3 * HOUR_MS, SYNCHRONISED, 20)


def test_a_steady_lie_below_the_floor_replaces_no_better_knowledge(clock: TrustedClock, machine: Machine) -> None:
    disciplined(clock, machine)
    machine.wall_error_ms = -3 * HOUR_MS
    lied = watched(clock, machine, 2 * STEADY_MS)
    assert lied.state is HOLDOVER
    assert holds(lied, machine)


def test_a_correction_of_less_than_a_second_is_no_leap(clock: TrustedClock, machine: Machine) -> None:
    disciplined(clock, machine)
    machine.wall_error_ms = 400
    assert watched(clock, machine, 60_000) == Moment(machine.true_ms + 400, SYNCHRONISED, 20)


@pytest.mark.parametrize("leap_ms", [-40_000, 40_000, 50_000, 90_000])
@pytest.mark.parametrize("platform_days", [0, 5])
def test_a_leap_is_noticed_also_after_days_without_the_platform(
    clock: TrustedClock, machine: Machine, leap_ms: int, platform_days: int
) -> None:
    if platform_days:
        assert told(clock, machine)
    disciplined(clock, machine)
    watched(clock, machine, 6 * DAY_MS)
    machine.wall_error_ms = leap_ms
    leapt = watched(clock, machine, 60_000)
    assert leapt.state is HOLDOVER
    assert holds(leapt, machine)
    assert clock.floor_ms <= machine.true_ms
    machine.wall_error_ms = 0
    assert clock.keep() == Moment(machine.true_ms, SYNCHRONISED, 20)


def test_what_was_signed_ahead_of_time_stops_no_clock_that_is_trusted(clock: TrustedClock, machine: Machine) -> None:
    clock.signed_at(TRUE_MS + HOUR_MS)
    assert clock.floor_ms == TRUE_MS + HOUR_MS
    assert told(clock, machine)
    clock.signed_at(TRUE_MS + HOUR_MS)
    assert clock.moment().state is SYNCHRONISED
    assert clock.floor_ms <= machine.true_ms + 50 + PLATFORM_ERROR_MS


@pytest.mark.parametrize("uncertain_ms", [20, 16_000])
def test_whoever_signs_ahead_of_time_neither_leads_nor_stops_a_trusted_clock_however_often_he_does(
    clock: TrustedClock, machine: Machine, uncertain_ms: int
) -> None:
    machine.synchronised, machine.max_error_ms = True, uncertain_ms
    clock.keep()
    for _ in range(20):
        clock.signed_at(machine.true_ms + HOUR_MS)
    assert clock.moment() == Moment(machine.true_ms, SYNCHRONISED, uncertain_ms)
    machine.wall_error_ms, machine.max_error_ms = -uncertain_ms // 2, 20  # a daemon is surer after its next answer
    assert clock.moment() == Moment(machine.true_ms - uncertain_ms // 2, SYNCHRONISED, 20)
    clock.reset_floor()
    assert clock.floor_ms <= machine.true_ms


def test_a_time_that_may_be_below_the_floor_is_the_floor(clock: TrustedClock, machine: Machine) -> None:
    clock.signed_at(TRUE_MS)
    machine.synchronised, machine.wall_error_ms, machine.max_error_ms = True, -15_000, 16_000
    assert clock.moment() == Moment(TRUE_MS, SYNCHRONISED, 16_000)
    machine.wall_error_ms = -16_001
    assert clock.state() is UNTRUSTED


def test_what_the_platform_witnesses_raises_the_floor_at_once(clock: TrustedClock, machine: Machine) -> None:
    assert told(clock, machine)
    machine.synchronised = True
    machine.wait(HOUR_MS)
    clock.keep()
    assert clock.floor_ms == machine.true_ms - 20


def test_a_technician_leads_the_floor_back_to_what_was_signed(clock: TrustedClock, machine: Machine) -> None:
    clock.signed_at(TRUE_MS - HOUR_MS)
    machine.wall_error_ms = 400 * DAY_MS
    disciplined(clock, machine)
    machine.wall_error_ms = 0
    assert clock.keep().now_ms > machine.true_ms
    clock.reset_floor()
    assert clock.floor_ms == TRUE_MS - HOUR_MS
    assert clock.keep() == Moment(machine.true_ms, SYNCHRONISED, 20)


def test_the_platform_alone_cures_a_poisoned_future(clock: TrustedClock, machine: Machine) -> None:
    machine.wall_error_ms = 400 * DAY_MS
    disciplined(clock, machine)
    machine.synchronised, machine.wall_error_ms = False, 0
    machine.wait(40 * DAY_MS)
    assert clock.state() is UNTRUSTED
    assert told(clock, machine)
    assert clock.keep().state is SYNCHRONISED
    machine.synchronised, machine.wall_error_ms = True, -HOUR_MS
    assert clock.moment().now_ms == machine.true_ms


def test_a_restarted_agent_goes_on_a_restarted_machine_keeps_the_floor(clock: TrustedClock, machine: Machine) -> None:
    assert told(clock, machine)
    clock.keep()
    saved = clock.saved(BOOT_ID)
    machine.wait(3 * HOUR_MS)
    agent, other_boot = TrustedClock(machine.read), TrustedClock(machine.read)
    agent.restore(saved, BOOT_ID)
    assert agent.state() is HOLDOVER
    assert holds(agent.moment(), machine)
    other_boot.restore(saved, b"c" * 16)
    assert other_boot.state() is UNTRUSTED
    assert other_boot.floor_ms == clock.floor_ms > 0


def test_a_battery_that_is_taken_out_gives_back_no_time_however_often_it_starts(machine: Machine) -> None:
    before = TrustedClock(machine.read)
    disciplined(before, machine)
    saved, least_ms = before.saved(BOOT_ID), before.floor_ms
    for start in range(3):
        robbed = Machine(boot_ms=5_000, true_ms=0)  # the kernel thinks that it is 1970
        clock = TrustedClock(robbed.read)
        clock.restore(saved, bytes((start,)) * 16)
        clock.keep()
        assert clock.moment() == Moment(0, UNTRUSTED, 20)
        assert clock.moment().least_ms == least_ms
        least_ms += HOUR_MS
        assert watched(clock, robbed, HOUR_MS).least_ms == least_ms
        saved = clock.saved(BOOT_ID)
    robbed.true_ms = TRUE_MS + DAY_MS
    assert told(clock, robbed)
    clock.keep()
    assert clock.moment().least_ms == clock.moment().now_ms
    assert clock.least_ms == clock.floor_ms


def test_time_that_passes_untrusted_raises_no_floor_that_somebody_poisoned(
    clock: TrustedClock, machine: Machine
) -> None:
    clock.signed_at(TRUE_MS + HOUR_MS)
    machine.synchronised = True
    assert clock.keep().state is UNTRUSTED
    assert watched(clock, machine, HOUR_MS + STEADY_MS).state is SYNCHRONISED, "the true time has come there"


def test_what_was_saved_before_time_passed_untrusted_is_taken_up(clock: TrustedClock, machine: Machine) -> None:
    disciplined(clock, machine)
    saved = cbor2.loads(clock.saved(BOOT_ID))
    del saved["known"]["passed_ms"]
    again = TrustedClock(machine.read)
    again.restore(cbor2.dumps(saved), BOOT_ID)
    assert again.known == clock.known


def test_bytes_that_were_not_saved_are_refused(clock: TrustedClock) -> None:
    for damaged in (b"", b"\xa0", b"\x01", b"\xff", b"\xa2gboot_idA\x00eknown\xa1hfloor_msax"):
        with pytest.raises(ValueError):  # noqa: PT011 -- whatever the decoder or the model says
            clock.restore(damaged, BOOT_ID)
    assert clock.floor_ms == 0


def test_within_a_second_the_last_judgement_is_carried_on_unless_something_was_learnt(machine: Machine) -> None:
    asked: list[int] = []

    def read() -> KernelTime:
        asked.append(machine.boot_ms)
        return machine.read()

    clock = TrustedClock(read, lambda: machine.boot_ms)
    machine.synchronised = True
    first = clock.moment()
    machine.wait(999)
    machine.wall_error_ms = -HOUR_MS
    assert clock.moment() == replace(first, now_ms=machine.true_ms)
    assert len(asked) == 1
    assert told(clock, machine)
    assert clock.moment().uncertainty_ms == 50 + PLATFORM_ERROR_MS
    machine.wall_error_ms = 0
    machine.wait(1_000)
    assert clock.moment() == Moment(machine.true_ms, SYNCHRONISED, 20)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("wait"), st.integers(1, 3 * DAY_MS)),
            st.tuples(st.just("daemon"), st.integers(-20, 20)),
            st.tuples(st.just("hand"), st.integers(-DAY_MS, DAY_MS)),
            st.tuples(st.just("platform"), st.integers(0, MAX_ROUND_TRIP_MS)),
            st.tuples(st.just("keep"), st.just(0)),
        ),
        max_size=30,
    )
)
def test_what_is_trusted_is_true_as_long_as_nobody_lies(steps: list[tuple[str, int]]) -> None:
    machine = Machine()
    clock = TrustedClock(machine.read)
    for step, value in steps:
        match step:
            case "wait":
                machine.wait(value)
            case "daemon":
                machine.synchronised, machine.wall_error_ms = True, value
            case "hand":
                machine.synchronised, machine.wall_error_ms = False, value
            case "platform":
                clock.platform_said(machine.true_ms - value // 3, value)
            case _:
                clock.keep()
        moment = clock.moment()
        assert moment.state is UNTRUSTED or holds(moment, machine)
        assert clock.floor_ms <= machine.true_ms


@given(
    lies=st.lists(
        st.tuples(st.integers(-400 * DAY_MS, 400 * DAY_MS), st.integers(1, 14), st.integers(1, 20)), max_size=8
    )
)
@example(lies=[(0, 1, 1), (547, 13, 1)])
def test_a_daemon_that_lies_for_less_than_it_takes_to_be_steady_misleads_nobody(
    lies: list[tuple[int, int, int]],
) -> None:
    machine = Machine()
    clock = TrustedClock(machine.read)
    disciplined(clock, machine)
    for error_ms, lying_min, honest_min in lies:
        machine.wall_error_ms = error_ms
        for _ in range(lying_min):
            told = watched(clock, machine, 60_000)
            assert abs(told.now_ms - machine.true_ms) <= unnoticed_ms(machine)
            assert told.state is not UNTRUSTED
        machine.wall_error_ms = 0
        watched(clock, machine, honest_min * 60_000)
    if all(abs(error_ms) > unnoticed_ms(machine) for error_ms, _, _ in lies):
        assert clock.state() is SYNCHRONISED, "what was noticed changed nothing"
    watched(clock, machine, STEADY_MS + 60_000)  # a stray that was not noticed makes the honest time look like a leap
    assert clock.state() is SYNCHRONISED
    assert clock.floor_ms <= machine.true_ms + unnoticed_ms(machine)


def unnoticed_ms(machine: Machine) -> int:
    """How far a daemon may stray without a leap: from what it was held against, and from what is carried."""
    return 2 * (LEAP_MS + 2 * machine.max_error_ms + 2 * STEADY_MS * DRIFT_PPM // 1_000_000 + 1)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_carrying_on_in_two_steps_is_never_more_certain_than_in_one(first_ms: int, second_ms: int) -> None:
    start = Anchor(0, TRUE_MS, 10)
    halfway, whole = start.at(first_ms), start.at(first_ms + second_ms)
    stepwise = halfway and halfway.at(first_ms + second_ms)
    assert stepwise is None or (whole is not None and stepwise.uncertainty_ms >= whole.uncertainty_ms)
