"""Escort (陪同): a visitor passes when somebody who may vouch for him shows a credential soon after.

The visitor shows his own first and waits; the escort shows his within ``within_ms``; then the way is open for the
visitor, and both stand in the journal. Where ``same_unit`` is set, only the visitor's host may escort him: somebody
whom the site's roster has in the same unit.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Assurance, Credential, Facts, State, Subject
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.admission import Code

_S = Sentence


class EscortReason(ReasonEnum):
    """What is said to visitors and those who escort them."""

    ESCORT_AWAITED = (
        "escort-awaited",
        _S("请陪同人刷卡", "Please let your escort present a card now"),
        _S("等待陪同人出示凭证", "waiting for the escort's credential"),
        True,
    )
    ESCORT_MISSING = (
        "escort-missing",
        _S("没有陪同人刷卡，请与陪同人一起再来", "No escort presented a card; please come again with your escort"),
        _S("限定时间内没有陪同人出示凭证", "nobody who may escort presented a credential in time"),
        True,
    )
    ESCORTED = (
        "escorted",
        _S("请访客通行", "Please let your visitor pass"),
        _S("此人陪同所指记录的访客", "this person escorts the visitor of the named record"),
    )


class Awaiting(State):
    """A visitor who waits for the escort; the evidence of a code stays with the record of its showing."""

    record_id: bytes
    medium: bytes
    subject_namespace: str
    subject_id: bytes
    provisional: bool
    source: str
    assurance: Assurance
    presentation: bytes | None
    since_ms: int

    @property
    def credential(self) -> Credential:
        """What was shown, as far as the way is concerned."""
        return Credential(
            self.medium,
            Subject(self.subject_namespace, self.subject_id, self.provisional),
            self.source,
            self.assurance,
            presentation=self.presentation,
        )


class Escort(BaseModel):
    """Settings of one lane."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    needed_by: frozenset[Code] = Field(
        default=frozenset(), description="entitlements and roster categories of those who need an escort, as visitor"
    )
    by: frozenset[Code] = Field(
        default=frozenset(), description="the same of those who may escort; empty: whoever is admitted and needs none"
    )
    same_unit: bool = Field(default=False, description="only somebody of the visitor's unit in the roster: the host")
    within_ms: int = Field(default=15_000, ge=1_000, le=120_000)

    def is_needed(self, credential: Credential, facts: Facts) -> bool:
        """Whether this person does not pass alone."""
        return bool(self.needed_by) and not self.needed_by.isdisjoint(_called(credential, facts))

    def awaits(self, credential: Credential, record_id: bytes, facts: Facts) -> Awaiting:
        """The visitor, from now on."""
        return Awaiting(
            record_id=record_id,
            medium=credential.medium,
            subject_namespace=credential.subject.namespace,
            subject_id=credential.subject.id,
            provisional=credential.subject.provisional,
            source=credential.source,
            assurance=credential.assurance,
            presentation=credential.presentation,
            since_ms=facts.now_ms,
        )

    def may(self, escort: Credential, awaiting: Awaiting, facts: Facts) -> bool:
        """Whether this person, who may pass himself, vouches for the one who waits."""
        visitor = awaiting.credential
        if visitor.subject == escort.subject or not 0 <= facts.now_ms - awaiting.since_ms < self.within_ms:
            return False
        if self.by and self.by.isdisjoint(_called(escort, facts)):
            return False
        if not self.same_unit:
            return True
        host, guest = facts.person(escort.subject), facts.person(visitor.subject)
        return host is not None and guest is not None and bool(host.unit) and host.unit == guest.unit


def _called(credential: Credential, facts: Facts) -> frozenset[str]:
    person = facts.person(credential.subject)
    return credential.entitlements | (frozenset() if person is None else frozenset({person.category}))
