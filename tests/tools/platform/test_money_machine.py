"""Whatever order, loss and repetition the wire makes of questions and records: no money appears or vanishes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from agent.cose import Es256Signer
from agent.sync.contract import Authorised, Declined
from profiles.api import Kind
from tests.tools.platform.tills import LI, STRANGER, WANG, Bank, Payment, Till
from tools.platform.holds import HOLD_MS
from tools.platform.intents import OPEN, State
from tools.platform.ledger import Owner, ledger_table
from tools.platform.store import Store, sqlite_url

SIGNER = Es256Signer(ec.generate_private_key(ec.SECP256R1()))
PAID_IN = {LI: 1000, WANG: 300}


class MoneyMachine(RuleBasedStateMachine):
    """Two tills that keep the rules of `profiles.questions`, one platform, and a wire that does what it likes."""

    intents = Bundle("intents")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="onecard-money-"))
        self.bank = Bank(self._open(), SIGNER)
        self.tills = [Till(self.bank, f"till-{number}", number, 60_000) for number in (1, 2)]
        self.committed = [0, 0]
        self.undecided: set[bytes] = set()
        self.answers: dict[bytes, Authorised] = {}
        self.no: set[bytes] = set()

    def _open(self) -> Store:
        return Store.open(sqlite_url(self.directory / "platform.db"))

    @initialize()
    def begin(self) -> None:
        for owner, amount_fen in PAID_IN.items():
            self.bank.pay_in(owner, amount_fen)
        for till in self.tills:
            till.greet()

    # What tills do --------------------------------------------------------------------------------------------------

    @rule(target=intents, till=st.integers(0, 1), owner=st.sampled_from([LI, WANG, STRANGER]), fen=st.integers(1, 700))
    def ask(self, till: int, owner: Owner, fen: int) -> tuple[int, Payment]:
        payment = self.tills[till].ask(owner, fen)
        self.undecided.add(payment.intent_id)
        return till, payment

    @rule(intent=intents, paid=st.booleans(), late=st.booleans())
    def decide(self, intent: tuple[int, Payment], paid: bool, late: bool) -> None:
        till, payment = intent
        if payment.intent_id in self.undecided:
            self.undecided.discard(payment.intent_id)
            (self.tills[till].pay if paid else self.tills[till].reverse)(payment)
        if late:
            self.tills[till].release(payment)

    @rule(intent=intents)
    def take_back(self, intent: tuple[int, Payment]) -> None:
        till, payment = intent
        if payment.intent_id not in self.undecided:
            self.tills[till].reverse(payment)

    # What the wire does ---------------------------------------------------------------------------------------------

    @rule(intent=intents)
    def deliver(self, intent: tuple[int, Payment]) -> None:
        self.deliver_question(intent)

    def deliver_question(self, intent: tuple[int, Payment]) -> None:
        """At any time, any number of times, or never."""
        till, payment = intent
        reply = self.tills[till].put(payment.question)
        if isinstance(reply, Authorised):
            before = self.answers.setdefault(payment.intent_id, reply)
            assert (reply.until_ms, reply.balance_fen) == (before.until_ms, before.balance_fen)
            assert payment.intent_id not in self.no, "a no became a yes"
            assert reply.until_ms <= self.bank.now_ms + HOLD_MS
        else:
            assert isinstance(reply, Declined)
            self.no.add(payment.intent_id)

    @rule(till=st.integers(0, 1), data=st.data())
    def deliver_records(self, till: int, data: st.DataObject) -> None:
        """Any range: again, ahead of what is missing, or what is next."""
        head = len(self.tills[till].records)
        first = data.draw(st.one_of(st.just(self.committed[till] + 1), st.integers(1, head)))
        if first <= head:
            last = data.draw(st.integers(first, head))
            self.committed[till] = max(self.committed[till], self.tills[till].send(first, last))

    @rule(intent=intents)
    def deliver_all_and_then_the_question(self, intent: tuple[int, Payment]) -> None:
        """The broker held the question back until the journal had told how it ended."""
        till, _ = intent
        self.committed[till] = max(self.committed[till], self.tills[till].send())
        self.deliver_question(intent)

    @rule(pause_ms=st.sampled_from([1, 1_000, 3_000, HOLD_MS - 1, HOLD_MS]))
    def wait(self, pause_ms: int) -> None:
        self.bank.now_ms += pause_ms

    @rule()
    def restart_the_platform(self) -> None:
        self.bank.store.close()
        self.bank.use(self._open())

    # What holds all the while -----------------------------------------------------------------------------------------

    @invariant()
    def every_balance_is_what_was_paid_in_less_what_the_committed_records_say(self) -> None:
        expected: dict[Owner, int] = dict(PAID_IN)
        for owner, amount_fen in self.captured().values():
            expected[owner] = expected.get(owner, 0) - amount_fen
        assert {owner: fen for owner, fen in self.bank.balances().items() if fen or owner in PAID_IN} == {
            owner: fen for owner, fen in expected.items() if fen or owner in PAID_IN
        }

    @invariant()
    def every_intent_is_captured_at_most_once_and_given_back_at_most_once(self) -> None:
        with self.bank.store.transaction() as transaction:
            rows = transaction.connection.execute(ledger_table.select()).all()
        entries: dict[bytes, list[int]] = {}
        for row in rows:
            if row.intent_id is not None:
                entries.setdefault(row.intent_id, []).append(row.amount_fen)
        for amounts in entries.values():
            assert amounts[0] < 0
            assert amounts in ([amounts[0]], [amounts[0], -amounts[0]])
        balances: dict[Owner, int] = {}
        for row in rows:
            owner = (row.namespace, row.subject)
            balances[owner] = balances.get(owner, 0) + row.amount_fen
        assert balances == self.bank.balances()

    @invariant()
    def nobody_complains_of_tills_that_keep_the_rules(self) -> None:
        assert self.bank.alarms() <= {"payment-declined"}

    def captured(self) -> dict[bytes, tuple[Owner, int]]:
        """By the records that the platform acknowledged: what is paid and not taken back."""
        paid: dict[bytes, tuple[Owner, int]] = {}
        for till, committed in zip(self.tills, self.committed, strict=True):
            for record in till.records[:committed]:
                money, owner = record.entry.money, record.entry.subject
                if money is None or owner is None:
                    continue
                if record.entry.kind == Kind.PAYMENT:
                    paid[money.intent_id] = (owner, money.amount_fen)
                elif record.entry.kind == Kind.REVERSAL:
                    paid.pop(money.intent_id, None)
        return paid

    def teardown(self) -> None:
        """In the end every question is decided, every record arrives, and every hold has ended."""
        try:
            for till in self.tills:
                for record in tuple(till.records):
                    money = record.entry.money
                    if money is not None and money.intent_id in self.undecided:
                        self.undecided.discard(money.intent_id)
                        till.reverse(Payment(record.entry.subject, money.amount_fen, money.intent_id, b"", b"\0" * 16))
            for number, till in enumerate(self.tills):
                self.committed[number] = max(self.committed[number], till.send())
                assert self.committed[number] == len(till.records)
            self.every_balance_is_what_was_paid_in_less_what_the_committed_records_say()
            states = {intent.state for intent in self.bank.intents().values()}
            assert states.isdisjoint(OPEN), states
            assert states <= {State.CAPTURED, State.RELEASED, State.REVERSED}
        finally:
            self.bank.store.close()
            shutil.rmtree(self.directory)


MoneyMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestMoney = MoneyMachine.TestCase
