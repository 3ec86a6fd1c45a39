"""The verdict on permits: texts in, permits or a reason out; no I/O. Checks, the first that fails is the reason:

1. as many texts as the act needs people;
2. each: form; the platform's signature on the permit; the device's on the act;
3. this terminal, this act, this challenge;
4. the permit's terminals and sites; its term; whether it was revoked; its roles;
5. of two: different people, permits and devices.

The challenge is drawn by the terminal and counts once, so that freshness hangs on no clock. A term needs one: where the
terminal's time is not trusted, a permit has ended only if something signed was made after its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent import cose
from agent.bundles.check import Place
from agent.clock import Moment
from agent.permits.acts import NEEDS, Need, ServiceAct
from agent.permits.reasons import PermitReason
from agent.permits.text import PermitRefused, SignedAct, read_act
from agent.sync.contract.permits import Permit
from profiles.api import ClockState

ALWAYS_MS = 2**53


@dataclass(frozen=True, slots=True)
class Span:
    """What is known of the time: it is between these two moments, Unix milliseconds."""

    earliest_ms: int
    latest_ms: int

    @classmethod
    def of(cls, moment: Moment, signed_ms: int) -> Span:
        """By the clock where it is trusted, else by the newest moment that anything signed carried."""
        if moment.state is ClockState.UNTRUSTED:
            return cls(signed_ms, ALWAYS_MS)
        return cls(moment.now_ms - moment.uncertainty_ms, moment.now_ms + moment.uncertainty_ms)


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be done, where, when, and the challenge that was shown for it."""

    act: ServiceAct
    place: Place
    challenge: bytes
    span: Span


@dataclass(frozen=True, slots=True)
class Believed:
    """Whose permits count: the platform's keys of the role *technician*, and which permits were revoked."""

    issuers: Mapping[bytes, cose.VerifyKey]
    revoked: Callable[[bytes], bool]


def judge(texts: Sequence[str], question: Question, believed: Believed) -> tuple[Permit, ...] | PermitReason:
    """The permits under which the act may be done, in the order of the texts; or why it may not."""
    need = NEEDS[question.act]
    if not texts:
        return PermitReason.MISSING
    if len(texts) > need.people:
        return PermitReason.MALFORMED
    permits: list[Permit] = []
    for text in texts:
        try:
            signed = read_act(text, believed.issuers)
        except PermitRefused as error:
            return error.reason
        refusal = _refusal(signed, question, need, believed)
        if refusal is not None:
            return refusal
        permits.append(signed.permit)
    return _people(permits, need) or tuple(permits)


def _refusal(signed: SignedAct, question: Question, need: Need, believed: Believed) -> PermitReason | None:
    act, permit, place, span = signed.act, signed.permit, question.place, question.span
    checks = (
        (act.terminal == place.terminal, PermitReason.OTHER_TERMINAL),
        (act.act == question.act.code, PermitReason.OTHER_ACT),
        (act.challenge == question.challenge, PermitReason.STALE),
        (permit.counts_at(place.terminal, place.site), PermitReason.ELSEWHERE),
        (permit.from_ms <= span.latest_ms, PermitReason.NOT_YET),
        (span.earliest_ms < permit.until_ms, PermitReason.EXPIRED),
        (not believed.revoked(permit.id), PermitReason.REVOKED),
        (need.role.value in permit.roles, PermitReason.ROLE),
    )
    return next((reason for holds, reason in checks if not holds), None)


def _people(permits: Sequence[Permit], need: Need) -> PermitReason | None:
    if len(permits) < need.people:
        return PermitReason.SECOND
    different = all(
        len(set(values)) == len(permits)
        for values in (
            [permit.holder for permit in permits],
            [permit.id for permit in permits],
            [permit.device for permit in permits],
        )
    )
    return None if different else PermitReason.SAME_PERSON
