"""The journal's record and its bytes.

A record is one deterministic CBOR map (RFC 8949 §4.2.1) with these integer keys; absent fields are omitted:

===  =============  =========================================================================================
key  field          value
===  =============  =========================================================================================
0    suite          1: hash SHA-256, sealing AES-256-GCM, signature ES256; 2 is kept for SM3, SM4-GCM, SM2
1    seq            contiguous from 1 in its chain
2    id             16 bytes, UUIDv7 (RFC 9562 §5.7)
3    kind           text: ``genesis``, ``passage`` …
4    time_ms        Unix milliseconds UTC
5    time_quality   text: how far ``time_ms`` can be trusted
6    boot_id        16 bytes, one a start of the machine
7    monotonic_ms   milliseconds that never go back within one boot
8    lane           text
9    profile        text
10   reason         text
11   medium         16 bytes
12   subject        array of two: namespace text, 16 bytes
13   refers_to      16 bytes: the id of the record that this one continues
14   money          map: 0 amount_fen, 1 intent_id, 2 merchant, 3 operator, 4 shift, 5 business_date, 6 account,
                    7 funds (map of text to fen)
15   public         map of text to small values: integer, text, bytes, boolean, null, array, map
16   sealed         bytes: presentation evidence, for the platform alone
17   prev_hash      32 bytes: hash of the record before; zeros in record 1
===  =============  =========================================================================================

``hash = SHA-256(bytes of the record)``. Fractions and tags do not occur. One record has exactly one encoding, so
:meth:`Record.from_bytes` accepts a byte string only if :meth:`Record.to_bytes` gives it back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import cbor2

from offline_store.checks import (
    HASH_BYTES,
    ID_BYTES,
    MAX_INTEGER,
    MAX_RECORD_BYTES,
    MAX_TEXT_CHARS,
    SUITE,
    Value,
    decoded,
    entry_fields,
    integer,
    invalid,
    not_deterministic,
    octets,
    optional_text,
    place_fields,
    public_fields,
    settled,
    text,
    too_long,
)
from offline_store.errors import RecordInvalid

__all__ = [
    "CARRIED",
    "HASH_BYTES",
    "ID_BYTES",
    "MAX_INTEGER",
    "MAX_OWN_BYTES",
    "MAX_RECORD_BYTES",
    "MAX_SECRET_BYTES",
    "MAX_TEXT_CHARS",
    "NO_HASH",
    "SUITE",
    "Entry",
    "Money",
    "Record",
    "Value",
    "hash_of",
    "new_id",
]

NO_HASH = bytes(HASH_BYTES)
CARRIED = "carried"
"""The kind of a record that holds another one's exact bytes, of a journal that was rescued."""
MAX_OWN_BYTES = MAX_RECORD_BYTES - 512
"""What a journal takes for itself: a rescued one must be able to carry it over within another record."""
MAX_SECRET_BYTES = 8_192


