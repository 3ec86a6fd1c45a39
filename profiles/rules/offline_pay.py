"""What a till sells while nobody can be asked (离线风险额度): how much, how often, and for how many hours.

Each is bounded for a person and for a terminal. Amounts and numbers of payments are those of a local day. Hours run
from the first payment that nobody was asked about, until the platform has agreed to one again: a person's own, or any
at this terminal. All of it is counted in durable marks that the lanes of a terminal share, saved with the payment's
record: a restart forgets nothing. What is not bounded leaves no mark.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Facts, Mark, Subject
from profiles.dates import midnight_ms
from profiles.reasons import ReasonEnum
from profiles.rules.tally import count
from profiles.trace import Asked, Rule

SCOPE = "pay.offline"
COUNT_SCOPE = "pay.offline-count"
SINCE_SCOPE = "pay.offline-since"
_TERMINAL = b"terminal"
_HOUR_MS = 3_600_000
_KEPT_MS = 366 * 24 * _HOUR_MS
"""Longer than any number of hours that may be set."""
MAX_HOURS = 8_760


class OfflinePay(BaseModel):
    """Ceilings in fen; 0 sells nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    payment_fen: int = Field(default=2_000, ge=0, le=10_000_000, description="for one payment")
    subject_fen: int = Field(default=5_000, ge=0, le=10_000_000, description="for one person and day")
    provisional_fen: int = Field(
        default=1_000, ge=0, le=10_000_000, description="the same for a card that no register knows"
    )
    terminal_fen: int = Field(default=200_000, ge=0, le=1_000_000_000, description="for this terminal and day")
    subject_payments: int | None = Field(
        default=None, ge=1, le=10_000, strict=True, description="payments of one person and day; null: no bound"
    )
    terminal_payments: int | None = Field(
        default=None, ge=1, le=1_000_000, strict=True, description="payments at this terminal and day; null: no bound"
    )
    subject_hours: int | None = Field(
        default=None,
        ge=1,
        le=MAX_HOURS,
        strict=True,
        description="so long after the first of one person, until the platform agrees to another; null: no bound",
    )
    terminal_hours: int | None = Field(
        default=None, ge=1, le=MAX_HOURS, strict=True, description="the same for this terminal; null: no bound"
    )

    def rules(self, amount_fen: int, subject: Subject, facts: Facts, refusal: ReasonEnum) -> Iterator[Asked]:
        """Whether this may be sold without asking; ``refusal`` is what the scene says where it may not."""
        person_fen = self.provisional_fen if subject.provisional else self.subject_fen
        yield Rule.OFFLINE_PAYMENT, amount_fen <= self.payment_fen, refusal
        person_so_far_fen = facts.mark(SCOPE, _key(subject)) or 0
        yield Rule.OFFLINE_PERSON, amount_fen + person_so_far_fen <= person_fen, refusal
        terminal_so_far_fen = facts.mark(SCOPE, _TERMINAL) or 0
        yield Rule.OFFLINE_TERMINAL, amount_fen + terminal_so_far_fen <= self.terminal_fen, refusal
        for rule, key, most in self._numbers(subject):
            yield rule, (facts.mark(COUNT_SCOPE, key) or 0) < most, refusal
        for rule, key, hours in self._hours(subject):
            yield rule, facts.least_ms - _since_ms(key, facts) < hours * _HOUR_MS, refusal

    def unasked(self, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
        """The marks of one payment that nobody was asked about, beside those of its amount (:func:`sold`)."""
        ends_ms = facts.least_ms + _KEPT_MS
        began = (Mark(SINCE_SCOPE, key, _since_ms(key, facts), ends_ms) for _, key, _ in self._hours(subject))
        return (*self._count(subject, facts, 1), *began)

    def went_back(self, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
        """The marks after one of today's went back whole. Its hours go on: there is still nobody to be asked."""
        return self._count(subject, facts, -1)

    def agreed(self, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
        """The marks after the platform has agreed to a payment: hours begin anew."""
        begun = (key for _, key, _ in self._hours(subject) if facts.mark(SINCE_SCOPE, key) is not None)
        return tuple(Mark(SINCE_SCOPE, key, None, facts.now_ms) for key in begun)

    def _count(self, subject: Subject, facts: Facts, by: int) -> tuple[Mark, ...]:
        ends_ms = midnight_ms(facts)
        return tuple(count(COUNT_SCOPE, key, by, ends_ms, facts) for _, key, _ in self._numbers(subject))

    def _numbers(self, subject: Subject) -> Iterator[tuple[Rule, bytes, int]]:
        """What bounds the number of payments, by whose."""
        if self.subject_payments is not None:
            yield Rule.OFFLINE_PERSON_PAYMENTS, _key(subject), self.subject_payments
        if self.terminal_payments is not None:
            yield Rule.OFFLINE_TERMINAL_PAYMENTS, _TERMINAL, self.terminal_payments

    def _hours(self, subject: Subject) -> Iterator[tuple[Rule, bytes, int]]:
        """What bounds how long, by whose."""
        if self.subject_hours is not None:
            yield Rule.OFFLINE_PERSON_HOURS, _key(subject), self.subject_hours
        if self.terminal_hours is not None:
            yield Rule.OFFLINE_TERMINAL_HOURS, _TERMINAL, self.terminal_hours


def sold(amount_fen: int, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
    """The marks of an offline sale; of a negative amount, what takes one back."""
    ends_ms = midnight_ms(facts)
    keys = (_key(subject), _TERMINAL)
    return tuple(Mark(SCOPE, key, max(0, (facts.mark(SCOPE, key) or 0) + amount_fen), ends_ms) for key in keys)


def _since_ms(key: bytes, facts: Facts) -> int:
    """When the first of them was, by the earliest that it could be; now, where there is none.

    A clock that was set back since takes it along, and one that is lost gives no hours back.
    """
    since_ms = facts.mark(SINCE_SCOPE, key)
    return facts.least_ms if since_ms is None else min(since_ms, facts.least_ms)


def _key(subject: Subject) -> bytes:
    return subject.namespace.encode() + b":" + subject.id
