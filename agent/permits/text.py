"""Permits and signed acts as text: a prefix and the Base32 (RFC 4648 §6, no padding) of a COSE_Sign1.

==================  ==============================================  =============================
prefix              signed by                                       ``external_aad``
==================  ==============================================  =============================
``ONECARD-PERMIT:`` a platform key of the role *technician*         ``onecard permit 1``
``ONECARD-ACT:``    the device key in the permit that it encloses   ``onecard act 1``
==================  ==============================================  =============================

All of it is in QR's alphanumeric mode, and survives being copied by hand and by mail: no case, no spaces.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent import cose
from agent.permits.reasons import PermitReason
from agent.sync.contract.errors import ContractError
from agent.sync.contract.permits import MAX_SIGNED_PERMIT_BYTES, Act, Permit

PERMIT_PREFIX, ACT_PREFIX = "ONECARD-PERMIT:", "ONECARD-ACT:"
CHALLENGE_BYTES = 5
"""Eight characters of Base32, which somebody types on another device; it counts once, at the terminal that drew it."""
MAX_TEXT_CHARS = 5_120
_PERMIT_CONTEXT, _ACT_CONTEXT = b"onecard permit 1", b"onecard act 1"
_MAX_ACT_BYTES = MAX_SIGNED_PERMIT_BYTES + 256


class PermitRefused(Exception):
    """The text does not count; ``reason`` says why, and nothing quotes it."""

    def __init__(self, reason: PermitReason) -> None:
        super().__init__(reason.technician.en)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SignedAct:
    """An act whose permit the platform signed, and whose signature is the permit's device's."""

    act: Act
    permit: Permit


def write_permit(permit: Permit, issuer: cose.Signer) -> str:
    """The text of a permit; ``issuer`` is a key of the role *technician*."""
    return PERMIT_PREFIX + _text(cose.sign1(permit.encode(), issuer, _PERMIT_CONTEXT))


def write_act(permit_text: str, terminal: str, act: str, challenge: bytes, device: cose.Signer) -> str:
    """An act under a permit, signed by its device. Raises :class:`PermitRefused` for what is no permit."""
    signed = _bytes(permit_text, PERMIT_PREFIX)
    act_message = Act(permit=signed, terminal=terminal, act=act, challenge=challenge)
    return ACT_PREFIX + _text(cose.sign1(act_message.encode(), device, _ACT_CONTEXT))


def read_permit(text: str) -> Permit:
    """What a permit says, for its holder to look at: nobody's signature is verified. Raises :class:`PermitRefused`."""
    return _unverified(_bytes(text, PERMIT_PREFIX))


def read_act(text: str, issuers: Mapping[bytes, cose.VerifyKey]) -> SignedAct:
    """An act by a device, under a permit by one of ``issuers``. Raises :class:`PermitRefused`."""
    if _plain(text).startswith(PERMIT_PREFIX):
        raise PermitRefused(PermitReason.STATIC)
    message = _bytes(text, ACT_PREFIX)
    try:
        act = Act.decode(cose.unverified(message, max_payload_bytes=_MAX_ACT_BYTES))
    except (cose.CoseError, ContractError) as error:
        raise PermitRefused(PermitReason.MALFORMED) from error
    permit = _unverified(act.permit)
    try:
        cose.verify1(act.permit, issuers, _PERMIT_CONTEXT, max_payload_bytes=MAX_SIGNED_PERMIT_BYTES)
    except cose.CoseError as error:
        raise PermitRefused(PermitReason.FORGED) from error
    try:
        device = cose.keyring([key_of(permit.device)])
        cose.verify1(message, device, _ACT_CONTEXT, max_payload_bytes=_MAX_ACT_BYTES)
    except cose.CoseError as error:
        raise PermitRefused(PermitReason.DEVICE_FORGED) from error
    return SignedAct(act, permit)


def key_of(point: bytes) -> cose.VerifyKey:
    """The device key of a permit. Raises :class:`~agent.cose.CoseError`."""
    try:
        return cose.VerifyKey.of(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))
    except ValueError as error:
        raise cose.CoseError("not a point of P-256") from error


def point_of(public: ec.EllipticCurvePublicKey) -> bytes:
    """As a permit names it: compressed (SEC 1 §2.3.3)."""
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def challenge_text(challenge: bytes) -> str:
    """As the terminal shows it."""
    return _text(challenge)


def challenge_of(text: str) -> bytes:
    """What somebody typed. Raises :class:`PermitRefused`."""
    challenge = _decoded(_plain(text).replace("-", ""))
    if len(challenge) != CHALLENGE_BYTES:
        raise PermitRefused(PermitReason.MALFORMED)
    return challenge


def _unverified(signed: bytes) -> Permit:
    try:
        return Permit.decode(cose.unverified(signed, max_payload_bytes=MAX_SIGNED_PERMIT_BYTES))
    except (cose.CoseError, ContractError) as error:
        raise PermitRefused(PermitReason.MALFORMED) from error


def _plain(text: str) -> str:
    if len(text) > MAX_TEXT_CHARS:
        raise PermitRefused(PermitReason.MALFORMED)
    return "".join(text.split()).upper()


def _bytes(text: str, prefix: str) -> bytes:
    plain = _plain(text)
    if not plain.startswith(prefix):
        raise PermitRefused(PermitReason.MALFORMED)
    return _decoded(plain.removeprefix(prefix))


def _decoded(plain: str) -> bytes:
    try:
        return base64.b32decode(plain + "=" * (-len(plain) % 8))
    except (binascii.Error, ValueError) as error:
        raise PermitRefused(PermitReason.MALFORMED) from error


def _text(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=")
