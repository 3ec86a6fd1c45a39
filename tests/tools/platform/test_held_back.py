"""What a forbidden terminal's journal gives back moves nothing before a person decides, and then once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cose import Es256Signer
from profiles.api import Kind
from profiles.return_numbers import return_number
from tests.tools.platform.test_returns import Counter, sold_by
from tests.tools.platform.tills import LI, REGISTRATION, Bank, Payment, Till
from tools.platform.commands import platform
from tools.platform.intents import State
from tools.platform.registrations import forbid
from tools.platform.returns import open_claims
from tools.platform.service import Layout
from tools.platform.store import Store


@pytest.fixture
def bank(tmp_path: Path, signer: Es256Signer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    monkeypatch.setenv("ONECARD_LANG", "en")
    with closing(Store.open(Layout(tmp_path).database_url)) as store:
        bank = Bank(store, signer)
        bank.pay_in(LI, 2_000)
        yield bank


def stolen(bank: Bank, terminal: str) -> None:
    with bank.store.transaction() as transaction:
        forbid(transaction, terminal)


def typed(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(platform, ["returns", *arguments, "--dir", str(tmp_path)])


def waiting(tmp_path: Path) -> list[str]:
    return [row["record"] for row in json.loads(typed(tmp_path, "contested", "--json").output)]


@pytest.fixture
def till(bank: Bank) -> Till:
    return Till(bank)


@pytest.fixture
def sale(till: Till) -> Payment:
    """Five yuan that Li paid while all was well; then the till is stolen."""
    sale = sold_by(till, funds={"account": 1_250})
    stolen(till.bank, till.name)
    return sale


def test_a_stolen_tills_refund_and_reversal_wait_for_a_person(bank: Bank, till: Till, sale: Payment) -> None:
    till.refund(sale, {"account": 50})
    till.reverse(sale)
    till.send()
    assert (bank.balance(LI), bank.alarms()) == (750, {"return-contested"})
    assert bank.intents()[sale.intent_id].state is State.CAPTURED


@pytest.mark.parametrize(("word", "after_fen"), [("--give", 2_000), ("--drop", 750)])
def test_a_person_decides_once_whichever_way_the_record_comes_again(
    bank: Bank, till: Till, sale: Payment, tmp_path: Path, word: str, after_fen: int
) -> None:
    till.reverse(sale)
    till.send()
    (record,) = waiting(tmp_path)
    assert "12.50" in typed(tmp_path, "contested").output
    assert typed(tmp_path, "decide", record[-8:]).exit_code == 2, "neither is taken for granted"
    assert typed(tmp_path, "decide", record[-8:], word).exit_code == 0
    assert typed(tmp_path, "decide", record[-8:], "--give").exit_code == 1
    assert (bank.balance(LI), waiting(tmp_path)) == (after_fen, [])
    bank.register(till.name, REGISTRATION)
    till.carry(bytes.fromhex(record))
    till.send()
    assert bank.balance(LI) == after_fen


def test_what_is_not_left_is_not_given_and_can_be_dropped(
    bank: Bank, till: Till, sale: Payment, tmp_path: Path
) -> None:
    till.refund(sale, {"account": 1_250})
    till.reverse(sale)
    till.send()
    refund, reversal = waiting(tmp_path)
    assert typed(tmp_path, "decide", reversal, "--give").exit_code == 0
    assert typed(tmp_path, "decide", refund, "--give").exit_code == 1
    assert waiting(tmp_path) == [refund]
    assert typed(tmp_path, "decide", refund, "--drop").exit_code == 0
    assert (bank.balance(LI), waiting(tmp_path)) == (2_000, [])


def test_what_a_stolen_till_had_claimed_of_anothers_sale_waits_too(bank: Bank, till: Till, tmp_path: Path) -> None:
    sale = sold_by(till)
    thief = Counter(bank, name="till-2", seed=2)
    thief.greet()
    claim = thief.claimed(return_number(sale.intent_id))
    stolen(bank, thief.name)
    thief.tell(Kind.REFUND, claim.return_id, dict(claim.funds))
    assert (bank.balance(LI), bank.alarms()) == (1_750, {"return-contested"})
    with bank.store.transaction() as transaction:
        assert len(open_claims(transaction)) == 1, "nobody else gives it back meanwhile"
    assert typed(tmp_path, "decide", *waiting(tmp_path), "--give").exit_code == 0
    assert bank.balance(LI) == 2_000


def test_what_an_honest_till_gives_back_goes_back_at_once(bank: Bank, till: Till, tmp_path: Path) -> None:
    sale = sold_by(till, funds={"account": 1_250})
    till.reverse(sale)
    till.send()
    assert (bank.balance(LI), waiting(tmp_path)) == (2_000, [])
