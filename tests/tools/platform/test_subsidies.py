"""What the platform tells of subsidies: to whom is there, by a code once or by a PIN, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cose import Es256Signer
from agent.credentials.evidence import CodeEvidence
from agent.private_answers import MAX_ROWS, ReplyKey, presence_of
from agent.signatures import Algorithm
from agent.sync.contract import Declined, Reply
from agent.sync.contract.questions import QuerySubsidies
from agent.sync.contract.questions import Subsidies as Sealed
from profiles import subsidies as asked
from profiles.purpose import Purpose
from profiles.subsidies import Subsidies, SubsidyPaid
from tests.tools.platform.chains import NOW_MS
from tests.tools.platform.test_evidence import row_file
from tests.tools.platform.test_questions import Asking
from tests.tools.platform.tills import LI, WANG, Bank, Till
from tools.city import Issuer, Phone
from tools.cli import code_files
from tools.platform import issuers, subsidies, subsidy_bounds
from tools.platform.ca import Authority
from tools.platform.evidence import Judge
from tools.platform.ledger import Owner
from tools.platform.registrations import Registration, allow, forbid
from tools.platform.store import Store, sqlite_url

PIN = "135790"
PAID = SubsidyPaid("耕地地力保护补贴", "20260618", 125_000)
CITY = Issuer.found(7, Algorithm.ES256, NOW_MS)
PHONE = Phone(CITY, CITY.grant(3, (), NOW_MS // 1000 - 3_600))
CARD = b"c" * 16


class Query(Asking):
    """Questions of one terminal about subsidies."""

    def ask(
        self, proof: asked.QuerySubsidies, medium: bytes | None, owner: Owner | None, nonce: bytes | None = None
    ) -> Reply:
        life, key = self.life(), ReplyKey()
        sealed = self._seal(presence_of(proof), nonce or life["nonce"])
        assert sealed is not None
        self.key, self.nonce = key, life["nonce"]
        question = QuerySubsidies(
            **life, kid=sealed[0], sealed=sealed[1], reply_key=key.public, medium=medium, subject=owner
        )
        self.sent = question.encode()
        return self.till.put(self.sent)

    def pin(self, digits: str, owner: Owner | None = LI) -> str | Subsidies:
        return self.said(self.ask(asked.QuerySubsidies(pin=digits), CARD, owner))

    def code(self, text: str, medium: bytes | None = PHONE.grant.token, owner: Owner = LI) -> str | Subsidies:
        evidence = CodeEvidence(text).encode()
        return self.said(self.ask(asked.QuerySubsidies(evidence=evidence), medium, owner))

    def said(self, reply: Reply) -> str | Subsidies:
        if isinstance(reply, Declined):
            return reply.code
        assert isinstance(reply, Sealed)
        return self.key.open(reply.sealed, self.till.name, self.nonce)


@pytest.fixture(params=["sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """SQLite, unless a test says that the database matters to it."""
    url = sqlite_url(tmp_path / "platform.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    opened = Store.open(url)
    yield opened
    opened.close()


@pytest.fixture
def query(store: Store, signer: Es256Signer, authority: Authority, tmp_path: Path) -> Query:
    row = tmp_path / "row.json"
    code_files.write(row, row_file(CITY))
    issuers.add(authority.issuers, row)
    bank = Bank(store, signer, Judge(authority.load_sealing_key(), issuers.trust_in(authority.issuers)))
    with store.transaction() as transaction:
        subsidies.set_holder(transaction, LI, "李小四", "4321", PIN)
        subsidies.set_holder(transaction, WANG, "王五", "8765", None)
        subsidies.add(transaction, LI, PAID)
    till = Till(bank, "subsidy-1")
    with store.transaction() as transaction:
        allow(transaction, till.name, Registration(subsidies=True))
    return Query(till, authority.load_sealing_key().public_key())


def test_a_right_pin_is_told_the_holders_own_subsidies_newest_first_and_how_many_more(query: Query) -> None:
    assert query.pin(PIN) == Subsidies("李小四", "4321", (PAID,), 0)
    with query.till.bank.store.transaction() as transaction:
        for day in range(1, MAX_ROWS + 3):
            subsidies.add(transaction, LI, SubsidyPaid("补贴", f"202601{day:02d}", day))
    told = query.pin(PIN)
    assert isinstance(told, Subsidies)
    assert (told.paid[0], len(told.paid), told.more) == (PAID, MAX_ROWS, 3)
    assert told.paid[1].date == f"202601{MAX_ROWS + 2:02d}"


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_wrong_pins_block_for_a_day_at_every_terminal_and_the_right_one_begins_anew(query: Query) -> None:
    for _ in range(subsidies.MAX_WRONG - 1):
        assert query.pin("000000") == "pin-wrong"
    assert isinstance(query.pin(PIN), Subsidies)
    for _ in range(subsidies.MAX_WRONG - 1):
        assert query.pin("000000") == "pin-wrong"
    assert "pin-blocked" not in query.till.bank.alarms()
    assert query.pin("000000") == "pin-blocked"
    assert "pin-blocked" in query.till.bank.alarms(), "five guesses at one card, wherever, are somebody's affair"
    query.till.bank.now_ms += 1
    assert query.pin(PIN) == "pin-blocked"
    query.till.bank.now_ms += subsidies.BLOCKED_MS
    assert isinstance(query.pin(PIN), Subsidies)


def test_a_terminal_that_guesses_over_many_cards_is_told_nothing_for_a_day_and_alarms(
    query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subsidy_bounds, "MAX_WRONG_A_DAY", 6)
    bank = query.till.bank
    others: list[Owner] = [("city", bytes([number]) * 16) for number in range(6)]
    with bank.store.transaction() as transaction:
        for owner in others:
            subsidies.set_holder(transaction, owner, "赵六", "1111", PIN)
    for owner in others:
        assert "pins-guessed" not in bank.alarms()
        assert query.pin("000000", owner) == "pin-wrong"
    assert "pins-guessed" in bank.alarms()
    assert query.pin(PIN) == "too-many"
    bank.now_ms += subsidy_bounds.MINUTE_MS
    assert query.pin(PIN) == "too-many"
    bank.now_ms += subsidy_bounds.DAY_MS
    assert isinstance(query.pin(PIN), Subsidies)


def test_questions_of_one_terminal_are_bounded_a_minute(query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsidy_bounds, "MAX_A_MINUTE", 2)
    assert [isinstance(query.pin(PIN), Subsidies) for _ in range(2)] == [True, True]
    assert query.pin(PIN) == query.code(PHONE.code(NOW_MS // 1000, Purpose.IDENTIFY)) == "too-many"
    query.till.bank.now_ms += subsidy_bounds.MINUTE_MS
    assert isinstance(query.pin(PIN), Subsidies)


def test_a_question_that_comes_twice_counts_one_wrong_pin_and_gets_the_same_reply(query: Query) -> None:
    for _ in range(2):
        assert query.pin("000000") == "pin-wrong"
        for _ in range(5):
            assert query.till.put(query.sent) == query.till.put(query.sent)
    assert query.pin("000000") == "pin-wrong"


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_a_code_proves_once_that_its_holder_is_there(query: Query) -> None:
    query.till.bank.card(LI, PHONE.grant.token)
    code = PHONE.code(NOW_MS // 1000, Purpose.IDENTIFY)
    assert query.code(code) == Subsidies("李小四", "4321", (PAID,), 0)
    assert query.code(code) == "not-proven"
    query.till.bank.now_ms += 5_000
    assert isinstance(query.code(PHONE.code(NOW_MS // 1000 + 5, Purpose.IDENTIFY)), Subsidies)


@pytest.mark.parametrize(
    "spoilt", ["old", "printed", "other-medium", "no-medium", "other-issuer", "other-namespace", "to-pay", "noise"]
)
def test_what_proves_nobody_is_told_nothing(query: Query, spoilt: str) -> None:
    shown_s = NOW_MS // 1000 - (3_600 if spoilt == "old" else 0)
    code, medium, owner = PHONE.code(shown_s, Purpose.IDENTIFY), PHONE.grant.token, LI
    match spoilt:
        case "printed":
            code = CITY.printed(PHONE.grant)
        case "to-pay":
            code = PHONE.code(shown_s, Purpose.PAY)
        case "other-medium":
            medium = CARD
        case "other-issuer":
            other = Issuer.found(8, Algorithm.ES256, NOW_MS)
            code = Phone(other, PHONE.grant).code(shown_s)
        case "other-namespace":
            owner = ("school", LI[1])
        case "noise":
            code = "CZ1:" + "A" * 200
    assert query.code(code, None if spoilt == "no-medium" else medium, owner) == "not-proven"


def test_who_has_no_pin_or_no_account_is_told_so(query: Query) -> None:
    assert query.pin(PIN, WANG) == "pin-unset"
    assert query.pin(PIN, ("city", b"?" * 16)) == "pin-unset"
    assert query.pin(PIN, None) == "not-proven"
    query.till.bank.card(("city", b"?" * 16), PHONE.grant.token)
    code = PHONE.code(NOW_MS // 1000, Purpose.IDENTIFY)
    assert query.code(code, owner=("city", b"?" * 16)) == "account-unknown"


def test_a_code_reads_nobody_elses_affairs_also_where_no_register_knows_it(query: Query) -> None:
    code = PHONE.code(NOW_MS // 1000, Purpose.IDENTIFY)
    assert query.code(code) == "not-proven", "that the code is Li's is the terminal's word alone"
    itself = (LI[0], PHONE.grant.token)
    with query.till.bank.store.transaction() as transaction:
        subsidies.set_holder(transaction, itself, "赵六", "1111", None)
    query.till.bank.now_ms += 5_000
    own = PHONE.code(NOW_MS // 1000 + 5, Purpose.IDENTIFY)
    assert query.code(own, owner=itself) == Subsidies("赵六", "1111", (), 0)


def test_a_terminal_that_is_there_for_something_else_is_told_nothing_and_counts_no_pin(query: Query) -> None:
    for registration in (Registration(merchants=frozenset({"canteen"})), None):
        with query.till.bank.store.transaction() as transaction:
            forbid(transaction, query.till.name)
            if registration is not None:
                allow(transaction, query.till.name, registration)
        assert query.pin("000000") == "terminal-not-registered"
    with query.till.bank.store.transaction() as transaction:
        (row, *_) = subsidies.holders(transaction)
        assert row.blocked_until_ms == 0


def test_what_was_sealed_for_another_question_is_unreadable(query: Query) -> None:
    reply = query.ask(asked.QuerySubsidies(pin=PIN), CARD, LI, nonce=b"x" * 16)
    assert query.said(reply) == "unreadable"


def test_a_point_that_is_none_gets_no_answer(query: Query) -> None:
    life = query.life()
    sealed = query._seal(presence_of(asked.QuerySubsidies(pin=PIN)), life["nonce"])
    assert sealed is not None
    question = QuerySubsidies(**life, kid=sealed[0], sealed=sealed[1], reply_key=b"\x04" * 65, medium=CARD, subject=LI)
    assert query.said(query.till.put(question.encode())) == "unreadable"


def test_neither_pin_nor_answer_lies_in_what_the_platform_keeps_of_replies(query: Query, store: Store) -> None:
    assert isinstance(query.pin(PIN), Subsidies)
    with store.transaction() as transaction:
        for table in ("given_reply", "subsidy_holder", "dead_letter"):
            rows = repr(transaction.connection.exec_driver_sql(f"select * from {table}").all())  # noqa: S608
            assert PIN not in rows
            assert PAID.name not in rows
