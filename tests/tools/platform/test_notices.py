"""Guardians are told of each passage once, in the order of events, and of what is old that it is old."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.cose import Es256Signer
from offline_store.rescue import CARRIED
from profiles.rules.attendance import NoticeReason
from tests.tools.platform.schools import FATHER, LI, MOTHER, ZHANG, ZHAO, Gate, at_ms, pupils
from tools.platform import pupils as enrolment
from tools.platform.ingest import Ingest
from tools.platform.notices import Told, feed
from tools.platform.store import Store, sqlite_url


class School:
    """The platform at a time that the test moves."""

    def __init__(self, store: Store, signer: Es256Signer) -> None:
        self.store = store
        self.now_ms = at_ms("2026-11-27 08:00")
        self.ingest = Ingest(store, signer, lambda: self.now_ms)
        with store.transaction() as transaction:
            enrolment.replace_all(transaction, "roster-school", pupils())

    def at(self, local: str) -> None:
        self.now_ms = at_ms(local)

    def told(self, guardian: tuple[str, bytes] = MOTHER, after: int = 0) -> Sequence[Told]:
        with self.store.transaction() as transaction:
            return feed(transaction, guardian, after)

    def said(self, guardian: tuple[str, bytes] = MOTHER) -> list[tuple[int, str, bool]]:
        return [(each.number, each.reason.code, each.stale) for each in self.told(guardian)]


@pytest.fixture
def school(tmp_path: Path, signer: Es256Signer) -> Iterator[School]:
    store = Store.open(sqlite_url(tmp_path / "school.db"))
    yield School(store, signer)
    store.close()


def test_each_guardian_is_told_once_however_often_the_wire_delivers(store: Store, signer: Es256Signer) -> None:
    school = School(store, signer)
    gate = Gate(school.ingest, "gate-north")
    gate.note(ZHANG, "came-in-late", "2026-11-27 08:01", minutes_late=1)
    gate.note(LI, "came-in", "2026-11-27 08:01:30")
    gate.send(times=3)
    assert school.said() == school.said(FATHER) == [(1, "came-in-late", False)]
    (entry,) = school.told()
    assert (entry.pupil, entry.minutes_late, entry.time_ms) == (ZHANG, 1, at_ms("2026-11-27 08:01"))
    school.at("2026-11-27 16:41")
    gate.note(ZHANG, "went-out", "2026-11-27 16:40")
    gate.send()
    assert [each.number for each in school.told(after=1)] == [2]


def test_a_passage_that_two_gates_saw_is_told_once(school: School) -> None:
    outer, inner = Gate(school.ingest, "gate-outer"), Gate(school.ingest, "gate-inner")
    outer.note(ZHANG, "came-in", "2026-11-27 07:55")
    inner.note(ZHANG, "came-in", "2026-11-27 07:58")
    inner.send()
    outer.send()
    assert [reason for _, reason, _ in school.said()] == ["came-in"]
    inner.note(ZHANG, "came-in", "2026-11-27 08:03")  # five minutes on, it is another one
    inner.send()
    assert len(school.said()) == 2


def test_who_had_come_by_another_gate_is_not_told_as_late(school: School) -> None:
    north, south = Gate(school.ingest, "gate-north"), Gate(school.ingest, "gate-south")
    north.note(ZHANG, "came-in", "2026-11-27 07:40")
    north.note(ZHANG, "went-out", "2026-11-27 11:30")
    south.note(ZHANG, "came-in-late", "2026-11-27 13:00", minutes_late=300)
    school.at("2026-11-27 13:01")
    north.send()
    south.send()
    assert [each.reason for each in school.told()] == [
        NoticeReason.CAME_IN, NoticeReason.WENT_OUT, NoticeReason.CAME_IN,
    ]  # fmt: skip


def test_what_an_outage_held_back_is_told_in_its_place_and_as_old(school: School) -> None:
    north, south = Gate(school.ingest, "gate-north"), Gate(school.ingest, "gate-south")
    north.note(ZHANG, "came-in", "2026-11-27 07:40")
    south.note(ZHANG, "went-out", "2026-11-27 11:30")
    school.at("2026-11-27 11:31")
    south.send()
    school.at("2026-11-27 11:32")
    north.send()
    assert school.said() == [(2, "came-in", True), (1, "went-out", False)]


@pytest.mark.parametrize(("late_ms", "stale"), [(600_000, False), (600_001, True)])
def test_ten_minutes_after_the_event_it_is_no_news(school: School, late_ms: int, stale: bool) -> None:
    gate = Gate(school.ingest, "gate-north")
    gate.note(ZHANG, "came-in", "2026-11-27 07:40")
    school.now_ms = at_ms("2026-11-27 07:40") + late_ms
    gate.send()
    assert school.said() == [(1, "came-in", stale)]


@pytest.mark.parametrize(("ahead_ms", "stale"), [(600_000, False), (600_001, True)])
def test_what_is_more_than_ten_minutes_ahead_is_no_news(school: School, ahead_ms: int, stale: bool) -> None:
    gate = Gate(school.ingest, "gate-north")
    gate.note(ZHANG, "came-in", "2026-11-27 07:40")
    school.now_ms = at_ms("2026-11-27 07:40") - ahead_ms
    gate.send()
    assert school.said() == [(1, "came-in", stale)]


def test_a_clock_that_runs_years_ahead_silences_nobody(school: School) -> None:
    mad, sane = Gate(school.ingest, "gate-mad"), Gate(school.ingest, "gate-north")
    mad.note(ZHANG, "came-in", "2036-11-27 07:00")
    mad.note(ZHANG, "came-in", "2026-11-28 07:00")
    mad.send()
    sane.note(ZHANG, "went-out", "2026-11-27 07:59")
    sane.send()
    assert {(reason, stale) for _, reason, stale in school.said()} == {("came-in", True), ("went-out", False)}
    school.at("2026-11-28 08:05")
    sane.note(ZHANG, "came-in-late", "2026-11-28 08:05", minutes_late=5)
    sane.send()
    assert (4, "came-in-late", False) in school.said(), "who is late is not in time by a time that was wrong"


def test_a_clock_at_the_end_of_all_years_stops_nobody(school: School) -> None:
    mad = Gate(school.ingest, "gate-mad")
    mad.note(ZHANG, "came-in-late", "9999-12-31 12:00", minutes_late=5)
    mad.send()
    assert school.said() == [(1, "came-in-late", True)]


def test_a_rescued_journal_that_carries_a_notice_tells_nobody_again(school: School) -> None:
    gate, rescued = Gate(school.ingest, "gate-north"), Gate(school.ingest, "gate-rescued")
    told = gate.note(ZHANG, "came-in", "2026-11-27 07:55")
    gate.send()
    rescued.carry(told)
    rescued.carry(gate.note(ZHANG, "went-out", "2026-11-27 07:59"))
    rescued.send()
    assert rescued.records[-1].entry.kind == CARRIED
    assert [reason for _, reason, _ in school.said()] == ["came-in", "went-out"]


def test_a_notice_of_a_stranger_or_of_nonsense_is_committed_and_told_to_nobody(
    store: Store, signer: Es256Signer
) -> None:
    school = School(store, signer)
    gate = Gate(school.ingest, "gate-north")
    gate.note(("city", b"?" * 16), "came-in", "2026-11-27 07:55")
    gate.note(ZHANG, "flew-away", "2026-11-27 07:56")
    gate.note(LI, "came-in", "2026-11-27 07:56", **{"class": "\0"})
    gate.note(ZHANG, "came-in", "2026-11-27 07:57", **{"class": "x" * 99, "minutes_late": -1, "back_by_ms": -5})
    gate.send()
    (entry,) = school.told()
    assert (entry.minutes_late, entry.back_by_ms) == (0, None)
    with school.store.transaction() as transaction:
        assert {position.seq for position in transaction.chains("gate-north")} == {5}


def test_a_new_list_of_pupils_keeps_the_numbers_and_who_is_gone_is_told_nothing(school: School) -> None:
    gate = Gate(school.ingest, "gate-north")
    gate.note(ZHANG, "came-in", "2026-11-27 07:55")
    gate.send()
    with school.store.transaction() as transaction:
        assert enrolment.replace_all(transaction, "roster-school", pupils()[1:]) == 2
    gate.note(ZHANG, "went-out", "2026-11-27 08:20")
    gate.note(ZHAO, "went-on-leave", "2026-11-27 08:21", back_by_ms=at_ms("2026-11-29 19:00"))
    gate.send()
    assert [(number, reason) for number, reason, _ in school.said()] == [(1, "came-in"), (2, "went-on-leave")]
    assert [number for number, _, _ in school.said(FATHER)] == [1]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([ZHANG, ZHAO]), st.sampled_from(["came-in", "went-out"]), st.integers(0, 59), st.booleans()
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda event: (event[0], event[2]),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.permutations([0, 1, 0, 1]))
def test_whatever_comes_in_whatever_order_every_passage_is_told_once(
    tmp_path_factory: pytest.TempPathFactory,
    signer: Es256Signer,
    events: list[tuple[tuple[str, bytes], str, int, bool]],
    order: list[int],
) -> None:
    store = Store.open(sqlite_url(tmp_path_factory.mktemp("school") / "platform.db"))
    school = School(store, signer)
    gates = [Gate(school.ingest, "gate-north"), Gate(school.ingest, "gate-south")]
    for who, reason, minute, south in sorted(events, key=lambda event: event[2]):
        gates[south].note(who, reason, f"2026-11-27 08:{minute:02}")
    school.at("2026-11-27 09:00")
    for which in order:
        gates[which].send()
    told = school.told()
    assert sorted(each.number for each in told) == list(range(1, len(told) + 1))
    assert [each.time_ms for each in told] == sorted(each.time_ms for each in told)
    assert len({(each.pupil, each.time_ms) for each in told}) == len(told)
    for who in (ZHANG, ZHAO):
        mine = [each for each in told if each.pupil == who]
        happened = sorted((minute, reason) for whose, reason, minute, _ in events if whose == who)
        assert {(each.time_ms, each.reason.code) for each in mine} <= {
            (at_ms(f"2026-11-27 08:{minute:02}"), reason) for minute, reason in happened
        }
        assert bool(mine) is bool(happened)
    store.close()
