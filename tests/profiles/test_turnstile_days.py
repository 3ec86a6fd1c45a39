"""Random days at a turnstile: whatever happens in whatever order, it opens only on a record, gives every right back
exactly once, and counts its people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from profiles.api import (
    Actuate,
    Actuated,
    Effect,
    InputChanged,
    Kind,
    Mark,
    Presented,
    Reason,
    Record,
    RecordedLate,
    TimerFired,
)
from profiles.direction import Direction
from profiles.passage import PASSAGE_TIMER, PassageReason
from profiles.refusals import REPEATS_TIMER
from profiles.rules.occupancy import SCOPE
from profiles.rules.passback import standing
from profiles.turnstile_settings import Way
from tests.profiles.test_turnstile import CARD_IN, CARD_OUT, Lane, credential

AT_FIRST = 40
MEDIA = [bytes([number]) * 16 for number in range(1, 7)]
NEVER_ACTUATED = (Reason.ACTUATOR_FAILED, Reason.NOT_ACTUATED)


class Day:
    """One turnstile, and what really happened there."""

    def __init__(self, seed: int, **changes: Any) -> None:
        self.random = Random(seed)
        self.lane = Lane(groups={"class": 3}, passage_timeout_ms=8_000, **changes)
        self.lane.facts.put(Mark(SCOPE, b"hall", AT_FIRST, 2**62))
        self.inside = AT_FIRST
        self.ghosts = 0
        """Who was let in when a restart came, and never seen to pass: nobody knows, so they stay counted."""
        self.opened: Counter[bytes] = Counter()
        self.ended: Counter[bytes] = Counter()
        self.before: dict[bytes, int | None] = {}

    def do(self, act: Callable[[], tuple[Effect, ...]]) -> None:
        """Let something happen, and hold what follows against the rules."""
        way, cut_off = self.lane.state.way, self.lane.state.cut_off
        effects = act()
        recorded: set[bytes] = set()
        for effect in effects:
            match effect:
                case Record(id=record_id, refers_to=refers_to, kind=Kind.DECISION):
                    recorded |= {record_id, refers_to or record_id}
                case Record(kind=Kind.OUTCOME, reason=reason, refers_to=bytes() as about) if (
                    reason is not Reason.REPEATED
                ):
                    self._ended(effect, about, way, cut_off)
                case Actuate(about=about):
                    assert about in recorded, "it opened before the record that says so"
                    if way is None or way.record_id != about:
                        self.opened[about] += 1
        assert all(self.opened[about] - self.ended[about] in (0, 1) for about in self.opened)
        is_open = self.lane.state.way
        open_now = {about for about in self.opened if self.opened[about] != self.ended[about]}
        assert open_now == (set() if is_open is None else {is_open.record_id})
        assert self.lane.people >= 0

    def _ended(self, outcome: Record, about: bytes, way: Way | None, cut_off: Way | None) -> None:
        if cut_off is not None and cut_off.record_id == about and (way is None or way.record_id != about):
            assert outcome.reason is PassageReason.PASSED
            self.ghosts -= cut_off.direction is Direction.IN
            return
        assert way is not None
        assert way.record_id == about
        self.ended[about] += 1
        assert self.ended[about] == self.opened[about]
        if outcome.reason is Reason.OUTCOME_UNKNOWN:
            self.ghosts += way.people - way.passed if way.direction is Direction.IN else 0
        elif way.passed == 0 and outcome.reason is not PassageReason.PASSED:
            assert standing("hall", way.subject, self.lane.facts) == way.taken.before

    # What people and machines do

    def tap(self) -> None:
        medium = self.random.choice(MEDIA)
        entitlements = ("class",) if self.random.random() < 0.2 else ()
        shown = Presented(credential(medium, *entitlements), self.random.choice((CARD_IN, CARD_OUT)))
        self.do(lambda: self.lane.handle(shown))

    def come_in(self) -> None:
        self._move("outer+", "inner+", "outer-", "inner-")
        self.inside += 1

    def go_out(self) -> None:
        if self.inside:
            self._move("inner+", "outer+", "inner-", "outer-")
            self.inside -= 1

    def step_back(self) -> None:
        self._move(*self.random.choice((("outer+", "outer-"), ("outer+", "inner+", "inner-", "outer-"))))

    def stand_there(self) -> None:
        self._move("outer+", "inner+")
        self.time_over()
        self.time_over()
        self._move("outer-", "inner-")
        self.inside += 1

    def follow(self) -> None:
        self._move("outer+", "inner+", "outer-", "outer+", "inner-", "inner+", "outer-", "inner-")
        self.inside += 2

    def _move(self, *changes: str) -> None:
        for change in changes:
            self.do(lambda change=change: self.lane.beams(change))  # type: ignore[misc]

    def time_over(self) -> None:
        if self.lane.state.way is not None:
            self.do(self.lane.time_over)

    def no_answer(self) -> None:
        if self.lane.state.way is not None:
            about = self.lane.state.way.record_id
            event = self.random.choice((Actuated(about, "silent"), RecordedLate(about), Actuated(about)))
            self.do(lambda: self.lane.handle(event))

    def restart(self) -> None:
        self.do(self.lane.restart)

    def wait(self) -> None:
        self.lane.facts.now_ms += self.random.choice((100, 2_000, 5_000, 20_000))

    def end_window(self) -> None:
        self.do(lambda: self.lane.handle(TimerFired(REPEATS_TIMER, self.lane.state.repeats.window)))

    def fire(self) -> None:
        active = not self.lane.state.fire
        self.do(lambda: self.lane.handle(InputChanged("fire", active=active)))

    def stale(self) -> None:
        self.do(lambda: self.lane.handle(TimerFired(PASSAGE_TIMER, self.random.randbytes(16))))

    def rest(self) -> None:
        """Everything that is under way comes to its end."""
        self.time_over()
        if self.lane.state.fire:
            self.fire()
        self.end_window()


ACTS = (
    *(Day.tap,) * 8,
    *(Day.come_in, Day.go_out, Day.wait) * 3,
    Day.step_back,
    Day.stand_there,
    Day.follow,
    Day.time_over,
    Day.no_answer,
    Day.restart,
    Day.end_window,
    Day.fire,
    Day.stale,
)


@pytest.mark.parametrize("mode", ["off", "soft", "hard", "timed"])
@pytest.mark.parametrize("seed", range(10))
def test_it_opens_on_records_alone_gives_back_once_and_counts_its_people(seed: int, mode: str) -> None:
    area = {"name": "hall", "passback": {"mode": mode}, "occupancy": {"capacity": 1_000, "daily": False}}
    day = Day(seed, area=area)
    for _ in range(300):
        act = day.random.choice(ACTS)
        act(day)
        if day.random.random() < 0.1:
            day.rest()
            assert day.lane.people == day.inside + day.ghosts, act.__name__
    assert sum(day.ended.values()) > 10
