"""What the platform says to online questions: a message of `up/ask` in, the reply for `down/answer` out.

A reply names the question by the hash of its exact bytes, and is sent for every question that can be read, also for one
that came after its end: the terminal has decided by then, and its journal tells what. Asked again in the same bytes, a
question gets the same reply, and what it did is not done again.
"""

from __future__ import annotations

from agent.sealing import SealBroken
from agent.sync.contract import (
    Authorise,
    Authorised,
    Balance,
    ClaimReturn,
    Declined,
    QueryBalance,
    QueryTravel,
    Question,
    Renew,
    Reply,
    Resolve,
    ReturnClaimed,
)
from agent.sync.contract.questions import Bound, QuerySubsidies, Renewed, Resolved, Subsidies
from profiles.rules.funds import ACCOUNT
from tools.platform import foreign_codes, loans, subsidies, travel
from tools.platform.accounts import CREDIT, DEBT, account_of
from tools.platform.asking import UNREGISTERED, Gate
from tools.platform.evidence import Judge
from tools.platform.funds import fund_owner
from tools.platform.given import MAX_AHEAD_MS, Given
from tools.platform.holds import TOO_MANY, Held, Holds
from tools.platform.intents import intent_row
from tools.platform.ledger import NOBODY, row_of
from tools.platform.register import Register
from tools.platform.registrations import registration
from tools.platform.returns import Returns
from tools.platform.row_locks import Need
from tools.platform.store import Transaction


class Awaited:
    """A reply that is given before the commit, when what all questions and payments need is locked."""

    def __init__(self) -> None:
        self._reply: Reply | None = None

    def give(self, reply: Reply) -> None:
        """Here it is."""
        self._reply = reply

    @property
    def reply(self) -> Reply:
        """The reply, once the transaction has ended well."""
        if self._reply is None:
            raise RuntimeError("a reply is given at the end of its transaction")
        return self._reply


