"""The record and its one encoding."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_store.errors import RecordInvalid, UnknownSuite
from offline_store.genesis import Genesis, Predecessor
from offline_store.record import MAX_RECORD_BYTES, NO_HASH, Entry, Money, Record, Value, new_id
from tests.offline_store.parts import BOOT_ID, START_MS, entry

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "journal" / "chain.json").read_text(encoding="utf-8"))
RECORD = Record(entry(1), 2, BOOT_ID, bytes(32))

octets16 = st.binary(min_size=16, max_size=16)
words = st.text("abcz-_.0é门闸😀", min_size=1, max_size=64)
numbers = st.integers(0, 2**53 - 1)
leaves = (
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20) | st.binary(max_size=20)
)
values: st.SearchStrategy[Any] = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=4
)
publics: st.SearchStrategy[Any] = st.dictionaries(
    words, leaves | st.lists(leaves, max_size=3) | st.dictionaries(words, leaves, max_size=3), max_size=6
)


@st.composite
def moneys(draw: st.DrawFn) -> Money:
    funds = draw(st.dictionaries(words, st.integers(-(10**9), 10**9), max_size=4))
    amount_fen = sum(funds.values()) if funds else draw(st.integers(-(10**9), 10**9))
    optional = st.none() | words
    return Money(
        amount_fen, draw(octets16), draw(words), "20260131", draw(optional), draw(optional), draw(optional), funds
    )


@st.composite
def records(draw: st.DrawFn) -> Record:
    handed_in = Entry(
        id=new_id(draw(st.integers(0, 2**48 - 1)), draw(st.binary(min_size=10, max_size=10))),
        kind=draw(words),
        time_ms=draw(numbers),
        time_quality=draw(words),
        monotonic_ms=draw(numbers),
        lane=draw(st.none() | words),
        profile=draw(st.none() | words),
        reason=draw(st.none() | words),
        medium=draw(st.none() | octets16),
        subject=draw(st.none() | st.tuples(words, octets16)),
        refers_to=draw(st.none() | octets16),
        money=draw(st.none() | moneys()),
        public=draw(publics),
        sealed=draw(st.none() | st.binary(min_size=1, max_size=200)),
    )
    return Record(handed_in, draw(st.integers(1, 2**53 - 1)), draw(octets16), draw(st.binary(min_size=32, max_size=32)))


@settings(deadline=None)
@given(records())
def test_every_record_comes_back_from_its_bytes(record: Record) -> None:
    data = record.to_bytes()
    assert Record.from_bytes(data) == record
    assert record.hash == hashlib.sha256(data).digest()
    assert cbor2.dumps(cbor2.loads(data), canonical=True) == data


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_hostile_bytes_give_a_reason(data: bytes) -> None:
    with pytest.raises(RecordInvalid):
        Record.from_bytes(data)


@settings(deadline=None)
@given(records(), st.data())
def test_a_damaged_record_is_refused_or_is_another_whole_record(record: Record, data: st.DataObject) -> None:
    """One byte changed, removed or inserted: never an accepted second encoding of the same fields."""
    good = record.to_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    instead = data.draw(st.binary(max_size=2))
    bad = good[:at] + instead + good[at + 1 :]
    if bad != good:
        try:
            other = Record.from_bytes(bad)
        except RecordInvalid:
            return
        assert other != record
        assert other.to_bytes() == bad


@settings(deadline=None)
@given(st.integers(0, 60_000), values)
def test_a_hostile_tag_gives_a_reason(tag: int, value: object) -> None:
    fields = cbor2.loads(RECORD.to_bytes())
    fields[15] = {"field": cbor2.CBORTag(tag, value)}
    with pytest.raises(RecordInvalid):
        Record.from_bytes(cbor2.dumps(fields))


def test_an_unknown_suite_is_named_as_such() -> None:
    fields = cbor2.loads(RECORD.to_bytes())
    fields[0] = 2
    with pytest.raises(UnknownSuite, match="suite"):
        Record.from_bytes(cbor2.dumps(fields))


def _reordered() -> bytes:
    fields = cbor2.loads(RECORD.to_bytes())
    return cbor2.dumps(dict(reversed(fields.items())))


def _with(key: int, value: object) -> bytes:
    fields = cbor2.loads(RECORD.to_bytes())
    fields[key] = value
    return cbor2.dumps(fields, canonical=True)


GOOD = RECORD.to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(GOOD + b"\x00", id="trailing byte"),
        pytest.param(GOOD[:-1], id="cut"),
        pytest.param(bytes([GOOD[0] + 1]) + GOOD[1:] + b"\x01\x02", id="duplicate key"),
        pytest.param(GOOD[:2] + b"\x18\x01" + GOOD[3:], id="integer longer than needed"),
        pytest.param(_reordered(), id="keys out of order"),
        pytest.param(b"\xbf" + GOOD[1:] + b"\xff", id="indefinite length"),
        pytest.param(_with(18, 1), id="unknown key"),
        pytest.param(_with(15, {}), id="empty map instead of absence"),
        pytest.param(_with(11, bytes(15)), id="medium of 15 bytes"),
        pytest.param(_with(17, bytes(31)), id="hash of 31 bytes"),
        pytest.param(_with(2, bytes(16)), id="not a UUIDv7"),
        pytest.param(_with(1, 0), id="seq 0"),
        pytest.param(_with(1, True), id="a boolean for a number"),
        pytest.param(_with(4, 2**60), id="time beyond all bounds"),
        pytest.param(_with(9, None), id="null instead of absence"),
        pytest.param(_with(15, {"x": 1.5}), id="fraction"),
        pytest.param(_with(15, {"x": [[[[[1]]]]]}), id="too deep"),
        pytest.param(_with(15, {1: 1}), id="key that is no text"),
        pytest.param(_with(16, bytes(MAX_RECORD_BYTES)), id="too large"),
        pytest.param(_with(3, "a\nb"), id="line break in a word"),
        pytest.param(_with(14, {0: 5}), id="money without an intent"),
        pytest.param(b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", id="a length of nine exabytes"),
        pytest.param(b"\x81" * 5000, id="five thousand arrays"),
    ],
)
def test_other_encodings_and_fields_are_refused(data: bytes) -> None:
    with pytest.raises(RecordInvalid):
        Record.from_bytes(data)


def test_an_entry_too_large_is_refused_before_it_is_stored() -> None:
    with pytest.raises(RecordInvalid, match="at most 16384"):
        Record(entry(1, sealed=bytes(MAX_RECORD_BYTES)), 1, BOOT_ID, NO_HASH).to_bytes()


def test_a_split_that_does_not_sum_is_refused() -> None:
    with pytest.raises(RecordInvalid, match="sum"):
        Money(800, bytes(16), "canteen-3", "20260101", funds={"subsidy": 300, "purse": 400})


def test_what_was_handed_in_cannot_be_changed_afterwards() -> None:
    public: dict[str, Value] = {"b": 1, "a": 2}
    handed_in = entry(1, public=public)
    public["b"] = 9
    assert handed_in.public == {"a": 2, "b": 1}


def test_no_medium_or_subject_is_in_a_repr() -> None:
    text = repr(RECORD)
    assert "medium" not in text
    assert "subject" not in text
    assert "account" not in repr(Money(1, bytes(16), "m", "20260101", account="6217"))


def test_an_id_carries_its_time_and_version() -> None:
    made = new_id(START_MS, b"\xff" * 10)
    assert int.from_bytes(made[:6], "big") == START_MS
    assert made.hex() == "019b76daa800" + "7fff" + "bfff" + "ff" * 6


def test_a_genesis_names_its_predecessor() -> None:
    genesis = Genesis(bytes(16), Predecessor(b"\x01" * 16, 77, b"\x02" * 32))
    record = Record(entry(1, kind="genesis", public=genesis.to_public()), 1, BOOT_ID, NO_HASH)
    assert Genesis.of(Record.from_bytes(record.to_bytes())) == genesis


@pytest.mark.parametrize(
    "public",
    [
        {},
        {"chain_id": bytes(15), "format": 1},
        {"chain_id": bytes(16), "format": 2},
        {"chain_id": bytes(16), "format": 1, "predecessor": 5},
        {"chain_id": bytes(16), "format": 1, "predecessor": {"chain_id": bytes(16), "seq": 0, "hash": bytes(32)}},
    ],
)
def test_a_genesis_with_wrong_fields_is_refused(public: dict[str, Value]) -> None:
    with pytest.raises(RecordInvalid, match="genesis"):
        Genesis.of(Record(entry(1, kind="genesis", public=public), 1, BOOT_ID, NO_HASH))


@pytest.mark.parametrize("vector", VECTORS["records"], ids=lambda vector: str(vector["name"]))
def test_the_golden_chain_is_read_and_written_byte_for_byte(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["bytes"])
    record = Record.from_bytes(data)
    assert record.to_bytes() == data
    assert record.hash.hex() == vector["hash"]
    assert record.seq == vector["seq"]
    assert record.entry.kind == vector["kind"]


def test_each_record_of_the_golden_chain_names_the_one_before() -> None:
    before = NO_HASH
    for vector in VECTORS["records"]:
        record = Record.from_bytes(bytes.fromhex(vector["bytes"]))
        assert record.prev_hash == before
        before = record.hash
