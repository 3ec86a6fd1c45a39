"""Cards as a PN532 lists them, and their ATR."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iso14443 import ListingError, TypeA, TypeB, historical_bytes, parse_type_a, parse_type_b

DESFIRE = bytes.fromhex("01 01 03 44 20 07 04010203040506 06 7577810280")
CLASSIC = bytes.fromhex("01 01 00 04 08 04 11223344")
TYPE_B = bytes.fromhex("01 01 50 01020304 A1A2A3A4 008171 01 21")


def test_an_iso_dep_card_of_type_a_is_read_from_the_list() -> None:
    (card,) = parse_type_a(DESFIRE)
    assert card == TypeA(0x20, bytes.fromhex("04010203040506"), bytes.fromhex("067577810280"))
    assert card.iso_dep
    assert card.activated
    # The ATR that PC/SC readers give a Mifare DESFire: one historical byte, 80.
    assert card.atr == bytes.fromhex("3B8180018080")


def test_a_tag_without_iso_dep_has_no_ats() -> None:
    (card,) = parse_type_a(CLASSIC)
    assert not card.iso_dep
    assert card.ats == b""


def test_two_cards_of_type_a_are_both_listed() -> None:
    two = b"\x02" + DESFIRE[1:] + CLASSIC[1:].replace(b"\x01", b"\x02", 1)
    assert [card.iso_dep for card in parse_type_a(two)] == [True, False]


def test_a_card_of_type_b_is_read_from_the_list() -> None:
    (card,) = parse_type_b(TYPE_B)
    assert card.iso_dep
    # Application data, protocol information, the buffer index of the ATTRIB answer 21 with its low half cleared.
    assert card.atr[:-1] == bytes.fromhex("3B888001 A1A2A3A4 008171 20")


def test_a_type_b_card_without_answer_to_attrib_is_not_activated() -> None:
    assert not TypeB(TYPE_B[2:14], b"").activated


@pytest.mark.parametrize(
    ("ats", "historical"),
    [("", ""), ("01", ""), ("0220", ""), ("067577810280", "80"), ("057881B1C2", "C2"[2:]), ("0300AABB", "AABB")],
)
def test_historical_bytes_are_what_follows_the_interface_bytes(ats: str, historical: str) -> None:
    assert historical_bytes(bytes.fromhex(ats)) == bytes.fromhex(historical)


def test_a_random_uid_and_a_pupi_identify_no_card() -> None:
    assert TypeA(0x20, bytes.fromhex("08AABBCC")).fixed_id is None
    assert TypeA(0x20, bytes.fromhex("04AABBCC")).fixed_id == bytes.fromhex("04AABBCC")
    assert parse_type_b(TYPE_B)[0].fixed_id is None


@pytest.mark.parametrize("size", range(len(DESFIRE)))
def test_a_list_that_is_cut_short_is_an_error_or_a_card_without_ats(size: int) -> None:
    try:
        (card,) = parse_type_a(DESFIRE[:size])
    except ListingError:
        return
    assert not card.activated


@given(st.binary(max_size=60))
def test_arbitrary_lists_give_cards_or_a_listing_error(listing: bytes) -> None:
    for parse in (parse_type_a, parse_type_b):
        try:
            cards = parse(listing)
        except ListingError:
            continue
        for card in cards:
            assert card.atr[0] == 0x3B
            assert len(card.atr) <= 20
