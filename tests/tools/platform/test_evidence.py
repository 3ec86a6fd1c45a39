"""Evidence: what a terminal sealed, the platform opens and judges; what it invented is found out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cose import Es256Signer, VerifyKey, keyring
from agent.credentials.evidence import CodeEvidence
from agent.day_keys import DayKeys
from agent.keys import Role
from agent.signatures import Algorithm
from agent.sync.contract import JournalBatch
from offline_store.journal import Append, Journal
from offline_store.outbox import Outbox
from offline_store.record import CARRIED, Entry, Money, Record, new_id
from offline_store.rescue import heal
from profiles.purpose import Purpose
from tests.agent.seeded import SeededRandom
from tests.offline_store.parts import BOOT_ID, START_MS, SteppingClock, spoil
from tests.tools.platform import tills
from tests.tools.platform.chains import NOW_MS
from tests.tools.platform.tills import Bank
from tests.tools.platform.verdicts import verdict_of
from tools.city import Issuer, Phone
from tools.cli import code_files
from tools.platform import issuers
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.evidence import Judge, Verdict, counts
from tools.platform.ingest import Ingest
from tools.platform.intents import State
from tools.platform.register import Known, Register
from tools.platform.registrations import Registration
from tools.platform.rotation import rotate
from tools.platform.service import Layout
from tools.platform.store import Store

TERMINAL = "till-1"
CITY = Issuer.found(1, Algorithm.ES256, START_MS)
PHONE = Phone(CITY, CITY.grant(5, (), START_MS // 1000))
SHOWN_S = START_MS // 1000 + 10


@dataclass
class Till:
    """A terminal's journal, and the platform that takes it."""

    journal: Journal
    store: Store
    ingest: Ingest
    random: SeededRandom

    def sale(
        self, text: str | None, *, medium: bytes = PHONE.grant.token, at_ms: int = START_MS + 12_000, paid: bool = True,
        refers_to: bytes | None = None, subject: tuple[str, bytes] | None = None, kind: str = "decision",
    ) -> bytes:  # fmt: skip
        """One record; its id."""
        record_id = new_id(at_ms, self.random.token(10))
        money = Money(500, self.random.token(16), "canteen", "20260101") if paid else None
        entry = Entry(
            id=record_id,
            kind=kind,
            time_ms=at_ms,
            time_quality="synchronised",
            monotonic_ms=1,
            medium=medium,
            subject=subject,
            refers_to=refers_to,
            money=money,
            secret=None if text is None else CodeEvidence(text).encode(),
        )
        self.journal.append([Append((entry,))])
        return record_id

    def bodies(self) -> list[bytes]:
        outbox = Outbox.open(self.journal.directory)
        try:
            return outbox.batch(0, 1_000, 1 << 20)
        finally:
            outbox.close()

    def bring(self, bodies: list[bytes] | None = None) -> None:
        batch = JournalBatch(chain_id=self.journal.head.chain_id, first_seq=1, records=tuple(bodies or self.bodies()))
        self.ingest.bring(TERMINAL, batch.encode())

    def verdict(self, record_id: bytes) -> Verdict | None:
        with self.store.transaction() as transaction:
            return verdict_of(transaction, record_id)

    def alarms(self) -> dict[str, int]:
        with self.store.transaction() as transaction:
            return {row.code: row.times for row in transaction.alarms()}


@pytest.fixture
def till(tmp_path: Path, authority: Authority, store: Store, signer: Es256Signer) -> Iterator[Till]:
    row = tmp_path / "row.json"
    code_files.write(row, row_file(CITY))
    issuers.add(authority.issuers, row)
    random = SeededRandom(3)
    private = authority.load_sealing_key()
    ring = keyring([VerifyKey.of(private.public_key())])
    journal = Journal.open(tmp_path / "till", BOOT_ID, clock=SteppingClock(), random=random)
    journal.seal_with(DayKeys(TERMINAL, lambda: ring, lambda: new_id(START_MS, random.token(10)), random))
    judge = Judge(private, issuers.trust_in(authority.issuers))
    yield Till(journal, store, Ingest(store, signer, lambda: NOW_MS, judge=judge), random)
    journal.close()


