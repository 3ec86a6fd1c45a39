"""What the platform says to online questions: a message of `up/ask` in, the reply for `down/answer` out.

A reply names the question by the hash of its exact bytes, and is sent for every question that can be read, also for one
that came after its end: the terminal has decided by then, and its journal tells what.
"""

from __future__ import annotations

from agent.sync.contract import (
    Authorise,
    Authorised,
    Balance,
    Declined,
    QueryBalance,
    Reply,
    decode_question,
    question_hash,
)
from agent.sync.contract.questions import Bound
from tools.platform.holds import Held, Holds


def reply_to(holds: Holds, payload: bytes) -> Reply:
    """The reply to a question of that terminal. Raises :class:`~agent.sync.contract.ContractError`."""
    question = decode_question(payload)
    bound = Bound(
        terminal=holds.terminal,
        nonce=question.nonce,
        question=question_hash(payload),
        issued_ms=holds.now_ms,
        expires_ms=question.expires_ms,
    )
    if holds.now_ms > question.expires_ms:
        return Declined(**bound, code="expired")
    match question:
        case Authorise():
            verdict = holds.authorise(question)
            if not isinstance(verdict, Held):
                return Declined(**bound, code=verdict)
            return Authorised(
                **bound,
                intent_id=question.intent_id,
                amount_fen=question.amount_fen,
                until_ms=verdict.until_ms,
                balance_fen=verdict.remaining_fen,
            )
        case QueryBalance():
            balance = holds.balance(question)
            if isinstance(balance, str):
                return Declined(**bound, code=balance)
            return Balance(**bound, balance_fen=balance)
        case _:
            return Declined(**bound, code="unsupported")
