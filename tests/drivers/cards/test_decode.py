"""Text, digits and dates as cards store them."""

from __future__ import annotations

import pytest

from drivers.api import CardError, CardFault
from drivers.cards import decode


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (bytes.fromhex("20160312"), "20160312"),
        (b"20160312", "20160312"),
        (bytes.fromhex("20240229"), "20240229"),
        (bytes(4), None),
        (b"\xff" * 4, None),
        (b"00000000", None),
        (b" " * 8, None),
        (b"", None),
    ],
)
def test_a_date_in_bcd_or_ascii_or_none(raw: bytes, value: str | None) -> None:
    assert decode.date(raw, "a date") == value


@pytest.mark.parametrize(
    "raw",
    [
        b"\x20\x23\x02\x29",
        b"\x20\x23\x13\x01",
        b"\x20\x2a\x01\x01",
        b"2016031",
        b"2016-3-1",
        b"\x20\x16\x03",
        b"\xb2" * 8,
    ],
)
def test_a_date_that_no_calendar_has_is_garbled_and_stays_out_of_the_message(raw: bytes) -> None:
    with pytest.raises(CardError) as caught:
        decode.date(raw, "a date")
    assert caught.value.fault is CardFault.GARBLED
    assert str(caught.value) == "the card answers nonsense: a date"


def test_text_loses_its_padding_and_nothing_else() -> None:
    assert decode.text(b"2.0\x00", "version") == "2.0"
    assert decode.text(b"Z 1  \xff\xff", "number") == "Z 1"
    assert decode.text(bytes(4), "version") is None


@pytest.mark.parametrize("raw", [b"\x80abc", b"a\nb", b"a\x00b"])
def test_text_that_nobody_can_read_is_garbled(raw: bytes) -> None:
    with pytest.raises(CardError):
        decode.text(raw, "text")


def test_a_month_ends_on_its_last_day() -> None:
    assert decode.last_day_of("4402", "expiry") == "20440229"
    with pytest.raises(CardError):
        decode.last_day_of("4413", "expiry")
