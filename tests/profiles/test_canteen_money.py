"""Random days at a canteen: what its journal says is what its shifts report and what the platform's ledger holds.

The reducer, the contract's questions and records, and the reference ledger in SQLite are the real ones; the wire loses,
delays and repeats as it likes.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cose import Es256Signer
from agent.entries import append_of
from agent.facts import TerminalFacts
from agent.question_forms import answer_of, wire_question
from offline_store.record import Entry, new_id
from profiles.amounts import FunctionKey
from profiles.api import AmountEntered, Event, Kind, Record, RecordedLate, Restarted, Step
from profiles.questions import Answered, AnsweredLate, Authorised, NotRecorded, Unanswered
from tests.agent.seeded import SeededRandom
from tests.profiles.canteens import CHIEF, LI, OPERATOR, WANG
from tests.profiles.facts import HeldFacts
from tests.profiles.test_counter import Counter as Lane
from tests.tools.platform.tills import Bank, Till
from tools.platform.funds import fund_owner
from tools.platform.intents import OPEN
from tools.platform.ledger import Owner
from tools.platform.store import Store, sqlite_url

SIGNER = Es256Signer(ec.generate_private_key(ec.SECP256R1()))
PAID_IN = {("city", LI): 20_000, ("city", WANG): 1000, ("city", OPERATOR): 2000}
MINUTE_MS = 60_000

Act = tuple[str, object, object]
MEAL = st.tuples(
    st.sampled_from([(LI, "staff"), (WANG, "staff"), (WANG,), (OPERATOR, "cashier")]),
    st.sampled_from(["yes", "yes", "yes", "silence", "lost", "late", ""]),
)
BACK = st.tuples(st.integers(0, 5), st.sampled_from([None, 1, 300, 600, 1500]))
"""Which of the latest sales, and how much of it; all that is left."""
ACTS: st.SearchStrategy[Act] = st.one_of(
    MEAL.map(lambda meal: ("meal", *meal)),
    MEAL.map(lambda meal: ("meal", *meal)),
    BACK.map(lambda back: ("give back", *back)),
    BACK.map(lambda back: ("give back", *back)),
    st.tuples(st.just("sign"), st.sampled_from([OPERATOR, CHIEF]), st.none()),
    st.tuples(st.just("guests"), st.integers(1, 3), st.none()),
    st.tuples(st.just("shift"), st.none(), st.none()),
    st.tuples(st.just("fault"), st.sampled_from([Restarted, RecordedLate, NotRecorded]), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([1, 45, 5 * 60, 19 * 60, 24 * 60]), st.none()),
    st.tuples(st.just("send"), st.none(), st.none()),
)


class Facts(HeldFacts):
    """With ids that a journal takes, and nothing measured."""

    monotonic_ms = 0
    random = SeededRandom(1)

    def new_id(self) -> bytes:
        return new_id(self.now_ms, self.random.token(10))


@dataclass
class Place:
    """One till, its journal at the platform, and the platform."""

    bank: Bank
    lane: Lane
    till: Till
    answered: set[bytes] = field(default_factory=set)
    written: int = 0

    def tell(self, event: Event) -> None:
        self.lane.tell(event)
        self.write()

    def write(self) -> None:
        """What the lane recorded goes into the journal; the wire takes it when it does."""
        facts = cast("TerminalFacts", self.lane.facts)
        records = self.lane.book[self.written :]
        append = append_of("canteen", "canteen", Step(self.lane.state, tuple(records)), records, facts, None)
        for entry in append.entries:
            self.till.append(entry)
        self.written = len(self.lane.book)

    def reply(self, how: str) -> None:
        """What becomes of the last question."""
        if not self.lane.asks or (ask := self.lane.asks[-1]).about in self.answered:
            return
        self.answered.add(ask.about)
        question = wire_question(ask, self.till.random.token(16), self.bank.now_ms, lambda text, nonce: None)
        assert question is not None
        answer = None if how == "silence" else answer_of(self.till.put(question.encode()))
        match how:
            case "yes" if answer is not None:
                self.tell(Answered(ask.about, answer))
            case "late" if isinstance(answer, Authorised):
                self.tell(Unanswered(ask.about))
                self.tell(AnsweredLate(ask.about, answer))
            case _:
                self.tell(Unanswered(ask.about))

    def act(self, word: str, what: object, how: object) -> None:
        lane = self.lane
        match word, what, how:
            case "meal", tuple(), str():
                lane.present(*what)
                self.write()
                if how:
                    self.reply(how)
            case "give back", _, _ if lane.state.operator is None and lane.state.sold:
                lane.sign(CHIEF)
                self.act(word, what, how)
            case "give back", int(), None:
                lane.key(FunctionKey.VOID, lane.state.sold - what)
            case "give back", int(), int():
                lane.key(FunctionKey.REFUND, lane.state.sold - what)
                lane.tell(AmountEntered(how))
            case "sign", bytes(), _:
                lane.sign(what)
            case "guests", int(), _:
                lane.key(FunctionKey.GUESTS, what)
            case "shift", _, _:
                lane.key(FunctionKey.SHIFT)
            case "fault", _, _ if what is Restarted:
                lane.tell(Restarted())
            case "fault", _, _ if lane.asks:
                # The disk is late for what was decided last, or for the intent itself.
                lane.tell(cast("type[RecordedLate]", what)(lane.asks[-1].about))
            case "wait", int(), _:
                lane.facts.now_ms += what * MINUTE_MS
                self.bank.now_ms = lane.facts.now_ms
            case "send", _, _:
                self.till.send()
        self.write()


def moved(entries: Iterable[Entry]) -> dict[str, Counter[Owner]]:
    """By shift, what the journal says that each account and each fund paid, and ``count`` and ``net`` of it."""
    shifts: dict[str, Counter[Owner]] = {}
    paid: dict[bytes, Owner] = {}
    for entry in entries:
        money = entry.money
        if money is None or entry.subject is None or entry.kind in (Kind.ASKED, Kind.RELEASE):
            continue
        if entry.kind == Kind.REVERSAL and money.intent_id not in paid:
            continue
        paid[money.intent_id] = entry.subject
        sums = shifts.setdefault(money.shift or "", Counter())
        assert sum(money.funds.values()) == money.amount_fen
        for fund, fen in money.funds.items():
            sums[fund_owner(fund, entry.subject, money.merchant)] += fen
    return shifts


def reported(records: Iterable[Record]) -> dict[str, tuple[int, int, int]]:
    """By shift: net, of the accounts, of the subsidy."""
    return {
        str(record.public["shift"]): (
            int(record.public["net_fen"]),
            int(record.public.get("from_account_fen", 0)),
            int(record.public.get("from_subsidy_fen", 0)),
        )
        for record in records
        if record.reason.code == "shift-closed"
    }


@settings(max_examples=40, deadline=None)
@given(st.lists(ACTS, min_size=10, max_size=40))
def test_journal_shift_reports_and_the_platforms_ledger_agree_to_the_fen(
    script: list[tuple[str, object, object]],
) -> None:
    with tempfile.TemporaryDirectory(prefix="onecard-canteen-") as directory:
        bank = Bank(Store.open(sqlite_url(Path(directory) / "platform.db")), SIGNER)
        try:
            play(bank, script)
        finally:
            bank.store.close()


def play(bank: Bank, script: list[Act]) -> None:
    for owner, amount_fen in PAID_IN.items():
        bank.pay_in(owner, amount_fen)
    lane = Lane(offline={"subject_fen": 4000, "payment_fen": 5000, "terminal_fen": 9000}, limits={"period_meals": 3})
    lane.facts = Facts()
    bank.now_ms = lane.facts.now_ms
    place = Place(bank, lane, Till(bank))
    place.till.greet()
    lane.sign(CHIEF)
    for word, what, how in script:
        place.act(word, what, how)
    place.tell(Restarted())  # nobody is signed in, and no question is open
    lane.sign(CHIEF)
    if lane.state.shift is not None:
        lane.key(FunctionKey.SHIFT)
    place.write()
    place.till.send()

    by_shift = moved(record.entry for record in place.till.records)
    subsidy = fund_owner("subsidy", ("", b""), "canteen-1")
    reports = reported(lane.book)
    for shift, sums in by_shift.items():
        net, from_subsidy = sum(sums.values()), sums[subsidy]
        assert reports[shift] == (net, net - from_subsidy, from_subsidy)
    for shift in reports.keys() - by_shift.keys():
        assert reports[shift] == (0, 0, 0)

    expected: Counter[Owner] = Counter(PAID_IN)
    for sums in by_shift.values():
        expected.subtract(sums)
    balances = Counter(bank.balances())
    owners = {*balances, *expected}
    assert {owner: balances[owner] for owner in owners} == {owner: expected[owner] for owner in owners}
    # A no that was lost on its way: the till sold within its ceilings, and the platform says so.
    assert bank.alarms() <= {"payment-declined"}
    assert not any(intent.state in OPEN for intent in bank.intents().values())
    for sale in lane.state.sales:
        assert all(0 <= fen <= sale.payment.funds[fund] for fund, fen in sale.left.items())
