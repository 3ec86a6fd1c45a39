"""Reconciliation and dead letters as an operator types them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.cose import Es256Signer
from agent.sync.contract import Channel
from offline_store.figures import UNRECORDED
from offline_store.record import Money, Record, Value
from tests.tools.platform.chains import Desk, batch_of, hello, make_chain
from tests.tools.platform.tills import LI, Bank, Till
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.reconcile import _counts, reconcile
from tools.platform.reconcile_command import yuan
from tools.platform.registrations import forbid
from tools.platform.service import Layout
from tools.platform.store import Store


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    Authority.init(Layout(tmp_path).keys)
    Store.open(Layout(tmp_path).database_url).close()
    return tmp_path


def invoke(directory: Path, *arguments: str) -> Result:
    return CliRunner(env={"ONECARD_LANG": "en"}).invoke(platform, [*arguments, "--dir", str(directory)])


def report(directory: Path, *arguments: str) -> tuple[int, Any]:
    done = invoke(directory, "reconcile", "--json", *arguments)
    return done.exit_code, json.loads(done.output)


def selling(amounts_fen: list[int]) -> list[Record]:
    """A chain of sales, two merchants in turn."""
    records = make_chain(1)
    for number, amount_fen in enumerate(amounts_fen):
        passage = make_chain(number + 2)[-1]
        money = Money(amount_fen, passage.entry.id, ("canteen", "kiosk")[number % 2], "20261126")
        records.append(replace(passage, entry=replace(passage.entry, money=money), prev_hash=records[-1].hash))
    return records


def bring(directory: Path, records: list[Record], last: int, bodies: list[bytes] | None = None) -> None:
    layout = Layout(directory)
    store = Store.open(layout.database_url)
    try:
        desk = Desk(store, Es256Signer(Authority.at(layout.keys).load_ack_key()))
        desk.hand(Channel.HELLO, hello(records))
        desk.hand(Channel.JOURNAL, batch_of(bodies or [record.to_bytes() for record in records[:last]], 1))
    finally:
        store.close()


def test_all_that_was_announced_is_here_and_sums_up(directory: Path) -> None:
    bring(directory, selling([500, 1_250, -500]), 4)
    exit_code, found = report(directory)
    assert (exit_code, found["open"]) == (0, False)
    assert found["behind"] == {"gate-1": 0}
    assert [(row["merchant"], row["records"], row["amount_fen"]) for row in found["takings"]] == [
        ("canteen", 2, 0), ("kiosk", 1, 1_250)
    ]  # fmt: skip
    assert "nothing is open" in invoke(directory, "reconcile").output


def test_what_a_full_disk_only_let_count_is_told_and_leaves_nothing_open(directory: Path) -> None:
    records = make_chain(1)
    said: list[dict[str, Value]] = [
        {"openings": 12, "figures": (("decision", "granted", 12, 5_000, 9_000),)},
        {"openings": 3, "figures": (("decision", "granted", 3, 2_000, 7_000), ("outcome",))},
        {"openings": "many"},
    ]
    for number, public in enumerate(said):
        passage = make_chain(number + 2)[-1]
        entry = replace(passage.entry, kind=UNRECORDED, lane="north-in", reason=None, public=public)
        records.append(replace(passage, entry=entry, prev_hash=records[-1].hash))
    bring(directory, records, 4)
    exit_code, found = report(directory)
    assert (exit_code, found["open"]) == (0, False)
    assert found["counted"] == [
        {"terminal": "gate-1", "lane": "north-in", "records": 2, "openings": 15, "first_ms": 2_000, "last_ms": 9_000}
    ]
    printed = invoke(directory, "reconcile").output
    assert "openings counted while its disk was full" in printed
    assert "1970-01-01T00:00:02+00:00" in printed
    alarms = json.loads(invoke(directory, "status", "--json").output)["alarms"]
    assert [(row["code"], row["times"]) for row in alarms] == [("unrecorded", 3)]


def test_questions_take_nothing_and_a_reversal_only_what_was_paid() -> None:
    paid: set[tuple[str, bytes]] = set()
    first, second = ("till-1", b"1" * 16), ("till-1", b"2" * 16)
    story = [("asked", first), ("payment", first), ("asked", second), ("reversal", second), ("reversal", first)]
    assert [_counts(kind, intent, paid) for kind, intent in story] == [False, True, False, False, True]


def test_what_a_rescued_journal_carries_over_is_taken_once(store: Store, signer: Es256Signer) -> None:
    bank = Bank(store, signer)
    till = Till(bank)
    till.greet()
    both, carried = till.ask(amount_fen=1_000), till.ask(amount_fen=300)
    till.carry(till.pay(both))
    lost = till.pay(carried)
    till.carry(lost)
    till.drop(lost)
    till.send()
    with store.transaction() as transaction:
        (takings,) = reconcile(transaction).takings
    assert (takings.records, takings.amount_fen) == (2, 1_300)
    assert bank.balance(LI) == -1_300
    till.reverse(carried)
    till.send()
    with store.transaction() as transaction:
        (takings,) = reconcile(transaction).takings
    assert takings.amount_fen == 1_000


def test_money_that_waits_for_a_person_is_open(directory: Path, signer: Es256Signer) -> None:
    store = Store.open(Layout(directory).database_url)
    bank = Bank(store, signer)
    till, stolen = Till(bank, registration=None), Till(bank, name="till-2", seed=2)
    for each in (till, stolen):
        each.greet()
    unallowed, sold = till.ask(), stolen.ask(amount_fen=800)
    till.pay(unallowed)
    stolen.pay(sold)
    for each in (till, stolen):
        each.send()
    with store.transaction() as transaction:
        forbid(transaction, stolen.name)
    stolen.reverse(sold)
    stolen.send()
    store.close()
    exit_code, found = report(directory)
    assert (exit_code, found["open"]) == (1, True)
    assert found["contested"] == [
        {"terminal": "till-1", "payments": 1, "amount_fen": 1_250, "returns": 0, "returned_fen": 0},
        {"terminal": "till-2", "payments": 0, "amount_fen": 0, "returns": 1, "returned_fen": 800},
    ]
    printed = invoke(directory, "reconcile").output
    assert "till-1: not captured before a person decides: 1 payment, 12.50 yuan (platform intents, " in printed
    assert "till-2: not given back before a person decides: 1 return, 8.00 yuan (platform returns " in printed
    assert report(directory, "--terminal", "till-2")[1]["contested"] == found["contested"][1:]


def test_what_has_not_come_is_open(directory: Path) -> None:
    bring(directory, selling([500, 500, 500]), 2)
    exit_code, found = report(directory, "--terminal", "gate-1")
    assert (exit_code, found["open"], found["behind"]) == (1, True, {"gate-1": 2})
    assert "2 records have not come yet" in invoke(directory, "reconcile").output


def test_a_chain_that_was_altered_in_the_database_is_found(directory: Path) -> None:
    records = selling([500, 700])
    bring(directory, records, 3)
    store = Store.open(Layout(directory).database_url)
    forged = replace(records[1], entry=replace(records[1].entry, reason="refused")).to_bytes()
    with store.transaction() as transaction:
        transaction.connection.exec_driver_sql("UPDATE record SET body = ? WHERE seq = 2", (forged,))
    store.close()
    exit_code, found = report(directory)
    assert (exit_code, found["chains"][0]["broken_at"]) == (1, 2)


def test_a_terminal_that_nobody_knows_is_a_sentence(directory: Path) -> None:
    done = invoke(directory, "reconcile", "--terminal", "gate-9")
    assert done.exit_code == 1
    assert "never heard of gate-9" in done.output


def test_dead_letters_are_listed_shown_and_tried_again(directory: Path) -> None:
    records = make_chain(3)
    bring(directory, records, 3, [records[0].to_bytes(), records[2].to_bytes()])
    listed = json.loads(invoke(directory, "dead-letters", "list", "--json").output)
    assert [(row["terminal"], row["reason"]) for row in listed] == [("gate-1", "chain-break")]
    letter_id = listed[0]["id"]
    assert "do not follow" in invoke(directory, "dead-letters", "list").output
    assert "gate-1: 1 dead letter (" in invoke(directory, "reconcile").output
    shown = invoke(directory, "dead-letters", "show", letter_id[:6])
    assert "content: {" in shown.output
    assert '1: "journal"' in shown.output
    assert "\\x" not in shown.output, "no representation of Python's"
    tried = invoke(directory, "dead-letters", "replay", "--all")
    assert (tried.exit_code, tried.output) == (1, "0 taken, 1 stay.\n")
    assert report(directory)[1]["dead_letters"] == {"gate-1": 1}
    for wrong in (["show", "ffff"], ["replay", "ffff"]):
        done = invoke(directory, "dead-letters", *wrong)
        assert done.exit_code == 1
        assert "No dead letter" in done.output or "There is no dead letter" in done.output
    assert invoke(directory, "dead-letters", "replay").exit_code == 2


def test_amounts_are_written_as_people_read_them() -> None:
    assert [yuan(amount) for amount in (0, 5, 1_250, -205)] == ["0.00", "0.05", "12.50", "-2.05"]
