"""A visit to a place, as a fact that another scene may go by: a car park waives minutes for the service hall's.

At the terminal where it happened it is a durable mark of the day, saved with the record of the visit. Elsewhere it is
an area of the site's signed roster, ``<place>-<YYYYMMDD>``, which the platform publishes from the journals that it has.
"""

from __future__ import annotations

from profiles.api import Facts, Mark, Subject
from profiles.dates import midnight_ms
from profiles.rules.tally import key_of

SCOPE = "visits"


def visit(place: str, subject: Subject, facts: Facts) -> Mark:
    """The mark of a visit: it holds until midnight."""
    return Mark(SCOPE, key_of(subject, place), facts.now_ms, midnight_ms(facts))


def visited(place: str, subject: Subject, facts: Facts) -> bool:
    """Whether this person was there today."""
    if facts.mark(SCOPE, key_of(subject, place)) is not None:
        return True
    person = facts.person(subject)
    return person is not None and f"{place}-{facts.local_time:%Y%m%d}" in person.areas
