"""Prescriptions that are paid and wait at the pharmacy: a few durable marks a person, shared by a terminal's lanes.

A mark a place, so that a person's can be told without a list of all: the first free one takes the next prescription.
"""

from __future__ import annotations

from profiles.api import Facts, Mark, Subject
from profiles.rules.tally import key_of

SCOPE = "hospital.medicine"
MAX_WAITING = 8
_PLACES = 2 * MAX_WAITING
"""What other lanes were asking to be paid when there was room still, or was put back, has a place all the same."""
KEPT_MS = 30 * 86_400_000
"""Whoever does not come in this time asks at the counter."""


def waiting(subject: Subject, facts: Facts) -> tuple[int, ...]:
    """The paid prescriptions of a person, each once."""
    found = (facts.mark(SCOPE, _key(subject, place)) for place in range(_PLACES))
    return tuple(sorted({number for number in found if number is not None}))


def has_room(subject: Subject, facts: Facts) -> bool:
    """Whether one more may wait."""
    return len(waiting(subject, facts)) < MAX_WAITING


def paid(number: int, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
    """The mark of one more that is paid; none where there is no room."""
    place = _free(subject, facts)
    return () if place is None else (Mark(SCOPE, _key(subject, place), number, facts.now_ms + KEPT_MS),)


def taken(numbers: tuple[int, ...], subject: Subject, facts: Facts) -> tuple[Mark, ...]:
    """The marks that these wait no more."""
    keys = (_key(subject, place) for place in range(_PLACES))
    return tuple(Mark(SCOPE, key, None, facts.now_ms) for key in keys if facts.mark(SCOPE, key) in numbers)


def put_back(numbers: tuple[int, ...], subject: Subject, facts: Facts) -> tuple[Mark, ...]:
    """The marks of prescriptions that wait again after all, as far as there is room."""
    free = [place for place in range(_PLACES) if facts.mark(SCOPE, _key(subject, place)) is None]
    ends_ms = facts.now_ms + KEPT_MS
    return tuple(
        Mark(SCOPE, _key(subject, place), number, ends_ms) for place, number in zip(free, numbers, strict=False)
    )


def _free(subject: Subject, facts: Facts) -> int | None:
    places = range(_PLACES)
    return next((place for place in places if facts.mark(SCOPE, _key(subject, place)) is None), None)


def _key(subject: Subject, place: int) -> bytes:
    return key_of(subject, str(place))
