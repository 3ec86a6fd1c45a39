"""What staff beside a screen see of a holder: the masked name of the site's roster."""

from __future__ import annotations

from profiles.api import Facts, Show, Subject
from profiles.reasons import Sentence


def name_of(subject: Subject, facts: Facts) -> str:
    """Such as 张*三; empty for whom the roster does not name."""
    person = facts.person(subject)
    return "" if person is None else person.shown_as


def whole(show: Show) -> Sentence:
    """All that stands on the screen: whom it is about, and the sentence."""
    said = show.sentence
    return Sentence(f"{show.name}，{said.zh}", f"{show.name}: {said.en}") if show.name else said
