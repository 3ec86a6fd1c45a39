"""Accounts and intents by hand, in the reader's language."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cose import Es256Signer
from tests.house.test_words import check
from tests.tools.platform.tills import LI, WANG, Bank, Till
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.evidence import Judge
from tools.platform.holds import UNPROVEN_CAP_FEN
from tools.platform.intents import State
from tools.platform.issuers import trust_in
from tools.platform.money_commands import CODES, FLAGS, STATES, yuan
from tools.platform.service import Layout
from tools.platform.store import Store

OWNER = f"city:{LI[1].hex()}"


def run(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(platform, [*arguments, "--dir", str(directory)])


def test_an_account_is_opened_by_paying_in_blocked_and_let_go(tmp_path: Path) -> None:
    for amount, balance in (("20", "20.00"), ("0.5", "20.50")):
        assert balance in run(tmp_path, "account", "pay-in", OWNER, amount).output
    assert run(tmp_path, "account", "block", OWNER).exit_code == 0
    (row,) = json.loads(run(tmp_path, "account", "list", "--json").output)
    assert row == {"owner": OWNER, "kind": "account", "balance_fen": 2050, "blocked": True}
    assert run(tmp_path, "account", "block", OWNER, "--undo").exit_code == 0
    assert "20.50" in run(tmp_path, "account", "list").output
    assert run(tmp_path, "account", "block", "city:" + "0" * 32).exit_code == 1


@pytest.mark.parametrize(
    "arguments", [("city", "1"), ("city:12", "1"), (OWNER, "1.234"), (OWNER, "-1"), (OWNER, "much"), (OWNER, "1e9")]
)
def test_what_is_no_account_or_amount_is_refused(tmp_path: Path, arguments: tuple[str, str]) -> None:
    refused = run(tmp_path, "account", "pay-in", "--", *arguments)
    assert refused.exit_code == 2
    assert "Traceback" not in refused.output


def test_the_intents_tell_what_became_of_each_payment_and_which_are_open(tmp_path: Path, signer: Es256Signer) -> None:
    bank = Bank(Store.open(Layout(tmp_path).database_url), signer)
    bank.now_ms = time.time_ns() // 1_000_000
    bank.pay_in(LI, 1000)
    till = Till(bank)
    till.greet()
    open_one, paid = till.ask(amount_fen=700), till.ask(WANG, 250)
    till.put(open_one.question)
    till.pay(paid)
    till.send()
    bank.store.close()
    (row,) = json.loads(run(tmp_path, "intents", "--open", "--json").output)
    assert (row["intent"], row["state"], row["amount_fen"]) == (open_one.intent_id.hex(), "held", 700)
    rows = json.loads(run(tmp_path, "intents", "--json").output)
    assert {row["state"] for row in rows} == {"held", "captured"}
    assert ["no-hold", "account-unknown", "arrears"] in [row["flags"] for row in rows]
    shown = run(tmp_path, "intents").output
    assert "2.50" in shown
    assert paid.intent_id.hex()[-8:] in shown
    assert f"account {OWNER}: {open_one.intent_id.hex()[-8:]}" in shown


def test_the_table_of_intents_says_why_one_was_declined_and_whose_it_is(tmp_path: Path, signer: Es256Signer) -> None:
    bank = Bank(Store.open(Layout(tmp_path).database_url), signer)
    bank.now_ms = time.time_ns() // 1_000_000
    assert "There are no payments yet" in run(tmp_path, "intents").output
    assert "There are no accounts yet" in run(tmp_path, "account", "list").output
    assert "No payment is open" in run(tmp_path, "intents", "--open").output
    till = Till(bank)
    till.greet()
    till.put(till.ask(LI, 250).question)
    bank.store.close()
    shown = run(tmp_path, "intents").output
    assert "no account" in shown
    assert f"account {OWNER}:" in shown


def test_a_person_decides_on_a_contested_payment_once(
    tmp_path: Path, signer: Es256Signer, authority: Authority
) -> None:
    judge = Judge(authority.load_sealing_key(), trust_in(authority.issuers))
    bank = Bank(Store.open(Layout(tmp_path).database_url), signer, judge)
    bank.pay_in(LI, 100)
    till = Till(bank)
    till.greet()
    kept, dropped = (till.ask(LI, UNPROVEN_CAP_FEN + number) for number in (1, 2))
    for payment in (kept, dropped):
        till.pay(payment)
    till.send()
    assert run(tmp_path, "decide", "", "--capture").exit_code == 1
    assert "captured: 500.01" in run(tmp_path, "decide", kept.intent_id.hex()[-8:], "--capture").output
    assert "dropped: 500.02" in run(tmp_path, "decide", dropped.intent_id.hex(), "--drop").output
    assert run(tmp_path, "decide", kept.intent_id.hex(), "--capture").exit_code == 1
    assert bank.balance(LI) == 100 - UNPROVEN_CAP_FEN - 1
    found = bank.intents()
    assert (found[kept.intent_id].state, found[dropped.intent_id].state) == (State.CAPTURED, State.RELEASED)
    assert found[kept.intent_id].flags == "no-hold,unproven,decided,arrears"
    till.reverse(kept)
    till.send()
    assert bank.balance(LI) == 100
    bank.store.close()


def test_states_and_flags_are_said_in_both_languages() -> None:
    assert STATES.keys() == set(State)
    for zh, en in (*STATES.values(), *FLAGS.values(), *CODES.values()):
        check(zh, en, en)


def test_amounts_are_shown_in_yuan() -> None:
    assert [yuan(fen) for fen in (0, 5, -5, -1250, 123456)] == ["0.00", "0.05", "-0.05", "-12.50", "1234.56"]


def test_a_pin_file_that_is_no_text_is_a_sentence(tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(b"\xff\xfe\x00")
    holder = ["subsidies", "holder", f"resident:{42:032x}", "Li", "4321", "--pin", str(noise)]
    refused = CliRunner().invoke(platform, [*holder, "--dir", str(tmp_path)])
    assert (refused.exit_code, type(refused.exception)) == (1, SystemExit), refused.output
    assert "4" in refused.output
    assert "12" in refused.output
