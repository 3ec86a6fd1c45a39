"""What is given back here of a sale that another till made: asked of the platform, and never without it.

The cashier types the number that stands on the receipt (退款号), as if it were a sale of this till. The question is
recorded, the platform claims what is to go back, and a ``refund`` record under the claim's own id moves the money; a
``release`` gives the claim up, whatever became of it. Of a sale nobody here knows whose it is or what is left of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from profiles.api import Ask, Facts, Kind, Record, Show, State, Subject, Tone
from profiles.counter_reasons import CounterReason
from profiles.payment_reasons import PaymentReason
from profiles.questions import ClaimReturn, Money
from profiles.reasons import ReasonEnum

DECLINED: Mapping[str, ReasonEnum] = {
    "sale-unknown": CounterReason.RETURN_UNKNOWN,
    "sale-returned": CounterReason.SALE_RETURNED,
    "refund-too-much": CounterReason.REFUND_TOO_MUCH,
    "own-sale": CounterReason.OWN_SALE,
}
"""Why, by the code of the platform's no (docs/contract.md)."""


class Returning(State):
    """A question about another till's sale, until its answer."""

    asked_id: bytes
    return_id: bytes
    number: int
    amount_fen: int | None = Field(default=None, description="null: all that is left")


class GivenBack(State):
    """What went back last of another till's sale: its record may still prove late."""

    asked_id: bytes
    number: int
    funds: dict[str, int]


def ask(returning: Returning, merchant: str, date: str, cashier: Subject, deadline_ms: int) -> tuple[Record, Show, Ask]:
    """Record the question, then put it."""
    record = Record(
        id=returning.asked_id,
        kind=Kind.COUNTER,
        reason=CounterReason.RETURN_ASKED,
        subject=cashier,
        public={"sale": returning.number},
    )
    claim = ClaimReturn(returning.return_id, returning.number, returning.amount_fen, merchant, date)
    show = Show(PaymentReason.ASKED.citizen, Tone.WAIT)
    return record, show, Ask(claim, deadline_ms, returning.asked_id, subject=cashier)


def give_up(returning: Returning, merchant: str, date: str, reason: ReasonEnum, facts: Facts) -> Record:
    """Nothing goes back, and nothing may stay claimed."""
    money = Money(0, returning.return_id, merchant, date)
    return Record(facts.new_id(), Kind.RELEASE, reason, refers_to=returning.asked_id, money=money)
