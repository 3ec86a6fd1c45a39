"""A till's chain, its questions, and the platform before it: every message as it crosses the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.cose import Es256Signer, VerifyKey
from agent.sync.contract import Ack, Address, Authorise, Channel, Reply, open_answer, open_reply
from offline_store.record import CARRIED, Entry, Money, Record, new_id
from profiles.api import Kind
from profiles.rules.funds import AccountKind
from tests.agent.seeded import SeededRandom
from tests.tools.platform.chains import BOOT, NOW_MS, batch, hello, make_chain
from tools.platform.evidence import Judge
from tools.platform.ingest import Ingest
from tools.platform.intents import Intent, intents
from tools.platform.ledger import Owner, account_table, enter
from tools.platform.register import Known, Register
from tools.platform.registrations import Registration, allow
from tools.platform.store import Store

LI: Owner = ("city", b"l" * 16)
WANG: Owner = ("city", b"w" * 16)
STRANGER: Owner = ("site", b"x" * 16)
ASKED_FOR_MS = 2_000
MERCHANT = "canteen-1"
REGISTRATION = Registration(
    merchants=frozenset({MERCHANT}),
    funds=frozenset({"subsidy", "employer", "city"}),
    accounts=frozenset(kind.value for kind in AccountKind),
    balances_by_card=True,
)
"""What each till here is registered for."""
CARD = b"c" * 16
"""Li's, where a test registers it."""
DATE = "20270115"


class Bank:
    """The platform's database and ingest, whose clock the test moves."""

    def __init__(self, store: Store, signer: Es256Signer, judge: Judge | None = None) -> None:
        self.now_ms = NOW_MS
        self._signer = signer
        self._judge = judge
        self.keys = {signer.kid: VerifyKey.of(signer.key.public_key())}
        self.use(store)

    def use(self, store: Store) -> None:
        """Go on with this database, as after a restart."""
        self.store = store
        self.ingest = Ingest(store, self._signer, lambda: self.now_ms, judge=self._judge)

    def register(self, terminal: str, registration: Registration) -> None:
        with self.store.transaction() as transaction:
            allow(transaction, terminal, registration)

    def pay_in(self, owner: Owner, amount_fen: int) -> None:
        with self.store.transaction() as transaction:
            enter(transaction, owner, amount_fen, self.now_ms)

    def card(self, owner: Owner = LI, medium: bytes = CARD) -> None:
        """The register knows whose this card is."""
        with self.store.transaction() as transaction:
            Register(transaction).put(Known(medium, owner), self.now_ms)

    def balance(self, owner: Owner) -> int:
        return self.balances()[owner]

    def balances(self) -> dict[Owner, int]:
        with self.store.transaction() as transaction:
            rows = transaction.connection.execute(account_table.select()).all()
        return {(row.namespace, row.subject): row.balance_fen for row in rows}

    def intents(self, *, only_open: bool = False) -> dict[bytes, Intent]:
        with self.store.transaction() as transaction:
            return {each.intent_id: each for each in intents(transaction, self.now_ms, only_open=only_open)}

    def alarms(self) -> set[str]:
        with self.store.transaction() as transaction:
            return {row.code for row in transaction.alarms()}


@dataclass
class Payment:
    """One intent as its till knows it."""

    owner: Owner | None
    amount_fen: int
    intent_id: bytes
    question: bytes
    asked_id: bytes
    funds: Mapping[str, int] = field(default_factory=dict)
    account: str | None = None
    date: str = DATE


