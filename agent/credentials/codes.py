"""The verdict on a code: text in, credential or reason out; no I/O. docs/code-format.md §5 is the rulebook.

Checks, in this order, the first that fails is the reason:

1. somebody else's code; prefix, length, Base45, suite;
2. the trust list is in force, has a row for issuer and ``kid`` that counts at this site, and was the key's at ``iat``;
3. the issuer's signature; then nothing said beyond the row: time to live, entitlements, static;
4. the clock is good enough; ``iat <= now < iat + ttl``;
5. the lane takes static codes, or the device's signature, which the signed suite byte demands;
6. freshness: not shown too long ago, nor in the future beyond the phone's skew;
7. status list, emergency list, a loss in any register;
8. the purpose, by the lane and by the row;
9. replay; of static codes of one token, the newest alone.

Until the issuer's signature holds, the work is one look-up, one HMAC and one verification by one key, whatever the
text. Where the clock is uncertain, a moment within its uncertainty counts for the citizen, and replay marks are kept
for as long as that can last.

Of a medium in a register the subject and the entitlements count only if they are of the issuer's own namespace: an
issuer chooses its tokens, and must not choose another's citizens with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.clock import Moment
from agent.credentials import cwt, printed, replay
from agent.credentials.ec1 import Ec1, Ec1Error, Issued, Shown, parse
from agent.credentials.evidence import CodeEvidence
from agent.credentials.foreign import classify
from agent.credentials.lists import Lists
from agent.credentials.register import Holder, known_holder
from agent.credentials.trust import Freshness, TrustList, TrustRow
from agent.signatures import KeyInvalid, load_public
from profiles.api import Assurance, ClockState, Credential, Presented, Reason, Rejected, Subject
from profiles.code_reasons import CodeReason
from profiles.purpose import Purpose
from profiles.reasons import ReasonEnum
from profiles.rules.codes import MAX_CLOCK_UNCERTAINTY_MS, MAX_LIFETIME_MS, CodePolicy

SOURCE = "citizen-code"


@dataclass(frozen=True, slots=True)
class _Read:
    """A code whose issuer's signature holds, and its text as it was read."""

    text: str = field(repr=False)
    code: Ec1
    row: TrustRow
    token: bytes
    entitlements: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What a code proves by itself: whose token it is, in whose namespace its person is, which showing, and what it was
    shown for: both ``None`` for a printed code; and what its issuer's codes are good for.
    """

    token: bytes
    namespace: str
    showing: bytes | None
    purpose: int | None = None
    issuers: frozenset[Purpose] = frozenset({Purpose.ANY})

    def serves(self, policy: CodePolicy) -> bool:
        """Check 8: whether it was shown, and issued, for what it is used for."""
        return policy.allows(self.purpose, self.issuers)


_WIDEST = CodePolicy(
    lifetime_ms=MAX_LIFETIME_MS, skew_ms=60_000, purposes=frozenset(Purpose), static=True,
    max_clock_uncertainty_ms=MAX_CLOCK_UNCERTAINTY_MS,
)  # fmt: skip


def proof(text: str, trust: TrustList, at_ms: int) -> Proof | ReasonEnum:
    """Whether the holder was there at ``at_ms``, for somebody who was not: the platform. Checks 1 to 6, as any lane may
    have made them; lists and replay are the reader's own affair.
    """
    read = _read(text, trust, None, at_ms)
    if not isinstance(read, _Read):
        return read
    moment = Moment(at_ms, ClockState.SYNCHRONISED, MAX_CLOCK_UNCERTAINTY_MS)
    refusal = (
        _validity(read.code.issued, _WIDEST, moment)
        or _presence(read.code, _WIDEST)
        or _freshness(read.code.shown, _WIDEST, moment)
    )
    if refusal is not None:
        return refusal
    shown = read.code.shown
    return Proof(
        read.token,
        read.row.namespace,
        None if shown is None else replay.showing(read.row.issuer, read.token, shown.at_s),
        None if shown is None else shown.purpose,
        read.row.purposes,
    )


class CodeVerifier:
    """Judges codes for all lanes of one terminal."""

    def __init__(self, site: str = "") -> None:
        self._site = site

    def verdict(
        self, text: str, policy: CodePolicy, moment: Moment, marks: replay.Marks, lists: Lists
    ) -> Presented | Rejected:
        """The verdict on the text of one code, by one snapshot of the lists."""
        read = _read(text, lists.trust, self._site, moment.least_ms)
        if not isinstance(read, _Read):
            return Rejected(read)
        rows = lists.register.holders(read.token)
        holder = known_holder([row for row in rows if row.subject.namespace == read.row.namespace])
        subject = holder.subject if holder else Subject(read.row.namespace, read.token, provisional=True)
        refusal = (
            _validity(read.code.issued, policy, moment)
            or _presence(read.code, policy)
            or _freshness(read.code.shown, policy, moment)
            or _revocation(read, rows, lists, moment.least_ms)
            or _purpose(read, policy)
        )
        if refusal is not None:
            return Rejected(refusal, read.token, subject)
        entitlements, shown = _entitlements(read, holder, lists), read.code.shown
        if shown is not None:
            return _once(read, subject, entitlements, shown, moment.now_ms, marks)
        issued = read.code.issued
        if printed.is_superseded(marks, issued, read.token, moment.now_ms):
            return Rejected(CodeReason.SUPERSEDED, read.token, subject)
        kept = printed.acceptance(marks, issued, read.token, moment.now_ms)
        proof = CodeEvidence(read.text).encode()
        return Presented(
            Credential(read.token, subject, SOURCE, Assurance.STATIC_CODE, entitlements, marks=kept, evidence=proof)
        )


def _read(text: str, trust: TrustList | None, site: str | None, now_ms: int) -> _Read | ReasonEnum:
    """Checks 1 to 3: on the text, the trust list and the issuer's signature; without a site it counts anywhere."""
    try:
        code = parse(text)
    except Ec1Error as error:
        return classify(text) or error.reason
    issued = code.issued
    if trust is None or trust.expiry(now_ms).freshness is Freshness.EXPIRED:
        return CodeReason.TRUST_EXPIRED
    row = trust.row(issued.issuer, issued.kid)
    if row is None or row.key.algorithm is not issued.suite.issuer:
        return CodeReason.ISSUER_UNKNOWN
    if site is not None and not row.counts_at(site):
        return CodeReason.ISSUER_ELSEWHERE
    if not row.valid_at(issued.iat_s * 1000):
        return CodeReason.ISSUER_KEY_INVALID
    token, entitlements = cwt.unmask(issued, row)
    if not row.key.verify(issued.signature, cwt.issuer_signed(issued, row.namespace, token, entitlements)):
        return CodeReason.FORGED
    exceeds = issued.ttl_h > row.max_ttl_hours or entitlements & ~row.entitlements
    if exceeds or (code.shown is None and not row.static_allowed):
        return CodeReason.ISSUER_EXCEEDED
    return _Read(text, code, row, token, entitlements)