def row_file(issuer: Issuer) -> code_files.RowFile:
    row = issuer.row
    return code_files.RowFile(
        algorithm=row.key.algorithm,
        public=row.key.encoded,
        **{name: getattr(row, name) for name in code_files.RowFile.model_fields if name not in ("algorithm", "public")},
    )


def test_a_showing_that_a_phone_signed_is_proven(till: Till) -> None:
    sale = till.sale(PHONE.code(SHOWN_S))
    till.bring()
    assert till.verdict(sale) is Verdict.PROVEN
    assert till.alarms() == {}


def test_what_was_sealed_before_the_platforms_key_was_changed_is_read_as_what_is_sealed_since(
    till: Till, authority: Authority, store: Store, signer: Es256Signer, tmp_path: Path
) -> None:
    before = till.sale(PHONE.code(SHOWN_S))
    rotate(BundleStore(tmp_path / "bundles"), authority, Role.SEALING, NOW_MS)
    ring, random = keyring([VerifyKey.of(authority.load_sealing_key().public_key())]), SeededRandom(4)
    till.journal.seal_with(DayKeys(TERMINAL, lambda: ring, lambda: new_id(START_MS, random.token(10)), random))
    since = till.sale(PHONE.code(SHOWN_S + 1))
    trust = issuers.trust_in(authority.issuers)
    judge = Judge(authority.load_sealing_key(), trust, authority.load_former_sealing_keys())
    till.ingest = Ingest(store, signer, lambda: NOW_MS, judge=judge)
    till.bring()
    assert [till.verdict(sale) for sale in (before, since)] == [Verdict.PROVEN, Verdict.PROVEN]


def test_a_record_that_refers_to_a_presentation_has_its_evidence(till: Till) -> None:
    shown = till.sale(PHONE.code(SHOWN_S), paid=False)
    paid = till.sale(None, refers_to=shown)
    till.bring()
    assert till.verdict(paid) is Verdict.PROVEN


def test_every_loan_of_a_session_has_the_evidence_that_opened_it_and_an_invented_one_has_not(till: Till) -> None:
    session = till.sale(PHONE.code(SHOWN_S), paid=False)
    loans = [till.sale(None, refers_to=session, paid=False, kind="loan") for _ in range(2)]
    foreign = till.sale(None, refers_to=session, paid=False, kind="loan", medium=b"v" * 16)
    alone = till.sale(None, paid=False, kind="loan")
    till.bring()
    assert [till.verdict(loan) for loan in (*loans, foreign, alone)] == [
        Verdict.PROVEN,
        Verdict.PROVEN,
        Verdict.FORGED,
        Verdict.NONE,
    ]
    assert till.alarms() == {"evidence-doubtful": 1}


def test_a_code_proves_nobody_of_another_issuers_namespace(till: Till) -> None:
    own = till.sale(PHONE.code(SHOWN_S), subject=(CITY.row.namespace, PHONE.grant.token))
    foreign = till.sale(PHONE.code(SHOWN_S + 1), subject=("school", b"v" * 16))
    till.bring()
    assert [till.verdict(sale) for sale in (own, foreign)] == [Verdict.PROVEN, Verdict.FORGED]


def test_a_genuine_code_pays_for_nobody_but_its_holder(till: Till) -> None:
    holder, victim = ((CITY.row.namespace, person * 16) for person in (b"h", b"v"))
    with till.store.transaction() as transaction:
        Register(transaction).put(Known(PHONE.grant.token, holder), 0)
        Register(transaction).put(Known(bytes(16), victim), 0)
    named = [till.sale(PHONE.code(SHOWN_S + at), subject=whom) for at, whom in enumerate((holder, victim))]
    till.bring()
    assert [till.verdict(sale) for sale in named] == [Verdict.PROVEN, Verdict.WRONG_PERSON]
    assert till.alarms()["evidence-doubtful"] == 1


