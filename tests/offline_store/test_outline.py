"""The place of a record that nobody can read yet."""

from __future__ import annotations

import contextlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline_store.errors import RecordInvalid, UnknownSuite
from offline_store.outline import Outline
from offline_store.record import MAX_RECORD_BYTES, Record
from tests.offline_store.parts import entry

RECORD = Record(entry(1), 7, bytes(16), bytes(range(32)))
FIELDS = cbor2.loads(RECORD.to_bytes())


def test_a_record_of_a_later_version_has_its_place() -> None:
    later = cbor2.dumps({**FIELDS, 40: {"anything": [1, 2]}, 3: 99})
    with pytest.raises(RecordInvalid):
        Record.from_bytes(later)
    assert Outline.of(later) == Outline(7, RECORD.entry.id, bytes(range(32)))


def test_another_suite_has_another_hash_so_its_place_proves_nothing() -> None:
    with pytest.raises(UnknownSuite):
        Outline.of(cbor2.dumps({**FIELDS, 0: 2}))


@pytest.mark.parametrize(
    "change", [{1: 0}, {1: "7"}, {1: True}, {2: b""}, {2: None}, {17: bytes(31)}, {17: 5}, {"text": 1}], ids=repr
)
def test_what_names_no_place_is_refused(change: dict[object, object]) -> None:
    with pytest.raises(RecordInvalid):
        Outline.of(cbor2.dumps({**FIELDS, **change}))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_outline_or_refused(data: bytes) -> None:
    with contextlib.suppress(RecordInvalid):
        assert Outline.of(data).seq >= 1


def test_too_long_a_record_is_refused_unread() -> None:
    with pytest.raises(RecordInvalid):
        Outline.of(bytes(MAX_RECORD_BYTES + 1))
