"""Data objects: what is read, and where it ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.cards import tlv


def test_a_nested_value_is_found_and_padding_is_skipped() -> None:
    fci = bytes.fromhex("6F1A840FA000000632010105A0000006320101A507000088 011E0000".replace(" ", ""))
    assert tlv.find(fci, 0x88) == b"\x1e"
    assert tlv.find(fci, 0x99) is None


@pytest.mark.parametrize(
    "data",
    ["84", "8405AA", "9F", "9FFFFFFF01", "8480", "8483000001AA", "8481", "5F24820001"],
)
def test_cut_or_oversized_objects_are_refused(data: str) -> None:
    with pytest.raises(tlv.TlvError):
        list(tlv.objects(bytes.fromhex(data)))


def test_more_objects_than_any_card_has_are_refused() -> None:
    one = tlv.encode(0x84, b"")
    assert len(list(tlv.objects(one * tlv.ITEMS_MAX))) == tlv.ITEMS_MAX
    with pytest.raises(tlv.TlvError, match="too many"):
        list(tlv.objects(one * (tlv.ITEMS_MAX + 1)))


def test_nesting_is_searched_to_its_bound_and_no_deeper() -> None:
    data = tlv.encode(0x4F, b"x")
    for _ in range(tlv.DEPTH_MAX - 1):
        data = tlv.encode(0x6F, data)
    assert tlv.find(data, 0x4F) == b"x"
    assert tlv.find(tlv.encode(0x6F, data), 0x4F) is None


@given(st.sampled_from([0x01, 0x4E, 0x84, 0x9F0C, 0xBF0C]), st.binary(max_size=255))
def test_what_is_encoded_is_found(tag: int, value: bytes) -> None:
    assert tlv.find(tlv.encode(tag, value), tag) == value


@given(st.binary(max_size=300))
def test_random_bytes_give_objects_or_a_tlv_error(data: bytes) -> None:
    try:
        found = list(tlv.objects(data))
        list(tlv.find_all(data, 0x4F))
        list(tlv.tag_and_length_list(data))
    except tlv.TlvError:
        return
    assert sum(len(value) + 2 for _, value in found) <= len(data)


def test_a_data_object_list_names_tags_and_lengths() -> None:
    assert list(tlv.tag_and_length_list(bytes.fromhex("9F66045F2A02"))) == [(0x9F66, 4), (0x5F2A, 2)]
    with pytest.raises(tlv.TlvError):
        list(tlv.tag_and_length_list(bytes.fromhex("9F6604 5F2A".replace(" ", ""))))
