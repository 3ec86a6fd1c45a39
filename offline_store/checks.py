"""What the fields of a record must be, for whoever makes one and for whoever reads one.

Each check returns nothing, or raises :class:`RecordInvalid` with the field's name and what belongs there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import cbor2

from offline_store.errors import RecordInvalid, UnknownSuite
from offline_store.no_tags import NO_TAGS

Value: TypeAlias = int | str | bytes | bool | tuple["Value", ...] | Mapping[str, "Value"] | None

SUITE = 1
ID_BYTES = 16
HASH_BYTES = 32
MAX_RECORD_BYTES = 16_384
MAX_TEXT_CHARS = 64
MAX_DEPTH = 4
_REMEMBERED = 256
_FEW = 16
MAX_INTEGER = 2**53 - 1
"""The widest integer that every reader of the record, JavaScript included, holds exactly (RFC 8259 §6)."""


def invalid(name: str, zh: str, en: str) -> RecordInvalid:
    """What should stand in the field ``name``."""
    return RecordInvalid.at(f"record field {name}", zh, en)


def too_long(data: bytes) -> RecordInvalid:
    """More bytes than a record may have."""
    return RecordInvalid.at(
        "record",
        f"至多 {MAX_RECORD_BYTES} 字节，而非 {len(data)}",
        f"at most {MAX_RECORD_BYTES} bytes, not {len(data)},",
    )


def not_deterministic() -> RecordInvalid:
    """Another encoding than the one."""
    return RecordInvalid.at("record", "确定性编码（RFC 8949 §4.2）", "the deterministic encoding (RFC 8949 §4.2)")


def unknown_suite() -> UnknownSuite:
    """Algorithms that this version does not know."""
    return UnknownSuite(
        f"这条记录所用的算法组不是 {SUITE}，这里只认识它",
        f"this record names a suite that is not {SUITE}, the only one known here",
    )


def decoded(data: bytes) -> dict[Any, Any]:
    """The map of a record's bytes, of this suite; nothing else is known of it yet."""
    if len(data) > MAX_RECORD_BYTES:
        raise too_long(data)
    try:
        fields = cbor2.loads(
            data, semantic_decoders=NO_TAGS, max_depth=MAX_DEPTH + 2, allow_indefinite=False, allow_duplicate_keys=False
        )
    except cbor2.CBORDecodeError as error:
        raise RecordInvalid.at("record", "确定性 CBOR 编码", "deterministic CBOR") from error
    if not isinstance(fields, dict):
        raise RecordInvalid.at("record", "CBOR 映射", "a CBOR map")
    suite = fields.get(0)
    if suite != SUITE or type(suite) is not int:
        raise unknown_suite()
    return fields


def integer(name: str, value: object, least: int = 0) -> None:
    """From ``least`` to what every reader holds exactly."""
    if type(value) is not int or not least <= value <= MAX_INTEGER:
        raise invalid(name, f"{least} 至 {MAX_INTEGER} 的整数", f"an integer from {least} to {MAX_INTEGER}")


def octets(name: str, value: object, size_bytes: int) -> None:
    """Exactly so many bytes."""
    if type(value) is not bytes or len(value) != size_bytes:
        raise invalid(name, f"正好 {size_bytes} 字节", f"exactly {size_bytes} bytes")


def text(name: str, value: object) -> None:
    """Short and printable."""
    if not isinstance(value, str) or not (0 < len(value) <= MAX_TEXT_CHARS and value.isprintable()):
        raise invalid(name, f"1 至 {MAX_TEXT_CHARS} 个可显示字符", f"1 to {MAX_TEXT_CHARS} printable characters")


def optional_text(name: str, value: object) -> None:
    """The same, or nothing."""
    if value is not None:
        text(name, value)


def words(kind: object, time_quality: object, lane: object, profile: object, reason: object) -> None:
    """The texts of an entry."""
    try:
        _known_words(kind, time_quality, lane, profile, reason)
    except TypeError as error:  # a list or a map cannot be looked up among what is remembered
        raise invalid("kind, time_quality, lane, profile or reason", "文字", "text") from error


