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
