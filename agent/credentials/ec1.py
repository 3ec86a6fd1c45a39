"""The citizen code EC1 on the wire: ``EC1:`` and Base45 of fixed binary fields, big-endian (docs/code-format.md §2).

========================  =====  ==================================================================================
field                     bytes  meaning
========================  =====  ==================================================================================
suite                     1      high nibble: the issuer's algorithm; low nibble: the device's, 0 for a static code
issuer, kid               2, 2   the row of the trust list
iat                       3      hours since 2020-01-01T00:00Z
ttl                       2      hours
token                     16     masked
status index              4      the entry of the issuer's status list
entitlements              4      bit mask, masked
device key                33     compressed point; Ed25519: 32; a static code has none
issuer signature          64     r‖s
------------------------  -----  static codes end here: 98 bytes; what follows is signed anew for each showing
shown at                  4      Unix seconds
purpose, nonce            1, 4
device signature          64     r‖s
========================  =====  ==================================================================================
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from agent.credentials import base45
from agent.signatures import SIGNATURE_BYTES, Algorithm
from profiles.api import Reason
from profiles.code_reasons import CodeReason
from profiles.reasons import ReasonEnum

PREFIX = "EC1:"
EPOCH_S = 1_577_836_800
"""2020-01-01T00:00:00Z in Unix seconds: where ``iat`` counts from."""
HOUR_S = 3_600
STATIC_BYTES = 98
MAX_BYTES = 204

_ISSUED = struct.Struct(">BHH3sH16sI4s")
_HEAD = struct.Struct(">BHH3sHI")
_SHOWN = struct.Struct(">IB4s")
_POINT_BYTES = 33
_POINT_PREFIXES = frozenset({2, 3})
"""A compressed point, y even or odd (SEC 1 §2.3.3)."""
_TEXT_CHARS = frozenset({147, 305, 306})
"""Base45 of 98, 203 and 204 bytes."""


class Ec1Error(ValueError):
    """The text is no EC1 code; ``reason`` says why, and nothing quotes it."""

    def __init__(self, reason: ReasonEnum) -> None:
        super().__init__(reason.technician.en)
        self.reason = reason


class Suite(NamedTuple):
    """Who signs how. ``device`` is ``None`` for a static code."""

    issuer: Algorithm
    device: Algorithm | None

    @property
    def byte(self) -> int:
        """As it stands on the wire; signed, so that no device signature can be stripped."""
        return self.issuer.nibble << 4 | (self.device.nibble if self.device is not None else 0)

    @property
    def issued_bytes(self) -> int:
        """The size of a credential of this suite, its issuer's signature included."""
        return STATIC_BYTES + (self.device.key_bytes if self.device is not None else 0)

    @property
    def code_bytes(self) -> int:
        """The size of a whole code of this suite."""
        shown = 0 if self.device is None else _SHOWN.size + SIGNATURE_BYTES
        return self.issued_bytes + shown

    @staticmethod
    def of(byte: int) -> Suite | None:
        """The suite of a byte; ``None`` if either nibble is in no row of the table."""
        return _SUITES.get(byte)


_SUITES = {
    suite.byte: suite for suite in (Suite(issuer, device) for issuer in Algorithm for device in (None, *Algorithm))
}


@dataclass(frozen=True, slots=True)
class Issued:
    """What the issuer signed: it lies on the phone for its time to live, or is printed as a static code."""

    suite: Suite
    issuer: int
    kid: int
    iat_h: int
    """Hours since :data:`EPOCH_S`, 24 bits."""
    ttl_h: int
    status_index: int
    masked: bytes = field(repr=False)
    """``token ‖ entitlements``, 20 bytes: see :mod:`agent.credentials.masking`."""
    device_key: bytes = field(repr=False)
    """Empty for a static code."""
    signature: bytes = field(repr=False)

    @property
    def iat_s(self) -> int:
        """Issued at, Unix seconds."""
        return EPOCH_S + self.iat_h * HOUR_S

    @property
    def exp_s(self) -> int:
        """Valid before, Unix seconds."""
        return self.iat_s + self.ttl_h * HOUR_S

    @property
    def head(self) -> bytes:
        """The unmasked fields before the device key, 14 bytes: what the mask is derived from."""
        return _HEAD.pack(
            self.suite.byte, self.issuer, self.kid, self.iat_h.to_bytes(3, "big"), self.ttl_h, self.status_index
        )

    def encode(self) -> bytes:
        """The bytes on the wire, which the device's signature covers."""
        fields = _ISSUED.pack(
            self.suite.byte,
            self.issuer,
            self.kid,
            self.iat_h.to_bytes(3, "big"),
            self.ttl_h,
            self.masked[:16],
            self.status_index,
            self.masked[16:],
        )
        return fields + self.device_key + self.signature


