"""One value has one encoding: what is in another form is refused, though cbor2 reads it."""

from __future__ import annotations

import pytest

from agent import cbor


@pytest.mark.parametrize(
    "data",
    [
        b"\xa2\x01\x01\x00\x01",
        b"\x81\xa2\x18\x18\x01\x00\x01",
        b"\xa1\x20\x01",
        b"\xa1\xf5\x01",
        b"\xa1\x18\x00\x01",
        b"\x18\x01",
        b"\x01\x01",
    ],
    ids=["maps descend", "inner map descends", "negative key", "true as a key", "long key", "long head", "trailing"],
)
def test_what_is_not_the_one_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(cbor.CborError):
        cbor.decode(data, max_bytes=99, max_depth=4)


def test_what_was_held_to_the_one_encoding_before_is_read_again_as_it_was() -> None:
    value = {0: 1, 5: ("a", b"b", {2: None, 30: -7}), 1_000: False}
    data = cbor.encode(value)
    assert cbor.decode_again(data, max_bytes=99, max_depth=4) == cbor.decode(data, max_bytes=99, max_depth=4) == value


@pytest.mark.parametrize("data", [b"", b"\xa1\x00", b"\xc0\x00", b"\xbf\xff", b"\x81" * 9, b"\xa2\x00\x01\x00\x01"])
def test_hostile_bytes_are_refused_both_ways(data: bytes) -> None:
    for decode in (cbor.decode, cbor.decode_again):
        with pytest.raises(cbor.CborError):
            decode(data, max_bytes=99, max_depth=4)
    with pytest.raises(cbor.CborError, match="at most 0"):
        cbor.decode_again(data + b"\x00", max_bytes=0, max_depth=4)
