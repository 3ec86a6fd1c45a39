"""Deterministic CBOR (RFC 8949 §4.2.1) in the narrow form that crosses a trust boundary here.

Maps have unsigned integer keys, so length-first and bytewise key order agree. Tags, indefinite lengths, duplicate keys,
longer-than-needed heads, unsorted maps and trailing bytes are refused: one value has exactly one encoding.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import cbor2

from offline_store.no_tags import NO_TAGS

_PLAIN = frozenset({type(None), bool, int, bytes, str})


class CborError(ValueError):
    """The bytes are not one deterministic CBOR item within the bounds; the text says why and quotes no content."""


def encode(value: object) -> bytes:
    """The one encoding of ``value``: integers, bytes, text, booleans, ``None``, sequences, maps with integer keys."""
    return cbor2.dumps(value, canonical=True)


def encode_ordered(value: object) -> bytes:
    """The same for a value whose maps stand in their order already, at a quarter of the cost: for the path of a tap."""
    return cbor2.dumps(value)


def decode(data: bytes, *, max_bytes: int, max_depth: int) -> object:
    """Read exactly one item; arrays come as tuples and maps as read-only mappings. Raises :class:`CborError`."""
    value = decode_again(data, max_bytes=max_bytes, max_depth=max_depth)
    try:
        canonical = encode_ordered(_narrow(value))
    except (cbor2.CBORError, TypeError, RecursionError, OverflowError) as error:
        raise CborError("not an item of the narrow form") from error
    if canonical != data:
        raise CborError("trailing bytes, or not the deterministic encoding")
    return value


def decode_again(data: bytes, *, max_bytes: int, max_depth: int) -> object:
    """Read an item that :func:`decode` took before, at a quarter of the cost: that it is the one encoding is not asked
    again. Its bytes may have been spoiled since, so a model must hold the value to its form. Raises :class:`CborError`.
    """
    if len(data) > max_bytes:
        raise CborError(f"{len(data)} bytes, at most {max_bytes} are allowed")
    try:
        value: object = cbor2.loads(
            data,
            semantic_decoders=NO_TAGS,
            max_depth=max_depth,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            immutable=True,
        )
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise CborError("not a well-formed CBOR item of the narrow form") from error
    return value


def _narrow(value: object) -> object:
    """The value, if it is made of what the narrow form has, its maps in their order. Raises ``TypeError``."""
    if isinstance(value, tuple | list):
        if not _PLAIN.issuperset(map(type, value)):  # a batch's records come a thousand at a time
            for inner in value:
                _narrow(inner)
    elif isinstance(value, Mapping):
        before = -1
        for key, inner in value.items():
            if type(key) is not int or key <= before:
                raise TypeError("a map's keys are unsigned integers, and ascend")
            before = key
            if type(inner) not in _PLAIN:
                _narrow(inner)
    elif type(value) not in _PLAIN:
        raise TypeError("neither integer, bytes, text, boolean, null, array nor map")
    return value


def decode_foreign(data: bytes, *, max_bytes: int, max_depth: int) -> object:
    """Read exactly one item that another system encoded, deterministically or not; arrays are lists, maps dictionaries.

    Tags, duplicate keys and trailing bytes are refused as in :func:`decode`. Raises :class:`CborError`.
    """
    if len(data) > max_bytes:
        raise CborError(f"{len(data)} bytes, at most {max_bytes} are allowed")
    stream = io.BytesIO(data)
    try:
        value: object = cbor2.CBORDecoder(
            stream, semantic_decoders=NO_TAGS, max_depth=max_depth, allow_duplicate_keys=False
        ).decode()
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
        raise CborError("not a well-formed CBOR item without tags and duplicate keys") from error
    if stream.tell() != len(data):
        raise CborError("trailing bytes")
    return value
