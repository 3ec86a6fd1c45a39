"""Whatever is thrown at a gate: each event is counted once, a minute has few records, a person's refusal is found."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from itertools import count

import cbor2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.api import (
    Assurance,
    Credential,
    Effect,
    Event,
    InputChanged,
    Kind,
    Presented,
    RaiseAlarm,
    Reason,
    Record,
    Rejected,
    Restarted,
    Show,
    StartTimer,
    Subject,
    TimerFired,
)
from profiles.gate import Gate, GateSettings, GateState
from profiles.passage import PassageReason
from profiles.rules.repeats import KINDS_MAX, RECORDS_MAX, WINDOW_MS
from tests.profiles.facts import HeldFacts

MINUTE_MS = 60_000
CITIZEN = b"c" * 16
NOISE = Rejected(Reason.CODE_UNKNOWN)
BOUNCE = InputChanged("passage", active=True)


def stranger(medium: bytes) -> Presented:
    """Somebody whom the gate below refuses."""
    return Presented(Credential(medium, Subject("site", medium), "social-security", Assurance.READ))


class Lane:
    """A gate for staff only, with its timers and its journal, as the agent runs it."""

    def __init__(self) -> None:
        self.gate = Gate(GateSettings.model_validate({"admit": {"entitlements": ["staff"]}}))
        self.state = self.gate.idle()
        self.facts = HeldFacts()
        self.journal: list[tuple[int, Record]] = []
        self.alarms = 0
        self._timers: list[tuple[int, int, TimerFired]] = []
        self._order = count()

    def wait(self, pause_ms: int) -> None:
        until_ms = self.facts.now_ms + pause_ms
        while self._timers and self._timers[0][0] <= until_ms:
            self.facts.now_ms, _, fired = heapq.heappop(self._timers)
            self.handle(fired)
        self.facts.now_ms = until_ms

    def restart(self) -> None:
        """A kill: timers are gone, the state is what the last commit saved."""
        self._timers.clear()
        self.state = GateState.model_validate(cbor2.loads(cbor2.dumps(self.state.model_dump())))
        self.handle(Restarted())

    def handle(self, event: Event) -> tuple[Effect, ...]:
        step = self.gate.handle(self.state, event, self.facts)
        self.state = step.state
        for effect in step.effects:
            match effect:
                case Record():
                    self.journal.append((self.facts.now_ms, effect))
                case RaiseAlarm():
                    self.alarms += 1
                case StartTimer(name, delay_ms, about):
                    due_ms = self.facts.now_ms + delay_ms
                    heapq.heappush(self._timers, (due_ms, next(self._order), TimerFired(name, about)))
        return step.effects

    def told(self) -> int:
        """How many events the journal tells of."""
        return sum(
            int(record.public["repeated"]) if record.reason is Reason.REPEATED else 1 for _, record in self.journal
        )

    def most_in_a_minute(self) -> int:
        times = [at_ms for at_ms, _ in self.journal]
        return max(
            (index - bisect_left(times, at_ms - MINUTE_MS + 1) + 1 for index, at_ms in enumerate(times)), default=0
        )


def media(number: int) -> st.SearchStrategy[bytes]:
    return st.integers(1, number).map(lambda n: n.to_bytes(16, "big"))


def hostile(number_of_media: int) -> st.SearchStrategy[Event]:
    return st.one_of(
        st.just(NOISE),
        st.just(BOUNCE),
        st.sampled_from([Rejected(Reason.CARD_REMOVED), Rejected(Reason.CARD_UNREADABLE)]),
        media(number_of_media).map(stranger),
        media(number_of_media).map(lambda medium: Rejected(Reason.MEDIUM_LOST, medium, Subject("site", medium))),
    )


PAUSES_MS = st.one_of(st.integers(0, 200), st.integers(0, 2 * WINDOW_MS))


@given(st.lists(st.tuples(st.one_of(hostile(60), st.just(Restarted())), PAUSES_MS), max_size=120))
@settings(deadline=None)
def test_every_event_is_counted_exactly_once_also_over_restarts(script: list[tuple[Event, int]]) -> None:
    lane = Lane()
    events = 0
    for event, pause_ms in script:
        lane.wait(pause_ms)
        if isinstance(event, Restarted):
            lane.restart()
        else:
            events += 1
            assert any(isinstance(effect, Show) for effect in lane.handle(event))
    lane.wait(WINDOW_MS)
    assert lane.told() == events
    assert lane.state.repeats.entries == ()


@given(st.lists(st.tuples(hostile(200), st.integers(0, 1_500)), min_size=100, max_size=400))
@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.large_base_example, HealthCheck.data_too_large]
)
def test_no_stream_writes_more_than_the_bound_in_any_minute(script: list[tuple[Event, int]]) -> None:
    lane = Lane()
    for event, pause_ms in script:
        lane.wait(pause_ms)
        lane.handle(event)
    lane.wait(WINDOW_MS)
    assert lane.most_in_a_minute() <= RECORDS_MAX


def test_ten_minutes_of_a_new_medium_every_ten_milliseconds_stay_within_the_bound_and_are_all_counted() -> None:
    lane = Lane()
    for number in range(60_000):
        lane.wait(10)
        lane.handle(stranger(number.to_bytes(16, "big")))
    lane.wait(WINDOW_MS)
    assert lane.most_in_a_minute() <= RECORDS_MAX
    assert lane.told() == 60_000


@given(st.lists(st.tuples(hostile(KINDS_MAX // 4), PAUSES_MS), max_size=120), st.integers(0, 120))
@settings(deadline=None)
def test_a_persons_first_refusal_is_recorded_whatever_else_repeats(script: list[tuple[Event, int]], when: int) -> None:
    lane = Lane()
    for event, pause_ms in script[:when]:
        lane.wait(pause_ms)
        lane.handle(event)
    lane.handle(stranger(CITIZEN))
    refused = lane.journal[-1][1]
    assert (refused.kind, refused.reason, refused.medium) == (Kind.DECISION, Reason.NOT_ENTITLED, CITIZEN)


def test_a_count_names_the_first_of_its_kind_and_another_window_begins_with_a_record() -> None:
    lane = Lane()
    for _ in range(5):
        lane.handle(NOISE)
    lane.wait(WINDOW_MS)
    lane.handle(NOISE)
    first, counted, again = (record for _, record in lane.journal)
    assert (first.reason, again.reason) == (Reason.CODE_UNKNOWN, Reason.CODE_UNKNOWN)
    assert (counted.kind, counted.refers_to, counted.public) == (Kind.OUTCOME, first.id, {"repeated": 4})


def test_a_bouncing_sensor_raises_one_alarm_a_window() -> None:
    lane = Lane()
    for _ in range(100):
        lane.handle(BOUNCE)
    assert (lane.alarms, [record.reason for _, record in lane.journal]) == (1, [PassageReason.FORCED_OPEN])
    lane.wait(WINDOW_MS)
    lane.handle(BOUNCE)
    assert lane.alarms == 2


def test_grants_and_their_outcomes_are_recorded_each_time() -> None:
    lane = Lane()
    staff = Presented(
        Credential(CITIZEN, Subject("site", CITIZEN), "social-security", Assurance.READ, frozenset({"staff"}))
    )
    for _ in range(20):
        lane.handle(staff)
        lane.handle(BOUNCE)
        lane.wait(3_000)
    reasons = [record.reason for _, record in lane.journal]
    assert reasons == [Reason.GRANTED, PassageReason.PASSED] * 20