def test_one_showing_proves_one_payment_of_the_one_who_showed_it(till: Till) -> None:
    shown = till.sale(PHONE.code(SHOWN_S), paid=False)
    own, second = till.sale(None, refers_to=shown), till.sale(None, refers_to=shown)
    anothers = till.sale(None, refers_to=shown, medium=bytes(16))
    till.bring()
    assert [till.verdict(sale) for sale in (own, second, anothers)] == [
        Verdict.PROVEN, Verdict.REUSED, Verdict.FORGED
    ]  # fmt: skip
    assert till.alarms() == {"evidence-doubtful": 2}


@pytest.mark.parametrize("purpose", [Purpose.PASS, Purpose.BORROW, Purpose.IDENTIFY])
def test_whoever_opened_a_gate_or_borrowed_a_book_has_paid_nobody(till: Till, purpose: Purpose) -> None:
    code = PHONE.code(SHOWN_S, purpose)
    opened = till.sale(code, paid=False)
    through = till.sale(None, refers_to=opened)
    sale = till.sale(PHONE.code(SHOWN_S + 1, purpose))
    paid = till.sale(PHONE.code(SHOWN_S + 2, Purpose.PAY))
    till.bring()
    verdicts = [till.verdict(each) for each in (opened, through, sale, paid)]
    assert verdicts == [Verdict.PROVEN, Verdict.MISUSED, Verdict.MISUSED, Verdict.PROVEN]


