"""Random days at a hospital: its journal, its shifts' reports and the platform's ledger agree, account by account.

Reducer, questions, records and the reference ledger are the real ones; the wire answers, loses or is late as it likes.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.cose import Es256Signer
from agent.entries import append_of
from agent.facts import TerminalFacts
from agent.question_forms import answer_of, wire_question
from offline_store.record import new_id
from profiles.amounts import FunctionKey
from profiles.api import AmountEntered, Kind, RecordedLate, Restarted, Step
from profiles.questions import Answered, AnsweredLate, Authorised, Unanswered
from tests.agent.seeded import SeededRandom
from tests.profiles.facts import HeldFacts
from tests.profiles.hospitals import LATER, LI, WANG, Lane
from tests.tools.platform.tills import REGISTRATION, Bank, Till
from tools.platform.accounts import CREDIT, account_of, grant_credit, person_of
from tools.platform.debts import debts
from tools.platform.intents import OPEN
from tools.platform.ledger import Owner
from tools.platform.store import Store, sqlite_url

SIGNER = Es256Signer(ec.generate_private_key(ec.SECP256R1()))
PEOPLE: dict[bytes, tuple[str, ...]] = {LI: (LATER,), WANG: ()}
PAID_IN = {(LI, "medical"): 4_000, (LI, "wallet"): 6_000, (WANG, "medical"): 1_000, (WANG, "wallet"): 2_000}
CEILING_FEN = 8_000
UNASKED_CEILING_FEN = 10_000
"""Of the lane's settings."""

WHO = st.sampled_from(list(PEOPLE))
HOW = st.sampled_from(["yes", "yes", "yes", "silence", "late"])
ACTS = st.one_of(
    st.tuples(st.just("pay"), WHO, st.integers(1, 6_000), HOW),
    st.tuples(st.just("pay"), WHO, st.integers(1, 6_000), HOW),
    st.tuples(st.just("settle"), WHO, st.just(0), HOW),
    st.tuples(st.just("give back"), st.just(b""), st.integers(1, 3_000), st.sampled_from(["all", "part"])),
    st.tuples(st.just("look up"), WHO, st.just(0), HOW),
    st.tuples(st.just("fault"), st.just(b""), st.just(0), st.sampled_from(["late", "restart"])),
    st.tuples(st.just("link"), st.just(b""), st.just(0), st.sampled_from(["withheld", "sent"])),
)


class Facts(HeldFacts):
    """With ids that a journal takes, and nothing measured."""

    monotonic_ms = 0
    random = SeededRandom(1)

    def new_id(self) -> bytes:
        return new_id(self.now_ms, self.random.token(10))


