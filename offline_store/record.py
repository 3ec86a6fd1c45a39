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
from functools import lru_cache
from typing import Any, Self, TypeAlias

import cbor2

from offline_store.errors import RecordInvalid, UnknownSuite

Value: TypeAlias = int | str | bytes | bool | tuple["Value", ...] | Mapping[str, "Value"] | None

SUITE = 1
ID_BYTES = 16
HASH_BYTES = 32
NO_HASH = bytes(HASH_BYTES)
MAX_RECORD_BYTES = 16_384
CARRIED = "carried"
"""The kind of a record that holds another one's exact bytes, of a journal that was rescued."""
MAX_OWN_BYTES = MAX_RECORD_BYTES - 512
"""What a journal takes for itself: a rescued one must be able to carry it over within another record."""
MAX_TEXT_CHARS = 64
MAX_SECRET_BYTES = 8_192
MAX_DEPTH = 4
_REMEMBERED = 256
_FEW = 16
MAX_INTEGER = 2**53 - 1
"""The widest integer that every reader of the record, JavaScript included, holds exactly (RFC 8259 §6)."""


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
        _integer("amount_fen", self.amount_fen, -MAX_INTEGER)
        _octets("intent_id", self.intent_id, ID_BYTES)
        _text("merchant", self.merchant)
        _text("business_date", self.business_date)
        if len(self.business_date) != 8 or not (self.business_date.isascii() and self.business_date.isdigit()):
            raise _invalid("business_date", "YYYYMMDD", "YYYYMMDD")
        _optional_text("operator", self.operator)
        _optional_text("shift", self.shift)
        _optional_text("account", self.account)
        funds = _settled("funds", self.funds, 1)
        if not isinstance(funds, dict):
            raise _invalid("funds", "文字到金额（分）的映射", "a map of text to fen")
        for amount_fen in funds.values():
            _integer("funds", amount_fen, -MAX_INTEGER)
        if funds and sum(funds.values()) != self.amount_fen:
            raise _invalid("funds", "合计等于 amount_fen 的各项", "a split whose sum is amount_fen")
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
            raise _invalid("money", "映射", "a map")
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
        _octets("id", self.id, ID_BYTES)
        if self.id[6] >> 4 != 7 or self.id[8] >> 6 != 2:
            raise _invalid("id", "UUIDv7（RFC 9562 §5.7）", "a UUIDv7 (RFC 9562 §5.7)")
        _words(self.kind, self.time_quality, self.lane, self.profile, self.reason)
        _integer("time_ms", self.time_ms)
        _integer("monotonic_ms", self.monotonic_ms)
        if self.medium is not None:
            _octets("medium", self.medium, ID_BYTES)
        if self.subject is not None:
            if type(self.subject) is not tuple or len(self.subject) != 2:
                raise _invalid("subject", "命名空间和 16 字节", "a namespace and 16 bytes")
            _text("subject", self.subject[0])
            _octets("subject", self.subject[1], ID_BYTES)
        if self.refers_to is not None:
            _octets("refers_to", self.refers_to, ID_BYTES)
        if self.sealed is not None and not (type(self.sealed) is bytes and self.sealed):
            raise _invalid("sealed", "字节，或空", "bytes, or nothing,")
        if self.secret is not None:
            if type(self.secret) is not bytes or not 0 < len(self.secret) <= MAX_SECRET_BYTES:
                said = (f"1 至 {MAX_SECRET_BYTES} 字节，或空", f"1 to {MAX_SECRET_BYTES} bytes, or nothing,")
                raise _invalid("secret", *said)
            if self.sealed is not None:
                raise _invalid("secret", "空：证据已密封", "nothing beside what is sealed already,")
        public = _settled("public", self.public, 1)
        if not isinstance(public, dict):
            raise _invalid("public", "映射", "a map")
        object.__setattr__(self, "public", public)


