"""A small city for the demo and the benches: issuers of citizen codes, phones, and the signed lists that name them.

All of it is made as an operator makes it with ``onecard code``, ``onecard trust`` and ``onecard status-list``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose, signatures
from agent.bundles.manifest import Kind
from agent.clock import SystemRandom
from agent.credentials.ec1 import Ec1
from agent.credentials.trust import TrustRow
from agent.signatures import Algorithm, PrivateKey
from profiles.purpose import Purpose
from tools import bundles, citizen_code
from tools.bundles import Issue
from tools.citizen_code import Grant, IssuingKey

ENTITLEMENTS = ("elder", "student", "disabled", "veteran", "talent", "staff", "resident", "minor")
"""The names of the entitlement bits, from bit 0."""
STATUS_ENTRIES = 1024
TTL_H = 24
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs credentials: its keys, and the row that makes terminals trust it, from yesterday until tomorrow."""

    key: IssuingKey
    row: TrustRow

    @classmethod
    def found(cls, number: int, algorithm: Algorithm, now_ms: int) -> Issuer:
        """A new issuer that may say anything, static codes included; ``number`` has 16 bits."""
        private = signatures.generate(algorithm)
        key = IssuingKey(number, 1, "city", private, SystemRandom().token(32))
        row = TrustRow(
            issuer=number,
            kid=key.kid,
            key=private.public,
            valid_from_ms=now_ms - _DAY_MS,
            valid_until_ms=now_ms + _DAY_MS,
            namespace=key.namespace,
            entitlements=(1 << len(ENTITLEMENTS)) - 1,
            purposes=frozenset({Purpose.ANY}),
            max_ttl_hours=TTL_H,
            static_allowed=True,
            reading_key=key.reading_key,
        )
        return cls(key, row)

    def grant(self, status_index: int, entitlements: Iterable[str], issued_s: int, ttl_h: int = TTL_H) -> Grant:
        """What is said of somebody new."""
        bits = sum(1 << ENTITLEMENTS.index(name) for name in entitlements)
        return Grant(SystemRandom().token(16), status_index, bits, citizen_code.hour_of(issued_s), ttl_h)

    def printed(self, grant: Grant) -> str:
        """A static code, for paper."""
        return Ec1(citizen_code.issue(self.key, grant, None)).text


@dataclass(frozen=True)
class Phone:
    """A citizen's phone with one credential."""

    issuer: Issuer
    grant: Grant
    key: PrivateKey = field(default_factory=lambda: signatures.generate(Algorithm.ES256))

    def code(self, shown_s: int, purpose: Purpose = Purpose.ANY) -> str:
        """The code that the phone shows at this moment."""
        issued = citizen_code.issue(self.issuer.key, self.grant, self.key.public)
        return citizen_code.show(issued, self.key, shown_s, purpose, SystemRandom().token(4)).text


def trust_list(
    issuers: Iterable[Issuer], terminals: Sequence[ec.EllipticCurvePublicKey], signer: cose.Signer, now_ms: int
) -> bytes:
    """The bundle by which terminals trust these issuers; ``signer`` has the role *root*."""
    content = bundles.trust_content([issuer.row for issuer in issuers], dict(enumerate(ENTITLEMENTS)), terminals)
    return bundles.full_bundle(_issue(Kind.TRUST, Kind.TRUST.value, 1, now_ms), content, signer)


def deny_list(issuer: Issuer, version: int, revoked: Iterable[int], signer: cose.Signer, now_ms: int) -> bytes:
    """The bundle that says which of an issuer's credentials are revoked; ``signer`` has the role *bundle*."""
    content = bundles.status_content(STATUS_ENTRIES, revoked)
    name = f"{Kind.STATUS.value}-{issuer.key.issuer}"
    return bundles.full_bundle(_issue(Kind.STATUS, name, version, now_ms), content, signer)


def _issue(kind: Kind, name: str, version: int, now_ms: int) -> Issue:
    return Issue(kind, name, version, now_ms, now_ms + _DAY_MS, grace_ms=0, audience="all")