class Ward:
    """One counter, its journal at the platform, and the platform."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.lane = Lane(Facts(), offline={"payment_fen": 3_000, "subject_fen": 9_000, "terminal_fen": 20_000})
        self.till = Till(bank, registration=REGISTRATION.model_copy(update={"merchants": frozenset({"hospital-1"})}))
        self.bank.now_ms = self.lane.facts.now_ms
        self.written = 0
        self.answered = 0
        self.withheld = False

    def write(self) -> None:
        records = self.lane.journal[self.written :]
        facts = cast("TerminalFacts", self.lane.facts)
        step = Step(self.lane.state, tuple(records))
        for entry in append_of("counter", "hospital", step, records, facts, None).entries:
            self.till.append(entry)
        if records:
            self.lane.facts.delivered = False
        self.written = len(self.lane.journal)
        if not self.withheld:
            self.till.send()
            self.lane.facts.delivered = True

    def reply(self, how: str) -> None:
        """To every question that follows, for a settlement asks twice."""
        while len(self.lane.asks) > self.answered:
            ask = self.lane.asks[self.answered]
            self.answered += 1
            question = wire_question(ask, self.till.random.token(16), self.bank.now_ms, lambda text, nonce: None)
            assert question is not None
            answer = answer_of(self.till.put(question.encode())) if how != "silence" else None
            if how == "yes" and answer is not None:
                self.lane.tell(Answered(ask.about, answer))
            else:
                self.lane.tell(Unanswered(ask.about))
                if isinstance(answer, Authorised):
                    self.lane.tell(AnsweredLate(ask.about, answer))
            self.write()

    def act(self, word: str, who: bytes, fen: int, how: str) -> None:
        lane = self.lane
        match word:
            case "link":
                self.withheld = how == "withheld"
            case "pay" | "settle" | "look up":
                if word == "pay":
                    lane.tell(AmountEntered(fen))
                elif word == "settle":
                    lane.key(FunctionKey.SETTLE)
                lane.present(who, *PEOPLE[who])
                self.write()
                self.reply(how)
            case "give back":
                if lane.state.operator is None:
                    lane.sign()
                if how == "all":
                    lane.key(FunctionKey.VOID, lane.state.sold)
                else:
                    lane.key(FunctionKey.REFUND, lane.state.sold)
                    lane.tell(AmountEntered(fen))
            case _:
                about = lane.state.latest.asked_id if lane.state.latest is not None else b"?" * 16
                lane.tell(RecordedLate(about) if how == "late" else Restarted())
        lane.tell(AmountEntered(0))
        self.write()

    def worst_fen(self) -> int:
        """The most that somebody owed when something was put on credit unasked."""
        owed: Counter[bytes] = Counter()
        worst = 0
        paid: set[bytes] = set()
        for record in self.lane.journal:
            money, subject = record.money, record.subject
            if money is None or subject is None or record.kind in (Kind.ASKED, Kind.RELEASE):
                continue
            if record.kind is Kind.PAYMENT:
                paid.add(money.intent_id)
            elif money.intent_id not in paid:
                continue
            settled_fen = money.amount_fen if money.account == CREDIT else 0
            owed[subject.id] += money.funds.get(CREDIT, 0) - settled_fen
            if record.reason.code == "paid-offline" and money.funds.get(CREDIT):
                worst = max(worst, owed[subject.id])
        return worst

    def moved(self) -> tuple[Counter[tuple[bytes, str]], dict[str, Counter[str]]]:
        """What the journal says that each account paid; and of each shift, by fund."""
        accounts: Counter[tuple[bytes, str]] = Counter()
        shifts: dict[str, Counter[str]] = {}
        paid: set[bytes] = set()
        for record in self.lane.journal:
            money, subject = record.money, record.subject
            if money is None or subject is None or record.kind in (Kind.ASKED, Kind.RELEASE):
                continue
            if record.kind is Kind.PAYMENT:
                paid.add(money.intent_id)
            elif money.intent_id not in paid:
                continue
            assert sum(money.funds.values()) == money.amount_fen
            for fund, fen in money.funds.items():
                accounts[subject.id, fund] += fen
                shifts.setdefault(money.shift or "", Counter())[fund] += fen
            if money.account == CREDIT:
                accounts[subject.id, CREDIT] -= money.amount_fen
        return accounts, shifts


@settings(max_examples=30, deadline=None)
@given(st.lists(ACTS, min_size=5, max_size=20))
@example(
    [("link", b"", 0, "withheld")] + 3 * [("pay", LI, 6_000, "silence"), ("look up", LI, 0, "yes")],
)
def test_journal_shift_reports_and_the_platforms_accounts_agree_to_the_fen(
    script: list[tuple[str, bytes, int, str]],
) -> None:
    with tempfile.TemporaryDirectory(prefix="onecard-hospital-") as directory:
        bank = Bank(Store.open(sqlite_url(Path(directory) / "platform.db")), SIGNER)
        try:
            play(bank, script)
        finally:
            bank.store.close()


def play(bank: Bank, script: list[tuple[str, bytes, int, str]]) -> None:
    for (who, kind), fen in PAID_IN.items():
        bank.pay_in(account_of(("city", who), kind), fen)
    with bank.store.transaction() as transaction:
        grant_credit(transaction, ("city", LI), CEILING_FEN)
    bank.pay_in(account_of(("city", LI), CREDIT), 0)
    for who in PEOPLE:
        bank.card(("city", who), who)  # of a card that no register knows nobody is told what its holder owes
    ward = Ward(bank)
    ward.till.greet()
    for act in script:
        ward.act(*act)
    ward.lane.tell(Restarted())
    ward.lane.sign()
    if ward.lane.state.shift is not None:
        ward.lane.key(FunctionKey.SHIFT)
    ward.withheld = False
    ward.write()

    assert ward.worst_fen() <= UNASKED_CEILING_FEN
    accounts, shifts = ward.moved()
    for record in ward.lane.journal:
        if record.reason.code == "shift-closed":
            sums = shifts.get(str(record.public["shift"]), Counter())
            assert record.public["net_fen"] == sum(sums.values())
            assert all(record.public[f"from_{fund}_fen"] == fen for fund, fen in sums.items())
    expected: Counter[tuple[bytes, str]] = Counter(PAID_IN)
    expected.subtract(accounts)
    found: Counter[tuple[bytes, str]] = Counter()
    for owner, fen in bank.balances().items():
        (_, who), kind = person_of(owner)
        found[who, kind] = fen
    assert {key: found[key] for key in {*found, *expected}} == {key: expected[key] for key in {*found, *expected}}
    assert bank.alarms() <= {"payment-declined"}
    assert not any(intent.state in OPEN for intent in bank.intents().values())
    patient: Owner = ("city", LI)
    with bank.store.transaction() as transaction:
        assert sum(debt.left_fen for debt in debts(transaction, patient)) == max(0, -found[LI, CREDIT])