@dataclass
class Till:
    """One terminal: a chain that grows, and messages handed to the platform."""

    bank: Bank
    name: str = "till-1"
    seed: int = 1
    patience_ms: int = ASKED_FOR_MS
    medium: bytes | None = None
    """Of whoever pays."""
    registration: Registration | None = REGISTRATION
    records: list[Record] = field(init=False)

    def __post_init__(self) -> None:
        if self.registration is not None:
            self.bank.register(self.name, self.registration)
        self.random = SeededRandom(self.seed)
        self.chain_id = self.random.token(16)
        self.records = make_chain(1, chain_id=self.chain_id, seed=self.seed)

    def ask(
        self,
        owner: Owner | None = LI,
        amount_fen: int = 1250,
        funds: Mapping[str, int] | None = None,
        *,
        accounts: Mapping[str, int] | None = None,
        account: str | None = None,
        date: str = DATE,
    ) -> Payment:
        """Record the intent; the question is in the returned payment and goes nowhere by itself."""
        intent_id = self._id()
        question = Authorise(
            nonce=self.random.token(16),
            asked_ms=self.bank.now_ms,
            expires_ms=self.bank.now_ms + self.patience_ms,
            intent_id=intent_id,
            amount_fen=amount_fen,
            merchant=MERCHANT,
            business_date=date,
            medium=self.medium,
            subject=owner,
            account=account,
            funds=tuple((funds or {}).items()) or None,
            accounts=tuple((accounts or {}).items()) or None,
        ).encode()
        payment = Payment(owner, amount_fen, intent_id, question, b"", funds or {}, account, date)
        payment.asked_id = self.record(Kind.ASKED, payment, amount_fen, refers_to=None)
        return payment

    def pay(self, payment: Payment, amount_fen: int | None = None) -> bytes:
        return self.record(Kind.PAYMENT, payment, payment.amount_fen if amount_fen is None else amount_fen)

    def reverse(self, payment: Payment) -> bytes:
        return self.record(Kind.REVERSAL, payment, -payment.amount_fen)

    def refund(self, payment: Payment, funds: Mapping[str, int]) -> bytes:
        back = {fund: -fen for fund, fen in funds.items()}
        return self.record(Kind.REFUND, payment, sum(back.values()), funds=back)

    def release(self, payment: Payment) -> bytes:
        return self.record(Kind.RELEASE, payment, -payment.amount_fen)

    def record(
        self,
        kind: Kind,
        payment: Payment,
        amount_fen: int,
        *,
        refers_to: bytes | None = b"asked",
        funds: Mapping[str, int] | None = None,
    ) -> bytes:
        sign = -1 if amount_fen < 0 else 1
        split = {fund: sign * fen for fund, fen in payment.funds.items()} if funds is None else funds
        entry = Entry(
            id=self._id(),
            kind=kind.value,
            time_ms=self.bank.now_ms,
            time_quality="synchronised",
            monotonic_ms=len(self.records),
            lane="till",
            profile="till",
            reason="paid",
            medium=self.medium,
            subject=payment.owner,
            refers_to=payment.asked_id if refers_to else None,
            public={"due": "20270214"} if "credit" in split else {},
            money=Money(amount_fen, payment.intent_id, MERCHANT, payment.date, account=payment.account, funds=split),
        )
        return self.append(entry)

    def carry(self, record_id: bytes) -> bytes:
        """A record once more, as a rescued journal brings it."""
        (body,) = (record.to_bytes() for record in self.records if record.entry.id == record_id)
        entry = Entry(
            id=self._id(),
            kind=CARRIED,
            time_ms=self.bank.now_ms,
            time_quality="synchronised",
            monotonic_ms=1,
            refers_to=record_id,
            public={"record": body},
        )
        return self.append(entry)

    def drop(self, record_id: bytes) -> None:
        """A record that was lost with the file: those behind it close up."""
        entries = [record.entry for record in self.records[1:] if record.entry.id != record_id]
        del self.records[1:]
        for entry in entries:
            self.append(entry)

    def append(self, entry: Entry) -> bytes:
        self.records.append(Record(entry, len(self.records) + 1, BOOT, self.records[-1].hash))
        return entry.id

    def put(self, question: bytes) -> Reply:
        """Hand a question to the platform; the reply, verified."""
        reply = self.bank.ingest.handle(Address(self.name).topic(Channel.ASK), question)
        assert reply is not None
        assert reply.topic == Address(self.name).topic(Channel.ANSWER)
        return open_reply(reply.payload, self.bank.keys, self.name)

    def greet(self) -> None:
        message = hello(self.records, chain_id=self.chain_id)
        self.bank.ingest.handle(Address(self.name).topic(Channel.HELLO), message)

    def send(self, first: int = 1, last: int | None = None) -> int:
        """Hand a batch to the platform; up to where it is committed now, 0 for nothing new said."""
        payload = batch(self.records, first, last or len(self.records), self.chain_id)
        reply = self.bank.ingest.handle(Address(self.name).topic(Channel.JOURNAL), payload)
        if reply is None:
            return 0
        answer = open_answer(reply.payload, self.bank.keys, self.name)
        return answer.seq if isinstance(answer, Ack) else 0

    def _id(self) -> bytes:
        return new_id(self.bank.now_ms, self.random.token(10))