@lru_cache(maxsize=_REMEMBERED)
def _known_words(kind: object, time_quality: object, lane: object, profile: object, reason: object) -> None:
    """A terminal has few, so they are remembered; what raises is not."""
    text("kind", kind)
    text("time_quality", time_quality)
    optional_text("lane", lane)
    optional_text("profile", profile)
    optional_text("reason", reason)


def subject_of(value: object) -> None:
    """A namespace and 16 bytes."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise invalid("subject", "命名空间和 16 字节", "a namespace and 16 bytes")
    text("subject", value[0])
    octets("subject", value[1], ID_BYTES)


def entry_fields(
    own: Any,
    kind: object,
    time_ms: object,
    time_quality: object,
    monotonic_ms: object,
    lane: object,
    profile: object,
    reason: object,
    medium: object,
    subject: object,
    refers_to: object,
    sealed: object,
) -> None:
    """The fields of an entry, but for the two that are maps."""
    if type(own) is not bytes or len(own) != ID_BYTES or own[6] >> 4 != 7 or own[8] >> 6 != 2:
        raise invalid("id", "UUIDv7（RFC 9562 §5.7，16 字节）", "a UUIDv7 (RFC 9562 §5.7) of 16 bytes")
    words(kind, time_quality, lane, profile, reason)
    integer("time_ms", time_ms)
    integer("monotonic_ms", monotonic_ms)
    if medium is not None:
        octets("medium", medium, ID_BYTES)
    if subject is not None:
        subject_of(subject)
    if refers_to is not None:
        octets("refers_to", refers_to, ID_BYTES)
    if sealed is not None and not (type(sealed) is bytes and sealed):
        raise invalid("sealed", "字节，或空", "bytes, or nothing,")


def place_fields(suite: object, seq: object, boot_id: object, prev_hash: object) -> None:
    """The fields that give a record its place in the chain."""
    if suite != SUITE or type(suite) is not int:
        raise unknown_suite()
    integer("seq", seq, 1)
    octets("boot_id", boot_id, ID_BYTES)
    octets("prev_hash", prev_hash, HASH_BYTES)


def public_fields(value: object) -> Mapping[str, Any]:
    """The public fields with every map in its order; what comes back is nobody's to change."""
    if not isinstance(value, Mapping):
        raise invalid("public", "映射", "a map")
    try:
        return _few_publics(*value, *value.values()) if len(value) <= _FEW else _settled_public(value)
    except TypeError:  # a list or a map among the values cannot be looked up
        return _settled_public(value)


def _settled_public(value: Mapping[Any, Any]) -> Mapping[str, Any]:
    public: dict[str, Any] = settled("public", value, 1)
    return public


@lru_cache(maxsize=_REMEMBERED, typed=True)
def _few_publics(*keys_and_values: Any) -> Mapping[str, Any]:
    """The same of simple values: a terminal repeats few of them by the thousand; what raises is not remembered."""
    half = len(keys_and_values) // 2
    return _settled_public(dict(zip(keys_and_values[:half], keys_and_values[half:], strict=True)))


def settled(name: str, value: object, depth: int) -> Any:
    """A private copy of a small value, every map in the key order of RFC 8949 §4.2.1."""
    kind = type(value)
    if isinstance(value, str):
        if not value.isascii():
            _utf8(name, value)
        return value
    if kind is int:
        integer(name, value, -MAX_INTEGER)
        return value
    if kind is bytes or kind is bool or value is None:
        return value
    if depth > MAX_DEPTH:
        raise invalid(name, f"至多 {MAX_DEPTH} 层映射和数组", f"at most {MAX_DEPTH} levels of maps and arrays")
    if isinstance(value, list | tuple):
        return tuple(settled(name, item, depth + 1) for item in value)
    if isinstance(value, Mapping):
        order = _few_keys if len(value) <= _FEW else _keys
        return {key: settled(name, value[key], depth + 1) for key in order(f"{name} key", *value)}
    raise invalid(name, "整数、文字、字节、布尔值、空、数组或映射", "integer, text, bytes, boolean, null, array or map")


def _keys(name: str, *keys: str) -> list[str]:
    """A map's keys in the order of RFC 8949 §4.2.1."""
    for key in keys:
        text(name, key)
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
        raise invalid(name, "不含孤立代理项的文字", "text without lone surrogates") from error
