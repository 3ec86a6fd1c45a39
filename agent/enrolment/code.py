"""The enrolment code as text: ``ONECARD:`` and the Base32 (RFC 4648 §6, no padding) of a COSE_Sign1.

All of it is in QR's alphanumeric mode, and survives being copied by hand and by mail: no case, no spaces, no signs.

The code's own root signs it, so that no bit of it can be changed. Whether that root is the platform's, only somebody
who knows it already can say: the box's package (``--root``), or its key store, where it was a terminal before.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection

from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.enrolment.errors import EnrolError, EnrolFault
from agent.sync.contract.enrol import EnrolCode
from agent.sync.contract.errors import ContractError

PREFIX = "ONECARD:"
MAX_TEXT_CHARS = 1_200
_MAX_PAYLOAD_BYTES = 640
_CONTEXT = b"onecard enrolment code 1"


def write(code: EnrolCode, root: cose.Signer) -> str:
    """The text of a code; ``root`` is the key that it names."""
    return PREFIX + base64.b32encode(cose.sign1(code.encode(), root, _CONTEXT)).decode().rstrip("=")


def is_one(text: str) -> bool:
    """Whether a text that was scanned means to be a code."""
    return text.startswith(PREFIX)


def read(text: str, roots: Collection[bytes] = ()) -> EnrolCode:
    """The code of a text; ``roots`` are the ``kid`` of the roots that this box trusts, none: it trusts nobody yet.

    Raises :class:`EnrolError`.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise EnrolError(EnrolFault.CODE)
    text = "".join(text.split()).upper()
    if not is_one(text) or not text.isascii():
        raise EnrolError(EnrolFault.CODE)
    try:
        message = _bytes_of(text.removeprefix(PREFIX))
        code = EnrolCode.decode(cose.unverified(message, max_payload_bytes=_MAX_PAYLOAD_BYTES))
        root = key_of(code.root)
    except (binascii.Error, cose.CoseError, ContractError) as error:
        raise EnrolError(EnrolFault.CODE) from error
    try:
        cose.verify1(message, cose.keyring([root]), _CONTEXT, max_payload_bytes=_MAX_PAYLOAD_BYTES)
    except cose.CoseError as error:
        raise EnrolError(EnrolFault.FORGED_CODE) from error
    if roots and root.kid not in roots:
        raise EnrolError(EnrolFault.FOREIGN)
    return code


def _bytes_of(text: str) -> bytes:
    """Raises ``binascii.Error``."""
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError as error:
        raise binascii.Error from error


def key_of(point: bytes) -> cose.VerifyKey:
    """The key of a point. Raises :class:`~agent.cose.CoseError`."""
    try:
        return cose.VerifyKey.of(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))
    except ValueError as error:
        raise cose.CoseError("not a point of P-256") from error
