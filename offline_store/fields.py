"""The fields of a record's bytes, held against the rules of :mod:`offline_store.record` without making its objects.

For who reads records by the million and needs a few columns of most. What :func:`record_fields` takes is what
:meth:`Record.from_bytes` takes: a test holds the two against each other.

That the bytes are the one encoding is told without encoding anew. They were read without tags and indefinite lengths,
so each item in them is a head and what the head announces, and a head can only be longer than it must be, never
shorter (RFC 8949 §4.2.1). Bytes whose keys are in order and which are as many as the shortest encoding has are it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import cbor2

from offline_store.checks import (
    ID_BYTES,
    decoded,
    entry_fields,
    invalid,
    not_deterministic,
    place_fields,
    public_fields,
)
from offline_store.record import Money

SEQ, ID, KIND, TIME_MS, LANE, PROFILE, REASON, REFERS_TO = 1, 2, 3, 4, 8, 9, 10, 13
MONEY, PUBLIC, SEALED, PREV_HASH = 14, 15, 16, 17
"""The keys that are asked for, of the table in :mod:`offline_store.record`."""
_REMEMBERED = 256
_FEW = 16

_ID_SIZE = 1 + ID_BYTES
_ALWAYS = 1 + (1 + 1) + (1 + _ID_SIZE) + (1 + _ID_SIZE) + (1 + 34)
"""Bytes of the map's head, the suite, the id, the boot's id and the hash, each with its key."""


def record_fields(data: bytes) -> Mapping[int, Any]:
    """The map of :mod:`offline_store.record`, checked. Raises :class:`RecordInvalid` and :class:`UnknownSuite`."""
    fields = decoded(data)
    _order(*fields)
    get: Callable[..., Any] = fields.get
    own, kind, time_ms, quality, boot_id, monotonic_ms, lane, profile, reason, medium, subject, refers_to = map(
        get, range(2, 14)
    )
    sealed = get(SEALED)
    entry_fields(own, kind, time_ms, quality, monotonic_ms, lane, profile, reason, medium, subject, refers_to, sealed)
    seq = get(SEQ)
    place_fields(fields[0], seq, boot_id, get(PREV_HASH))
    size = _ALWAYS + 3 + _head(seq) + _head(time_ms) + _head(monotonic_ms)
    size += _words_size(kind, quality, lane, profile, reason)
    if medium is not None:
        size += 1 + _ID_SIZE
    if subject is not None:
        size += 2 + _ID_SIZE + _text_size(subject[0])
    if refers_to is not None:
        size += 1 + _ID_SIZE
    if sealed is not None:
        size += 1 + _head(len(sealed)) + len(sealed)
    if PUBLIC in fields:
        fields[PUBLIC], more = _public(fields[PUBLIC])
        size += 1 + more
    if MONEY in fields:
        size += 1 + _money_size(fields[MONEY])
    if size != len(data):  # a field that is there but holds nothing was not counted
        raise not_deterministic()
    return fields


def _head(number: int) -> int:
    """Bytes of the shortest head for a number or a length (RFC 8949 §3)."""
    if number < 24:
        return 1
    if number < 2**16:
        return 2 if number < 2**8 else 3
    return 5 if number < 2**32 else 9


def _text_size(value: str) -> int:
    size = len(value) if value.isascii() else len(value.encode())
    return _head(size) + size


@lru_cache(maxsize=_REMEMBERED)
def _words_size(*words: str | None) -> int:
    """Bytes of the texts, each with its key."""
    return sum(1 + _text_size(word) for word in words if word is not None)


def _money_size(value: Any) -> int:
    money = Money.from_map(value).to_map()
    encoded = cbor2.dumps(money)
    if cbor2.dumps(value) != encoded:
        raise not_deterministic()
    return len(encoded)


def _public(value: Any) -> tuple[Mapping[str, Any], int]:
    """The public fields, and the bytes that they take."""
    if not isinstance(value, dict):
        raise invalid("public", "映射", "a map")
    try:
        return _few_publics(*value, *value.values()) if len(value) <= _FEW else _public_and_size(value)
    except TypeError:  # a list or a map among the values cannot be looked up
        return _public_and_size(value)


@lru_cache(maxsize=_REMEMBERED, typed=True)
def _few_publics(*keys_and_values: Any) -> tuple[Mapping[str, Any], int]:
    """The same of simple values: a terminal repeats few of them by the thousand; what raises is not remembered."""
    half = len(keys_and_values) // 2
    return _public_and_size(dict(zip(keys_and_values[:half], keys_and_values[half:], strict=True)))


def _public_and_size(value: dict[Any, Any]) -> tuple[Mapping[str, Any], int]:
    public = public_fields(value)
    encoded = cbor2.dumps(public)
    if not public or cbor2.dumps(value) != encoded:
        raise not_deterministic()
    return public, len(encoded)


@lru_cache(maxsize=_REMEMBERED, typed=True)
def _order(*keys: object) -> None:
    """Known keys in ascending order. Terminals have few sets of them, so they are remembered; what raises is not."""
    numbers = [key for key in keys if type(key) is int and 0 <= key <= PREV_HASH]
    if len(numbers) < len(keys) or numbers != sorted(numbers):
        raise not_deterministic()
