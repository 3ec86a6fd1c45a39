"""Gates of many terminals: the platform is asked where a passenger came in, and may not know, or not answer."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.amounts import FunctionKey, KeyPressed
from profiles.api import AmountEntered, Ask, Assurance, Credential, Kind, Mark, Presented, RecordedLate, Subject
from profiles.questions import Answer, Answered, Authorise, Declined, NotRecorded, QueryTravel, Travelled, Unanswered
from tests.profiles.test_metro import Line


class Asking(Line):
    """Gates whose entries the platform knows."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(entries="platform", **changes)

    def about(self) -> bytes:
        assert self.asked is not None
        assert isinstance(self.asked[1].question, QueryTravel)
        return self.asked[1].about

    def told(self, answer: Answer) -> list[str]:
        assert self.asked is not None
        return self.tell(self.asked[0], Answered(self.about(), answer))

    def silence(self) -> list[str]:
        assert self.asked is not None
        return self.tell(self.asked[0], Unanswered(self.about()))

    def ago(self, minutes: int) -> int:
        return self.facts.now_ms - minutes * 60_000


def payment_of(line: Line) -> Ask:
    assert line.asked is not None
    assert isinstance(line.asked[1].question, Authorise)
    return line.asked[1]


def test_an_entry_at_another_terminal_prices_the_exit() -> None:
    line = Asking()
    assert line.tap("lake") == ["trip-asked"]
    assert line.journal[-1].kind is Kind.DECISION
    assert line.tap("lake", 2) == ["busy"]
    assert line.told(Travelled("square", line.ago(25))) == ["asked"]
    assert line.journal[-1].public["from"] == "square"
    assert line.journal[-1].evidence == b"shown", "the evidence goes with the money"
    assert line.funds() == {"account": 400}
    assert line.agree() == ["paid"]
    assert line.opened("lake") == ["actuated"]


def test_a_trip_that_ended_here_is_over_whatever_the_platform_has_not_heard_yet() -> None:
    line = Asking()
    entered = Travelled("square", line.ago(25))
    line.tap("lake")
    line.told(entered)
    assert line.refuse() == ["insufficient-funds"]
    line.tap("lake")
    assert line.told(entered) == ["asked"], "nothing came of it"
    line.agree()
    line.opened("lake")
    line.tap("lake")
    assert line.told(entered) == ["no-station-entry"]
    line.tap("lake")
    assert line.told(Travelled("library", line.facts.now_ms - 1)) == ["impossible-travel"]


def test_what_was_travelled_elsewhere_counts_for_the_transfer_and_the_day() -> None:
    line = Asking()
    today = line.facts.local_time.strftime("%Y%m%d")
    line.tap("lake")
    line.told(Travelled("square", line.ago(25), last_ms=line.ago(50), spent_fen=600, spent_date=today))
    assert line.funds() == {"transfer-fund": 100, "cap-fund": 100, "account": 200}
    line = Asking()
    line.tap("lake")
    line.told(Travelled("square", line.ago(25), last_ms=line.ago(99), spent_fen=600, spent_date="20260101"))
    assert line.funds() == {"account": 400}, "neither yesterday's, nor a ride of long ago"


@pytest.mark.parametrize(("heard", "funds"), [(True, {"account": 300, "cap-fund": 100}), (False, {"cap-fund": 400})])
def test_a_ride_here_that_the_platform_has_not_heard_of_counts_beside_what_it_tells(
    heard: bool, funds: dict[str, int]
) -> None:
    line = Asking(discounts={"day_cap": {"fen": 800, "fund": "cap-fund"}})
    today = line.facts.local_time.strftime("%Y%m%d")
    line.tap("lake")
    line.told(Travelled("square", line.ago(25)))
    line.agree()
    line.opened("lake")
    line.later(60)
    line.tap("lake")
    last_ms = line.ago(60) if heard else line.ago(99)
    line.told(Travelled("square", line.ago(25), last_ms=last_ms, spent_fen=500, spent_date=today))
    assert line.funds() == funds