@dataclass(frozen=True, slots=True)
class Shown:
    """What the phone signed at the moment of showing."""

    at_s: int
    """Unix seconds by the phone's clock."""
    purpose: int
    """A :class:`profiles.purpose.Purpose`, or a number that no version of it knows."""
    nonce: bytes
    signature: bytes = field(repr=False)

    @property
    def payload(self) -> bytes:
        """``shown at ‖ purpose ‖ nonce``, 9 bytes: the payload of the device's signature."""
        return _SHOWN.pack(self.at_s, self.purpose, self.nonce)


@dataclass(frozen=True, slots=True)
class Ec1:
    """A whole code. ``shown`` is ``None`` exactly if the suite is static."""

    issued: Issued
    shown: Shown | None = None

    def encode(self) -> bytes:
        """The bytes behind the prefix."""
        return self.issued.encode() + (b"" if self.shown is None else self.shown.payload + self.shown.signature)

    @property
    def text(self) -> str:
        """What the symbol holds, in QR alphanumeric mode."""
        return PREFIX + base45.encode(self.encode())


def parse(text: str) -> Ec1:
    """Read a code's text. Raises :class:`Ec1Error`: prefix, length and Base45, suite, length of the suite."""
    if not text.startswith(PREFIX):
        raise Ec1Error(Reason.CODE_UNKNOWN)
    if len(text) - len(PREFIX) not in _TEXT_CHARS:
        raise Ec1Error(CodeReason.DAMAGED)
    try:
        return decode(base45.decode(text[len(PREFIX) :]))
    except base45.Base45Error:
        raise Ec1Error(CodeReason.DAMAGED) from None


def decode(data: bytes) -> Ec1:
    """Read a code's bytes, of any length. Raises :class:`Ec1Error`."""
    suite = Suite.of(data[0]) if data else None
    if suite is None:
        raise Ec1Error(CodeReason.SUITE_UNKNOWN if data else CodeReason.DAMAGED)
    if len(data) != suite.code_bytes:
        raise Ec1Error(CodeReason.DAMAGED)
    issued = _issued(suite, data[: suite.issued_bytes])
    if suite.device is None:
        return Ec1(issued)
    at_s, purpose, nonce = _SHOWN.unpack_from(data, suite.issued_bytes)
    return Ec1(issued, Shown(at_s, purpose, nonce, signature=data[-SIGNATURE_BYTES:]))


def decode_issued(data: bytes) -> Issued:
    """Read what a phone stores: a credential with its issuer's signature. Raises :class:`Ec1Error`."""
    suite = Suite.of(data[0]) if data else None
    if suite is None or len(data) != suite.issued_bytes:
        raise Ec1Error(CodeReason.DAMAGED)
    return _issued(suite, data)


def _issued(suite: Suite, data: bytes) -> Issued:
    """The credential in bytes that have their suite's size. Raises :class:`Ec1Error`."""
    _, issuer, kid, iat, ttl_h, token, status_index, entitlements = _ISSUED.unpack_from(data)
    device_key = data[_ISSUED.size : -SIGNATURE_BYTES]
    if len(device_key) == _POINT_BYTES and device_key[0] not in _POINT_PREFIXES:
        raise Ec1Error(CodeReason.DAMAGED)  # its expansion would not be unique
    return Issued(
        suite=suite,
        issuer=issuer,
        kid=kid,
        iat_h=int.from_bytes(iat, "big"),
        ttl_h=ttl_h,
        status_index=status_index,
        masked=token + entitlements,
        device_key=device_key,
        signature=data[-SIGNATURE_BYTES:],
    )