class Answering:
    """Answers the questions of one terminal within one transaction; ``judge`` holds the key that opens sealed codes."""

    def __init__(self, transaction: Transaction, terminal: str, now_ms: int, judge: Judge | None) -> None:
        self._transaction = transaction
        self._terminal = terminal
        self._now_ms = now_ms
        self._judge = judge
        self._holds = Holds(transaction, terminal, now_ms)
        self._gate = Gate(transaction, terminal, now_ms, judge)

    def needs(self, question: Question) -> set[Need]:
        """The rows that its reply may change, to be locked before."""
        match question:
            case Authorise(merchant=merchant):
                owner = question.subject or NOBODY
                paying = (*(question.funds or ()), *(question.accounts or ()))
                funds = {fund_owner(fund, owner, merchant) for fund, _ in paying}
                return {intent_row(self._terminal, question.intent_id), *map(row_of, {owner, *funds})}
            case QueryBalance():
                payers = {question.subject or NOBODY, Register(self._transaction).payer(question.medium)}
                kinds = ACCOUNT, CREDIT if question.account == DEBT else question.account or ACCOUNT
                return {row_of(account_of(payer, kind)) for payer in payers for kind in kinds}
            case Renew(loan=loan):
                return {loans.row_of(loan)}
            case ClaimReturn():
                sale = Returns(self._transaction, self._terminal, self._now_ms).find(question)
                return set() if sale is None else {intent_row(*sale), intent_row(self._terminal, question.return_id)}
            case QuerySubsidies():
                return subsidies.rows_of(self._transaction, question, self._now_ms)
            case _:
                return set()

    def reply_to(self, question: Question, question_hash: bytes) -> Reply:
        """The reply to a question, of whose exact bytes this is the hash."""
        bound = Bound(
            terminal=self._terminal,
            nonce=question.nonce,
            question=question_hash,
            issued_ms=self._now_ms,
            expires_ms=question.expires_ms,
        )
        if self._now_ms > question.expires_ms:
            return Declined(**bound, code="expired")
        if question.asked_ms > self._now_ms + MAX_AHEAD_MS:
            return Declined(**bound, code="from-future")
        given = Given(self._transaction, self._terminal, self._now_ms)
        match given.to(question.nonce, bound["question"]):
            case None:
                reply = self._answer(question, bound) if given.has_room() else None
                return Declined(**bound, code=TOO_MANY) if reply is None else given.keep(question, reply)
            case str() as code:
                return Declined(**bound, code=code)
            case _ if isinstance(question, Authorise):
                return self._authorise(question, bound)
            case known:
                return known

    def _answer(self, question: Question, bound: Bound) -> Reply:
        match question:
            case Authorise():
                return self._authorise(question, bound)
            case QueryBalance():
                balance = self._holds.balance(question, self._gate.balance_objection)
                if isinstance(balance, str):
                    return Declined(**bound, code=balance)
                return Balance(**bound, balance_fen=balance)
            case Renew():
                due = self._renew(question)
                return Declined(**bound, code=due) if isinstance(due, str) else Renewed(**bound, due_ms=due)
            case QueryTravel():
                return self._travel(question, bound)
            case QuerySubsidies():
                said = subsidies.answer(self._transaction, self._terminal, question, self._judge, self._now_ms)
                return Declined(**bound, code=said) if isinstance(said, str) else Subsidies(**bound, sealed=said)
            case ClaimReturn():
                funds = self._claim(question)
                if isinstance(funds, str):
                    return Declined(**bound, code=funds)
                return ReturnClaimed(**bound, return_id=question.return_id, funds=tuple(funds.items()))
            case Resolve() if self._judge is not None:
                return self._resolve(question, bound, self._judge)
            case _:
                return Declined(**bound, code="unsupported")

    def _claim(self, question: ClaimReturn) -> dict[str, int] | str:
        """What goes back of another till's sale, claimed; or why nothing does."""
        allowed = registration(self._transaction, self._terminal)
        code = UNREGISTERED if allowed is None else allowed.objection(question.merchant, None, ())
        if code is not None:
            return code
        if self._holds.knows(question.return_id):
            return "intent-ended"  # its end came before it: what is claimed now would stay claimed
        returns = Returns(self._transaction, self._terminal, self._now_ms)
        if not returns.may_claim():
            return TOO_MANY
        where = returns.find(question)
        sale = None if where is None else Holds(self._transaction, where[0], self._now_ms).left(where[1])
        if where is None or sale is None:
            return "sale-unknown"
        return "own-sale" if sale[0].owner == question.subject else returns.claim(question, where, sale[1])

    def _travel(self, question: QueryTravel, bound: Bound) -> Reply:
        allowed = registration(self._transaction, self._terminal)
        if allowed is None or question.line not in allowed.lines:
            code = "terminal-not-registered" if allowed is None else "line-not-registered"
            return Declined(**bound, code=code)
        person = Register(self._transaction).person(question.medium, question.subject, self._now_ms)
        if isinstance(person, str):
            return Declined(**bound, code=person)
        return travel.told(self._transaction, person, question.line, self._now_ms, bound)

    def _renew(self, question: Renew) -> int | str:
        person = Register(self._transaction).person(question.medium, question.subject, self._now_ms)
        if isinstance(person, str):
            return person
        return loans.renew(self._transaction, self._terminal, question.loan, person, self._now_ms)

    def _authorise(self, question: Authorise, bound: Bound) -> Reply:
        verdict = self._holds.authorise(question, self._gate.objection)
        if not isinstance(verdict, Held):
            return Declined(**bound, code=verdict)
        return Authorised(
            **bound,
            intent_id=question.intent_id,
            amount_fen=question.amount_fen,
            until_ms=verdict.until_ms,
            balance_fen=verdict.remaining_fen,
            accounts=tuple(verdict.accounts.items()) or None,
        )

    def _resolve(self, question: Resolve, bound: Bound, judge: Judge) -> Reply:
        try:
            text = judge.open_code(self._terminal, question)
        except SealBroken:
            return Declined(**bound, code="unreadable")
        owner = foreign_codes.holder(self._transaction, text, self._now_ms)
        return Declined(**bound, code="code-unknown") if owner is None else Resolved(**bound, subject=owner)
