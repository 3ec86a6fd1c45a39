"""Consent (监护人同意): below 14 nobody is served by card or code before a guardian agreed (个人信息保护法 art. 31).

The school says so in its roster, one word a pupil. It holds wherever that roster is asked, and needs no setting; nobody
is kept inside by it.
"""

from __future__ import annotations

from collections.abc import Iterator

from profiles.api import Facts, Subject
from profiles.pupil import Consent
from profiles.reasons import ReasonEnum, Sentence
from profiles.trace import Asked, Rule

_S = Sentence


class ConsentReason(ReasonEnum):
    """What is said to a pupil whose guardian has not agreed."""

    NO_CONSENT = (
        "no-consent",
        _S("家长尚未同意使用校园码，请找工作人员登记", "Your guardian has not agreed yet; please ask the staff"),
        _S("名册：不满 14 周岁，监护人未同意", "the roster: below 14, and no guardian has consented"),
    )


def rules(subject: Subject, facts: Facts) -> Iterator[Asked]:
    """Whether a guardian had to agree, and did; of others nothing is asked."""
    person = facts.person(subject)
    if person is not None and person.pupil is not None and person.pupil.consent is not Consent.NOT_NEEDED:
        yield Rule.CONSENT, person.pupil.consent is Consent.GIVEN, ConsentReason.NO_CONSENT