@dataclass(frozen=True, slots=True)
class Record:
    """An entry in its place in the chain."""

    entry: Entry
    seq: int
    boot_id: bytes
    prev_hash: bytes = field(repr=False)
    suite: int = SUITE

    def __post_init__(self) -> None:
        if self.suite != SUITE:
            raise _unknown_suite()
        if self.entry.secret is not None:
            raise _invalid("secret", "密封后的内容", "what was sealed")
        _integer("suite", self.suite)
        _integer("seq", self.seq, 1)
        _octets("boot_id", self.boot_id, ID_BYTES)
        _octets("prev_hash", self.prev_hash, HASH_BYTES)

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
            raise _too_long(data)
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read one record; raises :class:`RecordInvalid`, and :class:`UnknownSuite` before it reads further."""
        if len(data) > MAX_RECORD_BYTES:
            raise _too_long(data)
        try:
            fields = cbor2.loads(data, max_depth=MAX_DEPTH + 2, allow_indefinite=False, allow_duplicate_keys=False)
        except cbor2.CBORDecodeError as error:
            raise RecordInvalid.at("record", "确定性 CBOR 编码", "deterministic CBOR") from error
        if not isinstance(fields, dict):
            raise RecordInvalid.at("record", "CBOR 映射", "a CBOR map")
        get: Callable[..., Any] = fields.get
        if get(0) != SUITE:
            raise _unknown_suite()
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
            raise RecordInvalid.at(
                "record", "确定性编码（RFC 8949 §4.2）", "the deterministic encoding (RFC 8949 §4.2)"
            )
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


def _invalid(name: str, zh: str, en: str) -> RecordInvalid:
    return RecordInvalid.at(f"record field {name}", zh, en)


def _too_long(data: bytes) -> RecordInvalid:
    return RecordInvalid.at(
        "record",
        f"至多 {MAX_RECORD_BYTES} 字节，而非 {len(data)}",
        f"at most {MAX_RECORD_BYTES} bytes, not {len(data)},",
    )


def _unknown_suite() -> UnknownSuite:
    return UnknownSuite(
        f"这条记录所用的算法组不是 {SUITE}，这里只认识它",
        f"this record names a suite that is not {SUITE}, the only one known here",
    )


def _integer(name: str, value: object, least: int = 0) -> None:
    if type(value) is not int or not least <= value <= MAX_INTEGER:
        raise _invalid(name, f"{least} 至 {MAX_INTEGER} 的整数", f"an integer from {least} to {MAX_INTEGER}")


def _octets(name: str, value: object, size_bytes: int) -> None:
    if type(value) is not bytes or len(value) != size_bytes:
        raise _invalid(name, f"正好 {size_bytes} 字节", f"exactly {size_bytes} bytes")


def _text(name: str, value: object) -> None:
    if not isinstance(value, str) or not (0 < len(value) <= MAX_TEXT_CHARS and value.isprintable()):
        raise _invalid(name, f"1 至 {MAX_TEXT_CHARS} 个可显示字符", f"1 to {MAX_TEXT_CHARS} printable characters")


def _optional_text(name: str, value: object) -> None:
    if value is not None:
        _text(name, value)


@lru_cache(maxsize=_REMEMBERED)
def _words(kind: object, time_quality: object, lane: object, profile: object, reason: object) -> None:
    """The texts of an entry. A terminal has few, so they are remembered; what raises is not."""
    _text("kind", kind)
    _text("time_quality", time_quality)
    _optional_text("lane", lane)
    _optional_text("profile", profile)
    _optional_text("reason", reason)


def _settled(name: str, value: object, depth: int) -> Any:
    """A private copy of a small value, every map in the key order of RFC 8949 §4.2.1."""
    kind = type(value)
    if isinstance(value, str):
        if not value.isascii():
            _utf8(name, value)
        return value
    if kind is int:
        _integer(name, value, -MAX_INTEGER)
        return value
    if kind is bytes or kind is bool or value is None:
        return value
    if depth > MAX_DEPTH:
        raise _invalid(name, f"至多 {MAX_DEPTH} 层映射和数组", f"at most {MAX_DEPTH} levels of maps and arrays")
    if isinstance(value, list | tuple):
        return tuple(_settled(name, item, depth + 1) for item in value)
    if isinstance(value, Mapping):
        order = _few_keys if len(value) <= _FEW else _keys
        return {key: _settled(name, value[key], depth + 1) for key in order(f"{name} key", *value)}
    raise _invalid(
        name, "整数、文字、字节、布尔值、空、数组或映射", "integer, text, bytes, boolean, null, array or map"
    )


def _keys(name: str, *keys: str) -> list[str]:
    """A map's keys in the order of RFC 8949 §4.2.1."""
    for key in keys:
        _text(name, key)
    return sorted(keys, key=_encoded_order)


_few_keys = lru_cache(maxsize=_REMEMBERED)(_keys)
"""The same for the small maps of which a terminal writes thousands; what raises is not remembered."""


def _encoded_order(key: str) -> tuple[int, bytes]:
    encoded = key.encode()
    return len(encoded), encoded


def _utf8(name: str, value: Any) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _invalid(name, "不含孤立代理项的文字", "text without lone surrogates") from error
