"""The two other sides of a citizen code: the issuer, who signs a credential, and the phone, which signs its showing.

Neither is the terminal's work; ``onecard code``, the reference platform and the tests use them. docs/code-format.md §6.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from agent.credentials import cwt
from agent.credentials.ec1 import EPOCH_S, HOUR_S, Ec1, Issued, Shown, Suite
from agent.credentials.masking import masked
from agent.signatures import PrivateKey, PublicKey
from profiles.purpose import Purpose


@dataclass(frozen=True, slots=True)
class IssuingKey:
    """What an issuer signs with; ``namespace`` and ``reading_key`` are those of its row in the trust list."""

    issuer: int
    kid: int
    namespace: str
    key: PrivateKey
    reading_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What is to be said of one holder: a token of 16 bytes, the entry in the status list, entitlement bits, a term."""

    token: bytes
    status_index: int
    entitlements: int
    iat_h: int
    ttl_h: int


def hour_of(unix_s: int) -> int:
    """The hour in which a moment lies, as ``iat`` counts them."""
    return (unix_s - EPOCH_S) // HOUR_S


def issue(by: IssuingKey, grant: Grant, device: PublicKey | None) -> Issued:
    """A credential for the phone that holds ``device``, or a static one for print."""
    blank = Issued(
        suite=Suite(by.key.algorithm, device.algorithm if device is not None else None),
        issuer=by.issuer,
        kid=by.kid,
        iat_h=grant.iat_h,
        ttl_h=grant.ttl_h,
        status_index=grant.status_index,
        masked=b"",
        device_key=device.encoded if device is not None else b"",
        signature=b"",
    )
    fields = grant.token + grant.entitlements.to_bytes(4, "big")
    signed = cwt.issuer_signed(blank, by.namespace, grant.token, grant.entitlements)
    return replace(
        blank,
        masked=masked(fields, by.reading_key, blank.head, blank.device_key),
        signature=by.key.sign(signed),
    )


def show(issued: Issued, device: PrivateKey, at_s: int, purpose: Purpose, nonce: bytes) -> Ec1:
    """One showing: what the phone signs anew every few seconds; ``nonce`` is 4 random bytes."""
    moment = Shown(at_s, purpose, nonce, signature=b"")
    signed = cwt.device_signed(issued.encode(), device.algorithm, moment.payload)
    return Ec1(issued, replace(moment, signature=device.sign(signed)))
