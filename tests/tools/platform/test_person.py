"""What the platform keeps about one person is found by the pseudonym, whole, and nothing of anybody else's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from agent.cose import Es256Signer
from tests.tools.platform.tills import CARD, LI, STRANGER, WANG, Bank, Till
from tools.platform import loans
from tools.platform.commands import platform
from tools.platform.ledger import Owner
from tools.platform.person import kept_about
from tools.platform.pupils import guardian_table
from tools.platform.returns import return_table
from tools.platform.store import Store, metadata
from tools.platform.subsidies import subsidy_holder_table


@pytest.fixture
def bank(store: Store, signer: Es256Signer) -> Bank:
    bank = Bank(store, signer)
    for person in (LI, WANG):
        bank.pay_in(person, 5_000)
    return bank


@pytest.fixture
def till(bank: Bank) -> Till:
    till = Till(bank)
    till.greet()
    return till


def ids(store: Store, person: Owner) -> set[object]:
    with store.transaction() as transaction:
        return {row["id"] for row in kept_about(transaction, person).get("record", ())}


def test_the_records_of_a_person_are_found_in_the_journals_and_nobody_elses(till: Till, store: Store) -> None:
    mine, other = till.ask(LI), till.ask(WANG)
    paid = till.pay(mine)
    till.send()
    assert ids(store, LI) == {mine.asked_id, paid}
    assert ids(store, WANG) == {other.asked_id}
    assert ids(store, STRANGER) == set()


def test_a_record_that_names_the_card_alone_is_its_holders(till: Till, bank: Bank, store: Store) -> None:
    till.medium = CARD
    asked = till.ask(None).asked_id
    till.send()
    assert ids(store, LI) == set()
    bank.card(LI, CARD)
    assert ids(store, LI) == {asked}


def test_a_record_that_a_rescued_journal_carries_is_found_within(till: Till, store: Store) -> None:
    lost = till.ask(LI).asked_id
    till.carry(lost)
    till.drop(lost)
    till.send()
    assert ids(store, LI) == {lost}


def test_every_table_that_names_a_person_is_searched(till: Till, store: Store) -> None:
    till.pay(till.ask(LI))
    till.send()
    holder = {"namespace": LI[0], "subject": LI[1], "holder": "张小三", "account_end": "4321"}
    secret = {"salt": b"s" * 16, "pin": b"p" * 32, "wrong": 0, "blocked_until_ms": 0}
    ward = {"namespace": WANG[0], "subject": WANG[1], "guardian_namespace": LI[0], "guardian_subject": LI[1]}
    with store.transaction() as transaction:
        loans.add(transaction, "31415926", LI, 1, 30, 1)
        transaction.connection.execute(sa.insert(subsidy_holder_table).values(holder | secret))
        transaction.connection.execute(sa.insert(guardian_table).values(ward))
    with store.transaction() as transaction:
        kept = kept_about(transaction, LI)
    assert {"account", "ledger", "intent", "record", "loan", "subsidy_holder", "guardian"} <= kept.keys()
    assert kept["subsidy_holder"][0]["holder"] == "张小三"
    assert not {"salt", "pin"} & kept["subsidy_holder"][0].keys()


def test_who_paid_what_of_a_persons_payment_and_what_was_claimed_of_it_is_found(
    till: Till, bank: Bank, store: Store
) -> None:
    mine, other = (till.ask(owner, 500, {"subsidy": 400, "account": 100}) for owner in (LI, WANG))
    for payment in (mine, other):
        till.pay(payment)
    till.send()
    claim = {"terminal": "till-2", "return_id": b"r" * 16, "of_terminal": till.name, "of_intent": mine.intent_id}
    with store.transaction() as transaction:
        row = {**claim, "funds": "{}", "state": "open", "changed_ms": bank.now_ms}
        transaction.connection.execute(sa.insert(return_table).values(row))
    with store.transaction() as transaction:
        kept, others = kept_about(transaction, LI), kept_about(transaction, WANG)
    assert {row["fund"]: row["amount_fen"] for row in kept["intent_fund"]} == {"subsidy": 400, "account": 100}
    assert {row["intent_id"] for row in kept["intent_fund"]} == {mine.intent_id}
    assert [row["return_id"] for row in kept["sale_return"]] == [b"r" * 16]
    assert "sale_return" not in others


def test_no_table_has_a_persons_columns_under_other_names() -> None:
    subjects = {
        (table.name, column.name) for table in metadata.sorted_tables for column in table.c if "subject" in column.name
    }
    pairs = {(name, column) for name, column in subjects if column != "subject"}
    alone = {name for name, _ in subjects if "namespace" not in metadata.tables[name].c}
    assert pairs == {("guardian", "guardian_subject")}, "tools/platform/person.py should know it"
    assert alone == {"evidence"}, "tools/platform/person.py should know it"


def test_by_hand_it_is_counted_or_written_whole(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(platform, [*arguments, "--dir", str(tmp_path)])
        assert result.exit_code == 0, result.output
        return result.output

    who = f"city:{LI[1].hex()}"
    run("account", "pay-in", who, "20")
    assert "ledger" in run("person", who)
    kept = json.loads(run("person", who, "--json"))
    assert kept["account"][0]["balance_fen"] == 2_000
    assert kept["account"][0]["subject"] == LI[1].hex()
    nobody = f"city:{WANG[1].hex()}"
    assert json.loads(run("person", nobody, "--json")) == {}
    assert "account" not in run("person", nobody)
