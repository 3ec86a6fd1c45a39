"""Records read without their objects: the same rules, to the byte."""

from __future__ import annotations

import random
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings

from offline_store.errors import RecordInvalid
from offline_store.fields import record_fields
from offline_store.record import Money, Record
from tests.offline_store.parts import BOOT_ID, entry
from tests.offline_store.test_record import records

HOSTILE: list[Any] = [
    None,
    True,
    False,
    -1,
    0,
    2**53,
    1.5,
    "",
    "a",
    "\x00",
    b"",
    b"x",
    bytes(16),
    bytes(32),
    [],
    [1],
    {},
    {1: 2},
]
SEED = 20261126


def by_objects(data: bytes) -> str:
    try:
        Record.from_bytes(data)
    except RecordInvalid as error:
        return type(error).__name__
    return ""


def by_fields(data: bytes) -> str:
    try:
        record_fields(data)
    except RecordInvalid as error:
        return type(error).__name__
    return ""


@settings(deadline=None)
@given(records())
def test_every_record_is_read_with_its_values(record: Record) -> None:
    data = record.to_bytes()
    assert cbor2.dumps(record_fields(data)) == data
    assert record_fields(data)[2] == record.entry.id


def test_each_field_with_each_hostile_value_is_judged_as_the_record_judges_it() -> None:
    money = Money(5, bytes(16), "shop", "20260131", funds={"purse": 5})
    whole = cbor2.loads(
        Record(entry(1, money=money, public={"b": 1, "aa": {"c": 2}}), 2, BOOT_ID, bytes(32)).to_bytes()
    )
    judged = {"": 0, "RecordInvalid": 0, "UnknownSuite": 0}
    for key in range(-1, 20):
        for value in HOSTILE:
            data = cbor2.dumps({**whole, key: value})
            assert by_fields(data) == by_objects(data), (key, value)
            judged[by_fields(data)] += 1
    for inner in (14, 15):
        for key in [*range(9), "b", "aa", "z"]:
            for value in HOSTILE:
                data = cbor2.dumps({**whole, inner: {**whole[inner], key: value}})
                assert by_fields(data) == by_objects(data), (inner, key, value)
                judged[by_fields(data)] += 1
    assert all(judged.values())


def test_flipped_bytes_and_other_orders_are_judged_as_the_record_judges_them() -> None:
    chance = random.Random(SEED)
    data = Record(entry(1, public={"b": 1, "aa": {"c": 2, "d": 3}}), 2, BOOT_ID, bytes(32)).to_bytes()
    for _ in range(3_000):
        altered = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            altered[chance.randrange(len(altered))] = chance.randrange(256)
        assert by_fields(bytes(altered)) == by_objects(bytes(altered))
    fields = cbor2.loads(data)
    for _ in range(50):
        keys = list(fields)
        chance.shuffle(keys)
        shuffled = cbor2.dumps({key: fields[key] for key in keys})
        assert by_fields(shuffled) == by_objects(shuffled)
    true_for_one = cbor2.dumps({True if key == 1 else key: value for key, value in fields.items()})
    assert by_fields(true_for_one) == by_objects(true_for_one) == "RecordInvalid"


@pytest.mark.parametrize("kind", [[1], {1: 2}, [[]]])
def test_a_text_that_is_a_list_or_a_map_is_refused_with_a_reason(kind: object) -> None:
    fields = cbor2.loads(Record(entry(1), 2, BOOT_ID, bytes(32)).to_bytes())
    data = cbor2.dumps({**fields, 3: kind})
    with pytest.raises(RecordInvalid, match="text should stand here"):
        record_fields(data)
    with pytest.raises(RecordInvalid, match="text should stand here"):
        Record.from_bytes(data)


class Encoder:
    """Encodes as RFC 8949 §3 allows, one head of all longer than it must be."""

    def __init__(self, widened: int, width: int) -> None:
        self._widened = widened
        self._width = width
        self.heads = 0

    def head(self, major: int, number: int) -> bytes:
        least = 0 if number < 24 else 1 if number < 2**8 else 2 if number < 2**16 else 4 if number < 2**32 else 8
        width = max(least, self._width) if self.heads == self._widened else least
        self.heads += 1
        if width == 0:
            return bytes([major << 5 | number])
        return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[width]]) + number.to_bytes(width, "big")

    def encode(self, value: Any) -> bytes:
        match value:
            case int():
                return self.head(0, value)
            case bytes():
                return self.head(2, len(value)) + value
            case str():
                return self.head(3, len(value.encode())) + value.encode()
            case list():
                return self.head(4, len(value)) + b"".join(map(self.encode, value))
        pairs = [self.encode(key) + self.encode(inner) for key, inner in value.items()]
        return self.head(5, len(value)) + b"".join(pairs)


def test_a_head_longer_than_it_must_be_is_refused_wherever_it_stands() -> None:
    money = Money(500, bytes(16), "店", "20260131", funds={"purse": 500})
    made = entry(1, money=money, public={"b": 1, "aa": {"c": 2}}, refers_to=bytes(16), sealed=bytes(300))
    data = Record(made, 70_000, BOOT_ID, bytes(32)).to_bytes()
    fields = cbor2.loads(data)
    plain = Encoder(-1, 0)
    assert plain.encode(fields) == data
    assert by_fields(data) == ""
    assert plain.heads > 50
    for place in range(plain.heads):
        for width in (1, 2, 4, 8):
            wide = Encoder(place, width).encode(fields)
            if wide != data:
                assert by_fields(wide) == by_objects(wide) == "RecordInvalid", (place, width)


@pytest.mark.parametrize("tag", ["d81c", "d819", "d90100", "d9d9f7", "c0", "c2", "db0000000100000000"])
def test_a_tag_is_refused_wherever_it_stands(tag: str) -> None:
    """Among them the tags of shared values, with which bytes could be saved here and wasted there."""
    fields = cbor2.loads(Record(entry(1, public={"b": 1}), 2, BOOT_ID, bytes(32)).to_bytes())
    for key in fields:
        pairs = [cbor2.dumps(k) + (bytes.fromhex(tag) if k == key else b"") + cbor2.dumps(v) for k, v in fields.items()]
        data = bytes([0xA0 | len(fields)]) + b"".join(pairs)
        assert by_fields(data) == by_objects(data) == "RecordInvalid"


def test_a_shared_value_cannot_pay_for_a_long_head() -> None:
    """A reference to the id (tag 29) in the place of `boot_id` saves 14 bytes, which a head could waste elsewhere."""
    fields = cbor2.loads(Record(entry(1), 2, BOOT_ID, bytes(32)).to_bytes())
    fields[2] = cbor2.CBORTag(28, fields[2])
    fields[6] = cbor2.CBORTag(29, 0)
    data = cbor2.dumps(fields)
    assert by_fields(data) == by_objects(data) == "RecordInvalid"


def test_bytes_behind_the_record_are_refused() -> None:
    data = Record(entry(1), 2, BOOT_ID, bytes(32)).to_bytes()
    assert by_fields(data + b"\x00") == by_objects(data + b"\x00") == "RecordInvalid"