def test_what_an_issuer_may_not_let_pay_pays_nothing_also_where_it_is_printed(
    till: Till, authority: Authority, tmp_path: Path
) -> None:
    founded = Issuer.found(3, Algorithm.ES256, START_MS)
    library = Issuer(founded.key, replace(founded.row, purposes=frozenset({Purpose.BORROW})))
    code_files.write(tmp_path / "library.json", row_file(library))
    issuers.add(authority.issuers, tmp_path / "library.json")
    phone = Phone(library, library.grant(5, (), START_MS // 1000))
    sales = [till.sale(code, medium=phone.grant.token) for code in (phone.code(SHOWN_S), library.printed(phone.grant))]
    till.bring()
    assert [till.verdict(each) for each in sales] == [Verdict.MISUSED, Verdict.MISUSED]


def test_a_printed_code_and_a_card_are_told_apart_from_a_phone(till: Till) -> None:
    printed = till.sale(CITY.printed(PHONE.grant))
    card = till.sale(None)
    passage = till.sale(None, paid=False)
    till.bring()
    assert [till.verdict(sale) for sale in (printed, card, passage)] == [Verdict.STATIC, Verdict.NONE, None]
    assert till.alarms() == {}


def other_digit(text: str) -> str:
    return text[:-2] + ("0" if text[-2] != "0" else "1") + text[-1]


def test_what_a_stolen_terminal_invents_is_found_out(till: Till) -> None:
    code, other = PHONE.code(SHOWN_S), Phone(CITY, CITY.grant(6, (), START_MS // 1000))
    genuine = till.sale(code)
    again = till.sale(code)
    another = till.sale(other.code(SHOWN_S))
    old = till.sale(PHONE.code(SHOWN_S - 3_600))
    forged = till.sale(other_digit(PHONE.code(SHOWN_S + 1)))
    strangers = till.sale(Phone(Issuer.found(9, Algorithm.ES256, START_MS), PHONE.grant).code(SHOWN_S))
    till.bring()
    verdicts = [till.verdict(sale) for sale in (genuine, again, another, old, forged, strangers)]
    assert verdicts == [
        Verdict.PROVEN, Verdict.REUSED, Verdict.FORGED, Verdict.STALE, Verdict.FORGED, Verdict.UNJUDGED
    ]  # fmt: skip
    assert till.alarms() == {"evidence-doubtful": 4}


def test_a_field_that_was_moved_to_another_record_is_unreadable(till: Till) -> None:
    till.sale(PHONE.code(SHOWN_S))
    records = [Record.from_bytes(body) for body in till.bodies()]
    moved = replace(records[-1], entry=replace(records[-1].entry, id=new_id(START_MS, bytes(10))))
    till.bring([*(record.to_bytes() for record in records[:-1]), moved.to_bytes()])
    assert till.verdict(moved.entry.id) is Verdict.UNREADABLE


def test_a_key_that_was_never_handed_over_opens_nothing(till: Till, authority: Authority) -> None:
    stranger = keyring([VerifyKey.of(authority.load_ack_key().public_key())])
    till.journal.seal_with(DayKeys(TERMINAL, lambda: stranger, lambda: new_id(START_MS, bytes(10)), till.random))
    sale = till.sale(PHONE.code(SHOWN_S))
    till.bring()
    assert till.verdict(sale) is Verdict.UNREADABLE


def test_what_a_rescued_journal_carries_is_judged_once_and_as_itself(till: Till) -> None:
    lost, sale = till.sale(None), till.sale(PHONE.code(SHOWN_S))
    spoil(till.journal.directory, ("UPDATE record SET body = x'00' WHERE id = ?", (lost,)))
    heal(till.journal)
    till.bring()
    assert till.verdict(sale) is Verdict.PROVEN
    assert till.verdict(lost) is None


@pytest.mark.parametrize("forged", ["another sum of another person", "another terminal's"])
def test_no_carried_record_borrows_the_evidence_of_the_one_whose_id_it_bears(
    till: Till, authority: Authority, signer: Es256Signer, forged: str
) -> None:
    """A stolen terminal writes into a carried record what it likes: an id that it saw, with what was never shown."""
    sale = till.sale(PHONE.code(SHOWN_S), kind="payment", subject=("city", b"l" * 16))
    till.bring()
    genuine = next(record for record in map(Record.from_bytes, till.bodies()) if record.entry.id == sale)
    assert (till.verdict(sale), genuine.entry.money is not None) == (Verdict.PROVEN, True)
    victim, name = ("city", b"l" * 16), "till-2"
    if forged != "another terminal's":
        victim, name = ("city", b"v" * 16), TERMINAL
        money = Money(900_000, b"i" * 16, "canteen", "20260101")
        genuine = replace(genuine, entry=replace(genuine.entry, subject=victim, money=money))
    bank = Bank(till.store, signer, Judge(authority.load_sealing_key(), issuers.trust_in(authority.issuers)))
    thief = tills.Till(bank, name, seed=9, registration=Registration(merchants=frozenset({"canteen"})))
    thief.greet()
    bank.pay_in(victim, 1_000_000)
    thief.append(
        Entry(
            id=new_id(NOW_MS, b"c" * 10), kind=CARRIED, time_ms=NOW_MS, time_quality="synchronised", monotonic_ms=1,
            public={"record": genuine.to_bytes()},
        )
    )  # fmt: skip
    thief.send()
    assert bank.balance(victim) == 1_000_000
    assert {each.state for each in bank.intents().values()} == {State.CONTESTED}
    assert till.alarms()["evidence-doubtful"] == 1


def test_a_batch_that_comes_twice_is_judged_once(till: Till) -> None:
    sale = till.sale(PHONE.code(SHOWN_S))
    till.bring()
    till.bring()
    assert till.verdict(sale) is Verdict.PROVEN
    with till.store.transaction() as transaction:
        assert counts(transaction) == {(TERMINAL, Verdict.PROVEN): 1}


def test_the_operator_adds_issuers_and_sees_what_evidence_there_is(tmp_path: Path) -> None:
    directory = tmp_path / "platform"
    layout = Layout(directory)
    Authority.init(layout.keys)
    Store.open(layout.database_url).close()
    code_files.write(tmp_path / "row.json", row_file(CITY))
    for arguments in (
        ["issuer", "add", str(tmp_path / "row.json")],
        ["issuer", "list", "--json"],
        ["evidence", "--json"],
    ):
        done = CliRunner().invoke(platform, [*arguments, "--dir", str(directory)])
        assert done.exit_code == 0, done.output
        if arguments[1] == "list":
            assert json.loads(done.output) == [{"issuer": 1, "kid": 1, "namespace": "city", "algorithm": "es256"}]
    assert json.loads(done.output) == []
    (tmp_path / "bad.json").write_text("{}")
    refused = CliRunner().invoke(platform, ["issuer", "add", str(tmp_path / "bad.json"), "--dir", str(directory)])
    assert refused.exit_code == 1
    assert "Traceback" not in refused.output