@dataclass(frozen=True, slots=True)
class Money:
    """What moved. ``amount_fen`` is negative when it goes back; ``business_date`` is ``YYYYMMDD``.

    ``funds`` splits the amount by source in fen (subsidy, purse …) and sums to it, or is empty.
    """

    amount_fen: int
    intent_id: bytes = field(repr=False)
    merchant: str
    business_date: str
    operator: str | None = field(default=None, repr=False)
    shift: str | None = None
    account: str | None = field(default=None, repr=False)
    funds: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        integer("amount_fen", self.amount_fen, -MAX_INTEGER)
        octets("intent_id", self.intent_id, ID_BYTES)
        text("merchant", self.merchant)
        text("business_date", self.business_date)
        if len(self.business_date) != 8 or not (self.business_date.isascii() and self.business_date.isdigit()):
            raise invalid("business_date", "YYYYMMDD", "YYYYMMDD")
        optional_text("operator", self.operator)
        optional_text("shift", self.shift)
        optional_text("account", self.account)
        funds = settled("funds", self.funds, 1)
        if not isinstance(funds, dict):
            raise invalid("funds", "文字到金额（分）的映射", "a map of text to fen")
        for amount_fen in funds.values():
            integer("funds", amount_fen, -MAX_INTEGER)
        if funds and sum(funds.values()) != self.amount_fen:
            raise invalid("funds", "合计等于 amount_fen 的各项", "a split whose sum is amount_fen")
        object.__setattr__(self, "funds", funds)

    def to_map(self) -> dict[int, Any]:
        """The CBOR map of the module's table."""
        values = (
            self.amount_fen,
            self.intent_id,
            self.merchant,
            self.operator,
            self.shift,
            self.business_date,
            self.account,
            self.funds or None,
        )
        return {key: value for key, value in enumerate(values) if value is not None}

    @classmethod
    def from_map(cls, fields: Any) -> Self:
        """Read the map; raises :class:`RecordInvalid`."""
        if not isinstance(fields, dict):
            raise invalid("money", "映射", "a map")
        get: Callable[..., Any] = fields.get
        return cls(
            amount_fen=get(0),
            intent_id=get(1),
            merchant=get(2),
            operator=get(3),
            shift=get(4),
            business_date=get(5),
            account=get(6),
            funds=get(7, {}),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """What the agent hands in: a record without its place in the chain. Raises :class:`RecordInvalid`.

    ``secret`` is for the platform alone: the journal seals it, and no record ever holds it.
    """

    id: bytes
    kind: str
    time_ms: int
    time_quality: str
    monotonic_ms: int
    lane: str | None = None
    profile: str | None = None
    reason: str | None = None
    medium: bytes | None = field(default=None, repr=False)
    subject: tuple[str, bytes] | None = field(default=None, repr=False)
    refers_to: bytes | None = None
    money: Money | None = None
    public: Mapping[str, Value] = field(default_factory=dict, repr=False)
    sealed: bytes | None = field(default=None, repr=False)
    secret: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.subject is not None and type(self.subject) is not tuple:
            raise invalid("subject", "命名空间和 16 字节", "a namespace and 16 bytes")
        entry_fields(
            self.id,
            self.kind,
            self.time_ms,
            self.time_quality,
            self.monotonic_ms,
            self.lane,
            self.profile,
            self.reason,
            self.medium,
            self.subject,
            self.refers_to,
            self.sealed,
        )
        if self.secret is not None:
            if type(self.secret) is not bytes or not 0 < len(self.secret) <= MAX_SECRET_BYTES:
                said = (f"1 至 {MAX_SECRET_BYTES} 字节，或空", f"1 to {MAX_SECRET_BYTES} bytes, or nothing,")
                raise invalid("secret", *said)
            if self.sealed is not None:
                raise invalid("secret", "空：证据已密封", "nothing beside what is sealed already,")
        object.__setattr__(self, "public", public_fields(self.public))

    def with_sealed(self, sealed: bytes) -> Entry:
        """The entry as it is stored: what was sealed stands in the secret's place."""
        return Entry(
            self.id,
            self.kind,
            self.time_ms,
            self.time_quality,
            self.monotonic_ms,
            self.lane,
            self.profile,
            self.reason,
            self.medium,
            self.subject,
            self.refers_to,
            self.money,
            self.public,
            sealed,
        )


@dataclass(frozen=True, slots=True)
class Record:
    """An entry in its place in the chain."""

    entry: Entry
    seq: int
    boot_id: bytes
    prev_hash: bytes = field(repr=False)
    suite: int = SUITE

    def __post_init__(self) -> None:
        if self.entry.secret is not None:
            raise invalid("secret", "密封后的内容", "what was sealed")
        place_fields(self.suite, self.seq, self.boot_id, self.prev_hash)

    @property
    def hash(self) -> bytes:
        """SHA-256 of the record's bytes: the next record's ``prev_hash``."""
        return hash_of(self.to_bytes())

    def to_bytes(self) -> bytes:
        """The one encoding of this record; raises :class:`RecordInvalid` above ``MAX_RECORD_BYTES``."""
        entry = self.entry
        fields: dict[int, Any] = {
            0: self.suite,
            1: self.seq,
            2: entry.id,
            3: entry.kind,
            4: entry.time_ms,
            5: entry.time_quality,
            6: self.boot_id,
            7: entry.monotonic_ms,
        }
        if entry.lane is not None:
            fields[8] = entry.lane
        if entry.profile is not None:
            fields[9] = entry.profile
        if entry.reason is not None:
            fields[10] = entry.reason
        if entry.medium is not None:
            fields[11] = entry.medium
        if entry.subject is not None:
            fields[12] = entry.subject
        if entry.refers_to is not None:
            fields[13] = entry.refers_to
        if entry.money is not None:
            fields[14] = entry.money.to_map()
        if entry.public:
            fields[15] = entry.public
        if entry.sealed is not None:
            fields[16] = entry.sealed
        fields[17] = self.prev_hash
        data = cbor2.dumps(fields)
        if len(data) > MAX_RECORD_BYTES:
            raise too_long(data)
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read one record; raises :class:`RecordInvalid`, and :class:`UnknownSuite` before it reads further."""
        fields = decoded(data)
        get: Callable[..., Any] = fields.get
        own, kind, time_ms, time_quality, boot_id, monotonic_ms, lane, profile, reason, medium = map(get, range(2, 12))
        subject = get(12)
        entry = Entry(
            own,
            kind,
            time_ms,
            time_quality,
            monotonic_ms,
            lane,
            profile,
            reason,
            medium,
            tuple(subject) if isinstance(subject, list) else subject,
            get(13),
            Money.from_map(fields[14]) if 14 in fields else None,
            get(15, {}),
            get(16),
        )
        record = cls(entry, get(1), boot_id, get(17))
        if record.to_bytes() != data:
            raise not_deterministic()
        return record


def hash_of(record_bytes: bytes) -> bytes:
    """The hash of suite 1: SHA-256 over the record's exact bytes."""
    return hashlib.sha256(record_bytes).digest()


def new_id(time_ms: int, entropy: bytes) -> bytes:
    """A UUIDv7 (RFC 9562 §5.7) of ``time_ms`` and ten random bytes."""
    if not 0 <= time_ms < 2**48 or len(entropy) != 10:
        raise RecordInvalid.at("id", "48 位时间和 10 个随机字节", "a time of 48 bits and ten random bytes")
    tail = bytearray(entropy)
    tail[0] = 0x70 | tail[0] & 0x0F
    tail[2] = 0x80 | tail[2] & 0x3F
    return time_ms.to_bytes(6, "big") + bytes(tail)
