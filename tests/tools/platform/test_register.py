"""The platform's own register: a terminal that names another payer takes nothing from that person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
import zstandard
from click.testing import CliRunner, Result

from agent.bundles import table
from agent.bundles.people import CardRegister, MediumState
from agent.bundles.table import Table
from agent.cose import Es256Signer
from agent.sync.contract import Authorised, Balance, Declined, QueryBalance
from profiles.api import Kind
from tests.tools.platform.tills import LI, WANG, Bank, Till
from tests.tools.platform.verdicts import verdict_of
from tools import bundles
from tools.platform import register_draft
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.evidence import Judge, Verdict
from tools.platform.holds import Holds
from tools.platform.intents import State
from tools.platform.issuers import trust_in
from tools.platform.ledger import NOBODY
from tools.platform.register import Known, Register
from tools.platform.register_draft import bring_in, replace_all
from tools.platform.service import Layout
from tools.platform.store import Store

LIS, WANGS, NOBODYS = b"L" * 16, b"W" * 16, b"?" * 16
PRICE_FEN = 1250


@pytest.fixture
def bank(store: Store, signer: Es256Signer, authority: Authority) -> Bank:
    """Li and Wang have money, and a card each that the register knows."""
    bank = Bank(store, signer, Judge(authority.load_sealing_key(), trust_in(authority.issuers)))
    for owner in (LI, WANG):
        bank.pay_in(owner, 5_000)
    with store.transaction() as transaction:
        replace_all(transaction, "city", [Known(LIS, LI), Known(WANGS, WANG)], bank.now_ms - 1)
    return bank


def till_of(bank: Bank, medium: bytes | None) -> Till:
    till = Till(bank, medium=medium)
    till.greet()
    return till


def verdict(bank: Bank, record_id: bytes) -> Verdict | None:
    with bank.store.transaction() as transaction:
        return verdict_of(transaction, record_id)


def paid(bank: Bank, medium: bytes | None, named: tuple[str, bytes]) -> tuple[State, Verdict | None]:
    """What becomes of an offline payment in which a terminal names that person."""
    till = till_of(bank, medium)
    payment = till.ask(named, PRICE_FEN)
    record_id = till.pay(payment)
    till.send()
    return bank.intents()[payment.intent_id].state, verdict(bank, record_id)


def test_the_person_whom_the_register_knows_pays(bank: Bank) -> None:
    assert paid(bank, LIS, LI) == (State.CAPTURED, Verdict.NONE)
    assert bank.balance(LI) == 5_000 - PRICE_FEN


@pytest.mark.parametrize("medium", [WANGS, NOBODYS, None, LI[1]], ids=["anothers", "unknown", "untold", "pseudonym"])
def test_a_payment_that_names_another_person_is_contested_and_takes_nothing(bank: Bank, medium: bytes | None) -> None:
    assert paid(bank, medium, LI) == (State.CONTESTED, Verdict.WRONG_PERSON)
    assert bank.balance(LI) == bank.balance(WANG) == 5_000
    assert {"evidence-doubtful", "payment-contested"} <= bank.alarms()


@pytest.mark.parametrize(("medium", "payer"), [(WANGS, WANG), (NOBODYS, NOBODY)])
def test_whoever_decides_to_capture_it_takes_it_from_the_mediums_holder(
    bank: Bank, medium: bytes, payer: tuple[str, bytes]
) -> None:
    till = till_of(bank, medium)
    payment = till.ask(LI, PRICE_FEN)
    till.pay(payment)
    till.send()
    with bank.store.transaction() as transaction:
        assert Holds(transaction, till.name, bank.now_ms).decide(payment.intent_id, capture=True)
    assert bank.balance(LI) == 5_000
    assert bank.balance(payer) == (5_000 if payer == WANG else 0) - PRICE_FEN
    assert "wrong-person" in bank.intents()[payment.intent_id].flags


def test_no_hold_is_laid_on_another_persons_account(bank: Bank) -> None:
    till = till_of(bank, WANGS)
    reply = till.put(till.ask(LI).question)
    assert isinstance(reply, Declined)
    assert reply.code == "wrong-person"
    till.medium = LIS
    assert isinstance(till.put(till.ask(LI).question), Authorised)


@pytest.mark.parametrize("named", [("provisional", NOBODYS), ("city", NOBODYS), ("school", b"s" * 16)])
def test_a_stranger_who_is_its_own_person_pays_as_before(bank: Bank, named: tuple[str, bytes]) -> None:
    assert paid(bank, NOBODYS, named) == (State.CAPTURED, Verdict.NONE)


def test_a_terminal_with_an_older_register_takes_a_known_medium_for_a_strangers(bank: Bank) -> None:
    assert paid(bank, LIS, ("provisional", LIS)) == (State.CAPTURED, Verdict.NONE)
    assert bank.balance(LI) == 5_000


def test_without_a_register_the_person_is_the_terminals_word(bank: Bank) -> None:
    with bank.store.transaction() as transaction:
        replace_all(transaction, "city", [], bank.now_ms)
    assert paid(bank, WANGS, LI) == (State.CAPTURED, Verdict.NONE)


def test_a_medium_pays_nothing_from_when_it_was_lost(bank: Bank) -> None:
    with bank.store.transaction() as transaction:
        Register(transaction).end(LIS, MediumState.LOST, bank.now_ms + 100)
    before, after = till_of(bank, LIS), Till(bank, "till-2", seed=2, medium=LIS)
    after.greet()
    sold = before.ask(LI, PRICE_FEN)
    before.pay(sold)
    before.send()
    assert bank.intents()[sold.intent_id].state is State.CAPTURED
    bank.now_ms += 100
    stolen = after.ask(LI, PRICE_FEN)
    record_id = after.pay(stolen)
    after.send()
    assert bank.intents()[stolen.intent_id].state is State.CONTESTED
    assert verdict(bank, record_id) is Verdict.LOST
    reply = after.put(after.ask(LI).question)
    assert isinstance(reply, Declined)
    assert reply.code == "medium-lost"


def test_a_question_that_names_nobody_is_about_the_mediums_holder(bank: Bank) -> None:
    till = till_of(bank, LIS)
    life = {"asked_ms": bank.now_ms, "expires_ms": bank.now_ms + 1_000}

    def balance(nonce: bytes, subject: tuple[str, bytes] | None) -> object:
        question = QueryBalance.model_validate({**life, "nonce": nonce * 16, "medium": LIS, "subject": subject})
        return till.put(question.encode())

    for nonce, subject in ((b"1", None), (b"2", ("provisional", LIS)), (b"3", LI)):
        reply = balance(nonce, subject)
        assert isinstance(reply, Balance)
        assert reply.balance_fen == 5_000
    assert isinstance(balance(b"4", WANG), Declined)


def test_a_reversal_of_a_contested_payment_gives_nobody_anything(bank: Bank) -> None:
    till = till_of(bank, WANGS)
    payment = till.ask(LI, PRICE_FEN)
    till.pay(payment)
    till.record(Kind.REVERSAL, payment, -PRICE_FEN)
    till.send()
    assert bank.intents()[payment.intent_id].state is State.RELEASED
    assert bank.balance(LI) == bank.balance(WANG) == 5_000


# By hand --------------------------------------------------------------------------------------------------------------


def run(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(platform, ["register", *arguments, "--dir", str(directory)])


def rows_of(directory: Path) -> dict[str, tuple[str, str]]:
    listed = json.loads(run(directory, "list", "--json").output)
    return {row["medium"]: (row["owner"], row["state"]) for row in listed}


def write_rows(file: Path, rows: Sequence[tuple[bytes, bytes, str]]) -> Path:
    file.write_text("".join(f"{medium.hex()},{person.hex()},1,{state}\n" for medium, person, state in rows))
    return file


def test_what_is_imported_from_rows_is_published_as_the_bundle_that_terminals_read(tmp_path: Path) -> None:
    Authority.init(Layout(tmp_path).keys)
    rows = write_rows(tmp_path / "rows", [(LIS, LI[1], "in-use"), (WANGS, WANG[1], "lost")])
    assert run(tmp_path, "import", str(rows)).exit_code == 0
    assert run(tmp_path, "publish").exit_code == 0
    (latest,) = BundleStore(Layout(tmp_path).bundles).latest()
    assert (latest.name, latest.version) == ("register-city", 1)
    register = CardRegister(Table.open(bundles.read_full(latest.forms[0].path).content), lambda _bits: frozenset())
    (li,), (wang,) = register.holders(LIS), register.holders(WANGS)
    assert (li.subject.id, li.lost, wang.subject.id, wang.lost) == (LI[1], False, WANG[1], True)


def test_a_bundle_that_was_published_is_imported_as_it_was(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for place in (first, second):
        Authority.init(Layout(place).keys)
    assert run(first, "set", LIS.hex(), f"city:{LI[1].hex()}", "--entitlements", "5").exit_code == 0
    assert run(first, "lost", LIS.hex(), "--by", WANGS.hex()).exit_code == 0
    for version in (1, 2):
        assert str(version) in run(first, "publish").output
    (latest,) = BundleStore(Layout(first).bundles).latest()
    (full,) = [form for form in latest.forms if form.manifest.previous_version is None]
    assert run(second, "import", str(full.path)).exit_code == 0
    owner = f"city:{LI[1].hex()}"
    assert rows_of(second) == rows_of(first) == {LIS.hex(): (owner, "replaced"), WANGS.hex(): (owner, "in-use")}


def test_what_is_no_register_changes_nothing(tmp_path: Path) -> None:
    Authority.init(Layout(tmp_path).keys)
    assert run(tmp_path, "set", LIS.hex(), f"city:{LI[1].hex()}").exit_code == 0
    for content in (b"OCB1", b"OCB1" + b"\xff" * 40, b"abc,def,1,in-use\n"):
        (tmp_path / "wrong").write_bytes(content)
        refused = run(tmp_path, "import", str(tmp_path / "wrong"))
        assert refused.exit_code == 1
        assert len(refused.output.splitlines()) == 1
    assert run(tmp_path, "lost", WANGS.hex()).exit_code == 1
    assert rows_of(tmp_path).keys() == {LIS.hex()}


def test_a_loss_that_is_imported_again_is_as_old_as_it_was(store: Store) -> None:
    with store.transaction() as transaction:
        register = Register(transaction)
        lost = Known(LIS, LI, state=MediumState.LOST)
        replace_all(transaction, "city", [lost, Known(WANGS, WANG)], 10)
        replace_all(transaction, "city", [lost, Known(WANGS, WANG, state=MediumState.LOST)], 20)
        assert [(row.medium, row.since_ms) for row in register.rows()] == [(LIS, 10), (WANGS, 20)]
        register.put(replace(lost, state=MediumState.IN_USE), 30)
        assert register.objection(LIS, LI, 40) is None


# Ten million ----------------------------------------------------------------------------------------------------------


def known(number: int, state: MediumState = MediumState.IN_USE) -> Known:
    return Known(number.to_bytes(16, "big"), ("city", (number // 2).to_bytes(16, "big")), number % 7, state)


def test_an_import_that_broke_off_goes_on_where_it_stopped_and_counts_only_when_it_is_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register_draft, "PORTION", 3)
    rows = [known(number) for number in range(1, 11)]
    asked: list[int] = []

    def read(until: int) -> Iterator[Known]:
        for number, row in enumerate(rows, 1):
            asked.append(number)
            if number > until:
                raise InterruptedError
            yield row

    with store.transaction() as transaction:
        replace_all(transaction, "city", [known(90), known(1, MediumState.LOST)], 10)
    told: list[int] = []
    with pytest.raises(InterruptedError):
        bring_in(store, "city", b"file", read(7), 20, told.append)
    assert told == [3, 6]
    with store.transaction() as transaction:
        assert {row.medium for row in Register(transaction).rows()} == {known(90).medium, known(1).medium}
    assert bring_in(store, "city", b"file", read(10), 20, told.append) == 10
    assert told == [3, 6, 9, 10], "what was there was not put in again"
    with store.transaction() as transaction:
        assert [(row.medium, row.owner, row.entitlements) for row in Register(transaction).rows()] == [
            (row.medium, row.owner, row.entitlements) for row in rows
        ]


def test_another_file_begins_anew_and_of_a_medium_the_last_row_counts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register_draft, "PORTION", 2)
    with store.transaction() as transaction:
        draft = register_draft.Draft(transaction, "city")
        draft.begin(b"one")
        draft.add([known(1), known(2)], 2)
    with store.transaction() as transaction:
        assert register_draft.Draft(transaction, "city").known(b"one") == 2
    twice = [known(3), replace(known(3), entitlements=6), known(4), replace(known(4), state=MediumState.LOST)]
    assert bring_in(store, "city", b"two", twice, 5, lambda _rows: None) == 2
    with store.transaction() as transaction:
        found = [(row.medium, row.entitlements, row.state) for row in Register(transaction).rows()]
    assert found == [(known(3).medium, 6, MediumState.IN_USE), (known(4).medium, 4, MediumState.LOST)]


def test_a_draft_that_counts_already_serves_no_second_import_also_where_it_was_never_emptied(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register_draft, "PORTION", 2)
    rows = [known(number) for number in range(1, 6)]
    with store.transaction() as transaction:  # and here the power fails
        draft = register_draft.Draft(transaction, "city")
        draft.begin(b"file")
        draft.add(rows, 5)
        assert draft.adopt(1) == 5
    for source, kept in ((b"file", rows[:3]), (b"more", rows[1:])):
        assert bring_in(store, "city", source, kept, 2, lambda _rows: None) == len(kept)
        with store.transaction() as transaction:
            assert [row.medium for row in Register(transaction).rows()] == [row.medium for row in kept]
            assert transaction.connection.execute(sa.select(register_draft.draft_table)).all() == []


def test_a_published_register_and_its_delta_are_those_that_are_made_in_memory(tmp_path: Path) -> None:
    Authority.init(Layout(tmp_path).keys)
    versions = [[known(number) for number in range(1, 40)], [known(number) for number in range(5, 45, 2)]]
    versions[1][3] = replace(versions[1][3], state=MediumState.LOST)
    for rows in versions:
        lines = [(row.medium, row.owner[1], row.state.name.lower().replace("_", "-")) for row in rows]
        assert run(tmp_path, "import", str(write_rows(tmp_path / "rows", lines))).exit_code == 0
        assert run(tmp_path, "publish").exit_code == 0
    contents = [
        bundles.register_content("city", [(row.medium, row.owner[1], 1, row.state) for row in rows])
        for rows in versions
    ]
    (latest,) = BundleStore(Layout(tmp_path).bundles).latest()
    by_base = {form.manifest.previous_version: form for form in latest.forms}
    assert bundles.read_full(by_base[None].path).content == contents[1]
    delta = by_base[1].path.read_bytes()[-by_base[1].manifest.body_bytes :]
    old, new = (Table.open(content) for content in contents)
    plain = zstandard.ZstdDecompressor().decompress(delta)
    assert plain == table.delta(old, new)
    assert by_base[1].manifest.content_sha256 == hashlib.sha256(contents[1]).digest()
