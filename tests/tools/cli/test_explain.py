"""``onecard explain``: rule by rule, in either language, with the versions in force; or why it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.entries import RULES
from agent.records import CONTEXT
from offline_store.journal import Append, Journal
from offline_store.record import Entry, new_id
from profiles.api import Kind
from profiles.passage import PassageReason
from profiles.trace import OBJECTED, Rule
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock
from tools.cli.main import cli

CONFIGURATION = bytes.fromhex("0123456789abcdef")
ALL_HELD = bytes(rule.number for rule in (Rule.ASSURANCE, Rule.ADMISSION, Rule.SCHEDULE, Rule.LANE_FREE))


def record_id(number: int) -> bytes:
    return new_id(START_MS + number, number.to_bytes(10, "big"))


def entry(number: int, kind: str, reason: str | None = None, **fields: Any) -> Entry:
    place: dict[str, Any] = {} if reason is None else {"lane": "north-in", "profile": "gate"}
    return Entry(
        id=record_id(number),
        kind=kind,
        time_ms=START_MS + number,
        time_quality="synchronised",
        monotonic_ms=number,
        reason=reason,
        **place,
        **fields,
    )


def context(number: int, **public: Any) -> Entry:
    return entry(number, CONTEXT, public=public)


ENTRIES = (
    context(2, software="0.1.0", configuration=bytes(8), bundles={"trust": 1, "status-1": 5}),
    context(3, software="0.2.0", configuration=CONFIGURATION, bundles={"trust": 1}),
    context(4, bundles={"trust": 3}),
    entry(5, Kind.DECISION, "not-entitled", public={RULES: bytes([1, Rule.ADMISSION.number | OBJECTED])}),
    context(6, bundles={"trust": 4, "status-1": 9}),
    entry(7, Kind.DECISION, "granted", public={RULES: ALL_HELD}),
    entry(8, Kind.OUTCOME, PassageReason.PASSED.code, refers_to=record_id(7)),
    entry(9, Kind.DECISION, "code-stale"),
    entry(10, Kind.DECISION, "granted", public={RULES: bytes([Rule.PLATFORM.number | OBJECTED, 1, 63])}),
    entry(11, Kind.DECISION, "left-unpaid", public={RULES: bytes([1, Rule.LEASE.number | OBJECTED])}),
)
"""Record 1 is the genesis; each of these has the number that its id names."""


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    journal = Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    journal.append([Append(ENTRIES)])
    yield journal
    journal.close()


def run(directory: Path, wanted: str, *options: str, lang: str = "en") -> Result:
    arguments = ["explain", wanted, "--state-dir", str(directory), *options]
    return CliRunner().invoke(cli, arguments, env={"ONECARD_LANG": lang})


def facts(directory: Path, wanted: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(directory, wanted, "--json").stdout)
    return told


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("wanted", ["5", record_id(5).hex(), record_id(5)[-4:].hex()])
def test_a_refusal_is_explained_rule_by_rule_by_number_id_or_tap(wanted: str, tmp_path: Path) -> None:
    told = facts(tmp_path, wanted)
    assert (told["seq"], told["reason"], told["silence"]) == (5, "not-entitled", None)
    assert [(rule["rule"], rule["held"]) for rule in told["rules"]] == [("ASSURANCE", True), ("ADMISSION", False)]


@pytest.mark.usefixtures("journal")
def test_the_versions_are_those_in_force_then_since_the_last_start(tmp_path: Path) -> None:
    told = facts(tmp_path, "5")
    assert (told["software"], told["configuration"]) == ("0.2.0", CONFIGURATION.hex())
    assert told["bundles"] == {"trust": 3}
    assert told["versions_whole"] is True
    assert facts(tmp_path, "7")["bundles"] == {"status-1": 9, "trust": 4}


@pytest.mark.usefixtures("journal")
def test_it_speaks_english_or_chinese(tmp_path: Path) -> None:
    said = run(tmp_path, "5").stdout
    assert "✓ Is the credential's assurance enough for this place? yes" in said
    assert "✗ Is the holder entitled here? no" in said
    assert "trust: version 3" in said
    said = run(tmp_path, "5", lang="zh").stdout
    assert "✓ 凭证的可信等级达到此处的要求？ 是" in said
    assert "✗ 持有人有此处的权限？ 否" in said
    assert "trust：版本 3" in said


@pytest.mark.usefixtures("journal")
def test_an_outcome_is_explained_by_the_decision_that_it_names(tmp_path: Path) -> None:
    told = facts(tmp_path, "8")
    assert told["silence"] == "follows"
    assert (told["before"]["seq"], len(told["before"]["rules"])) == (7, 4)
    assert "the rules are those of the decision that it names" in run(tmp_path, "8").stdout


@pytest.mark.usefixtures("journal")
def test_what_was_no_credential_met_no_rules_and_says_so(tmp_path: Path) -> None:
    assert facts(tmp_path, "9")["silence"] == "no-credential"
    assert facts(tmp_path, "4")["silence"] == "no-decision"


@pytest.mark.usefixtures("journal")
def test_an_objection_that_was_let_pass_and_a_rule_of_another_version_are_told_as_what_they_are(tmp_path: Path) -> None:
    said = run(tmp_path, "10").stdout
    assert "~ Did the platform agree, and in time? no, and that alone refuses nobody" in said
    assert "rule 63, which this version does not know" in said


@pytest.mark.usefixtures("journal")
def test_the_last_rule_refused_nobody_where_the_person_passed(tmp_path: Path) -> None:
    assert "~ Does the platform's lease hold? no, and that alone refuses nobody" in run(tmp_path, "11").stdout
    assert "~ 平台的租约有效？ 否，但不因此拒绝" in run(tmp_path, "11", lang="zh").stdout
    assert [rule["refused"] for rule in facts(tmp_path, "11")["rules"]] == [False, False]
    assert [rule["refused"] for rule in facts(tmp_path, "5")["rules"]] == [False, True]


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("12", "holds no such record"),
        (record_id(99).hex(), "holds no such record"),
        ("00000063", "holds no such record"),
        ("north", "32 hex digits"),
        ("abcdef", "32 hex digits"),
        ("٣", "32 hex digits"),
        ("", "32 hex digits"),
    ],
)
def test_what_is_not_there_is_said(wanted: str, told: str, tmp_path: Path) -> None:
    done = run(tmp_path, wanted)
    assert done.exit_code == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_record_that_left_the_disk_is_told_from_one_that_never_was(journal: Journal, tmp_path: Path) -> None:
    journal.acknowledge(journal.head.chain_id, journal.head.seq, journal.head.hash)
    assert journal.prune(START_MS + 6) > 0
    for wanted in ("5", record_id(5).hex()):
        assert "older than all that this terminal still holds" in run(tmp_path, wanted).stderr
    for wanted in ("0", record_id(50).hex()):
        assert "holds no such record" in run(tmp_path, wanted).stderr
    told = facts(tmp_path, "7")
    assert (told["software"], told["versions_whole"]) == (None, False)
    assert told["bundles"] == {"status-1": 9, "trust": 4}
    assert "not known any more" in run(tmp_path, "7").stdout
    assert journal.prune(START_MS + 8) > 0
    assert "is not on this terminal any more" in run(tmp_path, "8").stdout


def test_two_records_with_one_tail_are_not_mixed_up(journal: Journal, tmp_path: Path) -> None:
    twin = new_id(START_MS + 20, (1 << 40 | 5).to_bytes(10, "big"))
    journal.append([Append((Entry(twin, Kind.DECISION.value, START_MS, "synchronised", 20),))])
    assert "more than one record" in run(tmp_path, record_id(5)[-4:].hex()).stderr
