"""Who was at school: by the records of all gates, by class and by day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.bundles.manifest import Kind
from agent.cose import Es256Signer
from profiles.pupil import Leave
from tests.tools.platform.schools import LI, MOTHER, ZHANG, ZHAO, Gate, at_ms, pupils
from tools.platform import pupils as enrolment
from tools.platform.attendance import Presence, PupilDay, attendance
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.ingest import Ingest
from tools.platform.notices import feed
from tools.platform.service import Layout
from tools.platform.store import Store, sqlite_url

FRIDAY = date(2026, 11, 27)
WEEKEND = Leave(at_ms("2026-11-27 16:30"), at_ms("2026-11-29 19:00"))


class School:
    """Two gates, and what the platform makes of them."""

    def __init__(self, store: Store, signer: Es256Signer) -> None:
        self.store = store
        ingest = Ingest(store, signer, lambda: at_ms("2026-12-01 22:00"))
        self.gate, self.other = Gate(ingest, "gate-north"), Gate(ingest, "gate-south")
        with store.transaction() as transaction:
            enrolment.replace_all(transaction, "roster-school", pupils(WEEKEND))

    def day(self, day: date = FRIDAY) -> dict[tuple[str, bytes], PupilDay]:
        self.gate.send()
        self.other.send()
        with self.store.transaction() as transaction:
            return {each.pupil: each for each in attendance(transaction, day).pupils}


@pytest.fixture
def school(tmp_path: Path, signer: Es256Signer) -> Iterator[School]:
    store = Store.open(sqlite_url(tmp_path / "school.db"))
    yield School(store, signer)
    store.close()


def test_who_came_who_came_late_and_who_did_not(school: School) -> None:
    school.gate.note(ZHANG, "came-in-late", "2026-11-27 08:12", minutes_late=12)
    day = school.day()
    assert (day[ZHANG].presence, day[ZHANG].minutes_late, day[ZHANG].came_ms) == (
        Presence.LATE, 12, at_ms("2026-11-27 08:12"),
    )  # fmt: skip
    assert day[LI].presence is Presence.ABSENT
    assert day[ZHAO].presence is Presence.PRESENT  # he lives there, and nobody saw him leave


def test_what_another_gate_saw_earlier_counts(school: School) -> None:
    school.gate.note(ZHANG, "came-in", "2026-11-27 07:50")
    school.gate.note(ZHANG, "went-out", "2026-11-27 11:30")
    school.other.note(ZHANG, "came-in-late", "2026-11-27 13:00", minutes_late=300)
    assert school.day()[ZHANG].presence is Presence.PRESENT


def test_a_day_ends_at_midnight_in_china(school: School) -> None:
    school.gate.note(ZHANG, "came-in", "2026-11-27 00:00")
    school.gate.note(LI, "came-in", "2026-11-28 00:00", lessons=False)
    day = school.day()
    assert (day[ZHANG].presence, day[LI].presence) == (Presence.PRESENT, Presence.ABSENT)


def test_nobody_is_absent_on_a_day_without_lessons_or_without_records(school: School) -> None:
    school.gate.note(ZHANG, "came-in", "2026-11-28 10:00", lessons=False)
    assert school.day(date(2026, 11, 28))[LI].presence is Presence.UNTOLD
    assert school.day(date(2026, 11, 26))[LI].presence is Presence.UNTOLD


@pytest.mark.parametrize(
    ("day", "presence"),
    [
        (FRIDAY, Presence.PRESENT),  # he left in the afternoon
        (date(2026, 11, 28), Presence.ON_LEAVE),
        (date(2026, 11, 29), Presence.ON_LEAVE),
        (date(2026, 11, 30), Presence.ABSENT),  # the permit is over, and he is not back
        (date(2026, 12, 1), Presence.LATE),
    ],
)
def test_a_boarder_is_there_until_he_leaves_and_away_until_he_is_back(
    school: School, day: date, presence: Presence
) -> None:
    school.gate.note(ZHAO, "went-on-leave", "2026-11-27 16:40", back_by_ms=WEEKEND.until_ms)
    school.gate.note(ZHANG, "came-in", "2026-11-30 07:50")
    school.gate.note(ZHAO, "came-back-late", "2026-12-01 07:00", minutes_late=2_160)
    assert school.day(day)[ZHAO].presence is presence


def test_a_day_pupil_with_a_permit_for_the_day_is_on_leave(school: School) -> None:
    with school.store.transaction() as transaction:
        ill = [each for each in pupils() if each.owner == LI]
        permit = Leave(at_ms("2026-11-27 00:00"), at_ms("2026-11-28 00:00"))
        on_leave = type(ill[0].pupil)(ill[0].pupil.consent, leaves=(permit,))
        changed = type(ill[0])(LI, "class-3-2", on_leave)
        enrolment.replace_all(transaction, "roster-school", [*pupils()[:1], changed])
    school.gate.note(ZHANG, "came-in", "2026-11-27 07:50")
    school.gate.note(ZHANG, "came-in", "2026-11-30 07:50")
    assert school.day()[LI].presence is Presence.ON_LEAVE
    assert school.day(date(2026, 11, 30))[LI].presence is Presence.ABSENT


# The commands --------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONECARD_LANG", "en")
    Authority.init(Layout(tmp_path / "platform").keys)
    return tmp_path / "platform"


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(platform, ["school", *arguments, "--dir", str(home)])


def line(who: tuple[str, bytes], **said: Any) -> str:
    pupil = {"unit": "class-3-2", "category": "pupil", "pupil": {"consent": "given"}}
    return json.dumps({"subject": who[1].hex()} | pupil | said)


def shown(who: tuple[str, bytes]) -> str:
    return f"{who[0]}:{who[1].hex()}"


def test_a_list_of_pupils_becomes_the_roster_of_the_terminals_and_the_figures_of_the_school(
    home: Path, signer: Es256Signer
) -> None:
    people = home / "people.jsonl"
    people.write_text("\n".join([line(ZHANG, name="张小三", guardians=[shown(MOTHER)]), line(LI)]), encoding="utf-8")
    told = run(home, "roster", str(people))
    assert told.output == "to be given out: roster-school 1, 2 people, 2 of them pupils\n"
    people.write_text(line(ZHANG, name="张小三", guardians=[shown(MOTHER)]), encoding="utf-8")
    assert "roster-school 2" in run(home, "roster", str(people)).output
    dates = home / "dates.yaml"
    dates.write_text('terms: [{from: "2026-09-01", to: "2027-01-22"}]', encoding="utf-8")
    assert run(home, "calendar", str(dates)).output == "to be given out: calendar-school 1\n"
    given = {each.name: each for each in BundleStore(Layout(home).bundles).latest()}
    assert given.keys() == {"roster-school", "calendar-school"}
    forms = sorted(form.manifest.previous_version or 0 for form in given["roster-school"].forms)
    assert forms == [0, 1]  # the full one, and the delta from the first
    assert {form.manifest.kind for form in given["calendar-school"].forms} == {Kind.CALENDAR}
    store = Store.open(Layout(home).database_url)
    gate = Gate(Ingest(store, signer, lambda: at_ms("2026-11-27 08:10")), "gate-north")
    gate.note(ZHANG, "came-in-late", "2026-11-27 08:09", minutes_late=9)
    gate.send()
    with store.transaction() as transaction:
        assert len(feed(transaction, MOTHER)) == 1
    store.close()
    figures = json.loads(run(home, "attendance", "--date", "2026-11-27", "--json").output)
    counted = {"present": 0, "late": 1, "absent": 0, "on_leave": 0, "untold": 0}
    assert figures == {
        "date": "2026-11-27", "lessons": True, "classes": [{"class": "class-3-2", "pupils": 1} | counted],
    }  # fmt: skip
    one = json.loads(run(home, "attendance", "--date", "2026-11-27", "--class", "class-3-2", "--json").output)
    assert [each["presence"] for each in one["pupils"]] == ["late"]
    (entry,) = json.loads(run(home, "feed", shown(MOTHER), "--json").output)
    assert (entry["number"], entry["reason"], entry["stale"]) == (1, "came-in-late", False)
    table = run(home, "feed", shown(MOTHER)).output
    assert "9 minutes late" in table
    assert "2026-11-27 08:09" in table
    assert json.loads(run(home, "feed", shown(MOTHER), "--after", "1", "--json").output) == []
    assert "name guardians" in run(home, "feed", shown(LI)).output


@pytest.mark.parametrize(
    ("people", "told"),
    [
        (line(ZHANG, guardians=["mother"]), "line 1, guardians.0: should be NAMESPACE:ID"),
        (line(ZHANG) + "\n" + line(ZHANG), "line 2: this person stands above already"),
        (line(ZHANG, guardians=[shown(MOTHER)] * 7), "guardians: takes at most 6"),
    ],
)
def test_a_list_that_cannot_be_changes_nothing(home: Path, people: str, told: str) -> None:
    file = home / "people.jsonl"
    file.write_text(people, encoding="utf-8")
    result = run(home, "roster", str(file))
    assert result.exit_code != 0
    assert told in result.output + str(result.exception)
    assert BundleStore(Layout(home).bundles).latest() == []


def test_of_a_day_without_records_the_report_says_so(home: Path) -> None:
    Store.open(Layout(home).database_url).close()
    assert "no gate has told anything yet" in run(home, "attendance", "--date", "2026-11-27").output
