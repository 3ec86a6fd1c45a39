"""The number on a receipt by which another till finds the sale (退款号)."""

from __future__ import annotations

FIRST_RETURN_NUMBER, RETURN_NUMBERS = 10_000_000, 90_000_000
"""Eight digits, which a keypad can type; no till counts its own sales so far."""
NUMBER_BYTES = 4
"""So many bytes at the end of an intent's id make its number: two sales may share one, and then neither is found."""


def return_number(intent_id: bytes) -> int:
    """The number of a sale, by its intent."""
    return FIRST_RETURN_NUMBER + int.from_bytes(intent_id[-NUMBER_BYTES:], "big") % RETURN_NUMBERS


def is_return_number(number: int | None) -> bool:
    """Whether this is a receipt's number and no sale's of one till."""
    return number is not None and FIRST_RETURN_NUMBER <= number < FIRST_RETURN_NUMBER + RETURN_NUMBERS