def _validity(issued: Issued, policy: CodePolicy, moment: Moment) -> CodeReason | None:
    """Check 4."""
    if not policy.believes(untrusted=moment.state is ClockState.UNTRUSTED, uncertainty_ms=moment.uncertainty_ms):
        return CodeReason.CLOCK_UNTRUSTED
    uncertainty_ms = _uncertainty_ms(policy, moment)
    if moment.least_ms + uncertainty_ms < issued.iat_s * 1000:
        return CodeReason.NOT_YET_VALID
    if moment.least_ms - uncertainty_ms >= issued.exp_s * 1000:
        return CodeReason.EXPIRED
    return None


def _presence(code: Ec1, policy: CodePolicy) -> CodeReason | None:
    """Check 5: what proves that the phone was there, demanded by the suite that the issuer signed."""
    issued, shown = code.issued, code.shown
    if issued.suite.device is None or shown is None:
        return None if policy.static else CodeReason.STATIC_REFUSED
    try:
        key = load_public(issued.suite.device, issued.device_key)
    except KeyInvalid:
        return CodeReason.DEVICE_FORGED
    signed = cwt.device_signed(issued.encode(), issued.suite.device, shown.payload)
    return None if key.verify(shown.signature, signed) else CodeReason.DEVICE_FORGED


def _freshness(shown: Shown | None, policy: CodePolicy, moment: Moment) -> CodeReason | None:
    """Check 6. A static code has its time to live and nothing else."""
    if shown is None:
        return None
    age_ms, uncertainty_ms = moment.least_ms - shown.at_s * 1000, _uncertainty_ms(policy, moment)
    if age_ms > policy.lifetime_ms + uncertainty_ms:
        return CodeReason.STALE
    if age_ms < -(policy.skew_ms + uncertainty_ms):
        return CodeReason.FROM_FUTURE
    return None


def _uncertainty_ms(policy: CodePolicy, moment: Moment) -> int:
    """Bounded, so that no clock keeps a code fresh for longer than its replay mark lives."""
    return min(moment.uncertainty_ms, policy.max_clock_uncertainty_ms)


def _revocation(read: _Read, rows: Sequence[Holder], lists: Lists, now_ms: int) -> ReasonEnum | None:
    """Check 7."""
    status = lists.status.get(read.row.issuer)
    if status is None or status.term.expiry(now_ms).freshness is Freshness.EXPIRED:
        return CodeReason.STATUS_MISSING
    if status.revoked(read.code.issued.status_index) or lists.emergency.holds(read.token):
        return CodeReason.REVOKED
    return Reason.MEDIUM_LOST if any(row.lost for row in rows) else None


def _purpose(read: _Read, policy: CodePolicy) -> CodeReason | None:
    """Check 8."""
    shown = read.code.shown
    allowed = policy.allows(None if shown is None else shown.purpose, read.row.purposes)
    return None if allowed else CodeReason.WRONG_PURPOSE


def _once(
    read: _Read, subject: Subject, entitlements: frozenset[str], shown: Shown, now_ms: int, marks: replay.Marks
) -> Presented | Rejected:
    """Check 9; what passes it carries the marks by which the next showing of the same will not."""
    showing = replay.showing(read.row.issuer, read.token, shown.at_s)
    if replay.was_accepted(marks, showing, now_ms):
        return Rejected(CodeReason.REPLAYED, read.token, subject, showing)
    if replay.is_forgotten(marks, shown.at_s, now_ms):
        return Rejected(CodeReason.REPLAY_UNKNOWN, read.token, subject)
    credential = Credential(
        medium=read.token,
        subject=subject,
        source=SOURCE,
        assurance=Assurance.DYNAMIC_CODE,
        entitlements=entitlements,
        purpose=Purpose(shown.purpose),
        presentation=showing,
        marks=replay.acceptance(marks, showing, shown.at_s, now_ms),
        evidence=CodeEvidence(read.text).encode(),
    )
    return Presented(credential)


def _entitlements(read: _Read, holder: Holder | None, lists: Lists) -> frozenset[str]:
    """What the issuer says by the registry's names, and what the register says of the medium."""
    names = lists.trust.names_of(read.entitlements) if lists.trust is not None else frozenset()
    return names | (holder.entitlements if holder is not None else frozenset())
