"""Inspection on the bus and in the metro: a ticket or none, one passenger a press, and never a person."""

from __future__ import annotations

from profiles.amounts import FunctionKey, KeyPressed
from profiles.api import Event, Kind, Restarted, TimerFired
from profiles.inspecting import CHECK_TIMER
from profiles.questions import Travelled
from tests.profiles.test_bus import Vehicle
from tests.profiles.test_metro import Line
from tests.profiles.test_metro_network import Asking

CHECK = KeyPressed(FunctionKey.CHECK)


def test_on_the_bus_whoever_has_paid_is_told_so_and_whoever_has_not_too_and_nobody_is_charged() -> None:
    vehicle = Vehicle()
    vehicle.ride(2, "senior")
    for number, entitlements, reason, said in (
        (2, ("senior",), "ticket-valid", "Senior ticket: paid on line-12 12:00"),
        (3, (), "ticket-none", "No valid ticket; please pay the fare"),
    ):
        vehicle.tell(CHECK)
        vehicle.present(number, *entitlements)
        assert (vehicle.journal[-1].reason.code, vehicle.said()) == (reason, said)
        assert vehicle.journal[-1].money is None
        assert vehicle.state.asking is None
    vehicle.facts.now_ms += 90 * 60_000
    vehicle.tell(CHECK)
    vehicle.present(2, "senior")
    assert vehicle.journal[-1].reason.code == "ticket-none", "that was long ago"


def test_a_ticket_that_had_ended_holds_no_more_where_the_clock_is_lost() -> None:
    vehicle, line = Vehicle(), Line()
    vehicle.ride(2)
    line.enter()
    paid_ms = vehicle.facts.now_ms
    told = []
    for minutes in (89, 90, 24 * 60):
        vehicle.facts.now_ms = line.facts.now_ms = 0
        vehicle.facts.floor_ms = line.facts.floor_ms = paid_ms + minutes * 60_000
        vehicle.tell(CHECK)
        vehicle.present(2)
        line.tell("out", CHECK)
        told.append((vehicle.journal[-1].reason.code, *line.tap("out")))
    assert told == [("ticket-valid", "ticket-valid"), ("ticket-none", "ticket-valid"), ("ticket-none", "ticket-none")]


def test_one_press_is_for_one_passenger_and_ends_by_itself_by_a_second_press_and_by_a_restart() -> None:
    vehicle = Vehicle()
    vehicle.tell(CHECK)
    vehicle.present(1)
    vehicle.present(1)
    assert vehicle.journal[-1].kind is Kind.ASKED
    endings: list[Event] = [TimerFired(CHECK_TIMER, b""), CHECK, Restarted()]
    for number, ends in enumerate(endings, 2):
        vehicle.agree()
        vehicle.tell(CHECK)
        vehicle.tell(ends)
        if isinstance(ends, Restarted):
            assert "checking" not in vehicle.state.model_dump()
            break
        vehicle.present(number)
        assert vehicle.journal[-1].kind is Kind.ASKED, ends


def test_in_the_metro_an_open_trip_is_a_ticket_and_stays_open() -> None:
    line = Line()
    line.enter()
    line.later(5)
    line.tell("out", CHECK)
    assert line.tap("out", 1, "pupil") == ["ticket-valid"]
    assert line.shown == "Pupil ticket: came in at Station 1 12:00"
    assert line.is_inside()
    line.tell("out", CHECK)
    assert line.tap("out", 2) == ["ticket-none"]
    line.later(10)
    assert line.tap("out") == ["asked"]
    line.tell("out", CHECK)
    assert line.tap("out", 3) == ["busy"], "somebody is paying"


def test_of_a_network_the_platform_tells_or_it_cannot_be_told() -> None:
    line = Asking()
    line.tell("out", CHECK)
    assert line.tap("out") == ["trip-asked"]
    assert line.told(Travelled("square", line.ago(20))) == ["ticket-valid"]
    assert line.shown == "A valid ticket: came in at Station 1 11:40"
    line.tell("out", CHECK)
    line.tap("out")
    assert line.told(Travelled()) == ["ticket-none"]
    line.tell("out", CHECK)
    line.tap("out")
    assert line.silence() == ["ticket-unknown"]
    assert line.states["out"].looking is None
    assert {record.kind for record in line.journal} == {Kind.DECISION}
