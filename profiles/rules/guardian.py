"""The guardian's limit (家长限额): what a pupil may spend of his own account on one business date.

It comes with the roster, and holds online and offline. What counts is the account's share: a meal that the school
pays is nobody's pocket money. It is counted in a durable mark by person and date, claimed with the intent, and given
back with whatever comes to nothing or goes back. Each terminal counts its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from profiles.api import Facts, Mark, Subject
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.tally import count, counted, key_of
from profiles.trace import Asked, Rule

SCOPE = "guardian.spent"
KEPT_MS = 48 * 3_600_000
"""Longer than any business date lasts; another date has a mark of its own."""
_S = Sentence


class GuardianReason(ReasonEnum):
    """What is said to a pupil who has spent enough."""

    GUARDIAN_LIMIT = (
        "guardian-limit",
        _S("超过家长设定的今日限额，请联系家长", "This is beyond your guardian's limit for today; please ask them"),
        _S("超过名册中监护人设定的当日限额", "the guardian's limit in the roster is reached on this business date"),
    )


def limit_of(subject: Subject, facts: Facts) -> int | None:
    """The bound, in fen; ``None`` of whoever has none."""
    person = facts.person(subject)
    return None if person is None or person.pupil is None else person.pupil.day_limit_fen


def rules(subject: Subject, fen: int, date: str, facts: Facts) -> Iterator[Asked]:
    """Whether so much more of the account is within the limit; of people without one nothing is asked."""
    limit_fen = limit_of(subject, facts)
    if limit_fen is not None:
        spent_fen = counted(SCOPE, key_of(subject, date), facts)
        yield Rule.GUARDIAN, fen == 0 or spent_fen + fen <= limit_fen, GuardianReason.GUARDIAN_LIMIT


def spent(subject: Subject, fen: int, date: str, facts: Facts) -> tuple[Mark, ...]:
    """The mark of what was spent; of a negative amount, what takes it back. None for people without a limit."""
    if fen == 0:
        return ()
    key = key_of(subject, date)
    if limit_of(subject, facts) is None and facts.mark(SCOPE, key) is None:
        return ()
    return (count(SCOPE, key, fen, facts.now_ms + KEPT_MS, facts),)