@pytest.mark.parametrize(("rule", "fen"), [("lowest", 300), ("highest", 400)])
def test_without_an_answer_the_exit_charges_what_the_settings_say(rule: str, fen: int) -> None:
    line = Asking(without_answer=rule)
    line.tap("lake")
    assert line.silence() == ["asked"]
    assert line.funds() == {"account": fen}
    assert "from" not in line.journal[-1].public
    line = Asking(without_answer=rule)
    line.tap("lake")
    assert line.told(Declined("unsupported")) == ["asked"]


def test_without_an_answer_the_staff_may_have_to_help_and_is_heard_before_the_settings() -> None:
    line = Asking(without_answer="staff")
    line.tap("lake")
    assert line.silence() == ["no-station-entry"]
    line.tell("lake", KeyPressed(FunctionKey.STATION, 1))
    line.tap("lake")
    assert line.silence() == ["asked"]
    assert line.funds() == {"account": 400}
    line = Asking()
    line.tell("lake", AmountEntered(700))
    line.tap("lake")
    line.silence()
    assert line.funds() == {"account": 700}


def test_who_never_came_in_is_sent_to_the_desk_and_who_may_not_be_told_is_refused() -> None:
    line = Asking()
    line.tap("lake")
    assert line.told(Travelled()) == ["no-station-entry"]
    line.tap("lake")
    line.shown = ""
    assert line.told(Travelled("moon", line.ago(5))) == [], "a station of another network; it is counted"
    assert line.shown == "There is no record of your entry; please go to the station's desk"
    line.tap("lake")
    assert line.told(Declined("wrong-person")) == ["medium-denied"]
    assert line.states["lake"].looking is None


def test_an_entry_of_before_at_this_station_accuses_nobody_of_a_missing_exit() -> None:
    line = Asking()
    line.enter()
    line.later(600)
    assert line.tap("in") == ["entered-station"], "the exit was elsewhere, and the platform knows"
    assert line.opened("in") == ["actuated"]
    assert line.tap("in") == ["entered-again"]


@pytest.mark.parametrize("event", [RecordedLate, NotRecorded])
def test_a_look_up_that_could_not_be_recorded_leaves_the_gate_free(event: type[RecordedLate | NotRecorded]) -> None:
    line = Asking()
    line.tap("lake")
    assert line.tell("lake", event(line.about())) == []
    assert line.tap("lake") == ["trip-asked"]
    assert line.told(Travelled("square", line.ago(25))) == ["asked"]
    assert payment_of(line).deadline_ms == 2_500


def test_a_code_is_spent_with_the_look_up_and_its_evidence_lies_in_no_state() -> None:
    line = Asking()
    who = (1).to_bytes(16, "big")
    spent = Mark("code", who, 1, line.facts.now_ms + 60_000)
    code = Credential(
        who, Subject("city", who), "citizen-code", Assurance.DYNAMIC_CODE, marks=(spent,), evidence=b"secret evidence"
    )
    assert line.tell("lake", Presented(code)) == ["trip-asked"]
    assert spent in line.journal[-1].marks
    assert b"secret" not in repr(line.states["lake"].model_dump()).encode()
    assert "looking" not in line.states["lake"].model_dump()


def test_who_left_unpaid_at_a_ceiling_has_left_whatever_the_platform_has_not_heard_yet() -> None:
    line = Asking(offline={"payment_fen": 5_000, "subject_fen": 399, "terminal_fen": 500_000})
    entered = Travelled("square", line.ago(25))
    for fault, then in (("stuck", "asked"), ("", "no-station-entry")):
        line.tap("lake")
        assert line.told(entered) == ["asked"]
        assert line.tell("lake", Unanswered(payment_of(line).about)) == ["offline-ceiling", "left-station-unpaid"]
        line.opened("lake", fault)
        line.tap("lake")
        assert line.told(entered) == [then]
        if then == "asked":
            assert line.refuse() == ["insufficient-funds"]
