"""Queue tickets (排队取号): numbered by matter and business day, called in the order in which they were taken.

All of it is durable marks that end with the local day, so numbers begin at 1 each morning, a restart forgets none, and
the lanes of one terminal share one queue. A person has one ticket for a matter at a time.
"""

from __future__ import annotations

from collections.abc import Iterable

from profiles.api import Facts, Mark, Subject
from profiles.dates import midnight_ms
from profiles.rules.tally import key_of

ISSUED, CALLED, TAKEN, HELD = "queue.issued", "queue.called", "queue.taken", "queue.held"
"""By matter: the last number issued, the last one called; by number: when it was taken; by person: which one."""


def issued(matter: str, facts: Facts) -> int:
    """The last number that was issued today."""
    return facts.mark(ISSUED, matter.encode()) or 0


def called(matter: str, facts: Facts) -> int:
    """The last number that was called today."""
    return facts.mark(CALLED, matter.encode()) or 0


def held(matter: str, subject: Subject, facts: Facts) -> int | None:
    """This person's ticket for a matter."""
    return facts.mark(HELD, key_of(subject, matter))


def before(matter: str, number: int, facts: Facts) -> int:
    """How many are still to be called before a number."""
    return max(0, number - called(matter, facts) - 1)


def issue(matter: str, subject: Subject, facts: Facts) -> tuple[int, tuple[Mark, ...]]:
    """The next number, and the marks of its record."""
    number, ends_ms = issued(matter, facts) + 1, _ends_ms(facts)
    return number, (
        Mark(ISSUED, matter.encode(), number, ends_ms),
        Mark(TAKEN, _key(matter, number), facts.now_ms, ends_ms),
        hold(matter, subject, number, facts),
    )


def hold(matter: str, subject: Subject, number: int | None, facts: Facts) -> Mark:
    """This is the person's ticket from now on; ``None``: the person has none."""
    return Mark(HELD, key_of(subject, matter), number, _ends_ms(facts))


def call_next(matters: Iterable[str], facts: Facts) -> tuple[str, int, tuple[Mark, ...]] | None:
    """Of several matters, the ticket that was taken first, and the marks of its record; ``None`` if nobody waits."""
    waiting = [
        (facts.mark(TAKEN, _key(matter, number)) or 0, matter, number)
        for matter in matters
        if (number := called(matter, facts) + 1) <= issued(matter, facts)
    ]
    if not waiting:
        return None
    _, matter, number = min(waiting)
    ends_ms = _ends_ms(facts)
    return (
        matter,
        number,
        (
            Mark(CALLED, matter.encode(), number, ends_ms),
            Mark(TAKEN, _key(matter, number), None, ends_ms),
        ),
    )


def _key(matter: str, number: int) -> bytes:
    return f"{matter}/{number}".encode()


def _ends_ms(facts: Facts) -> int:
    return midnight_ms(facts)
