"""The few encodings in which these cards store text, digits and dates.

One rule for all: padding alone means that the card states nothing (``None``), and what is neither padding nor what the
standard says raises ``CardError(GARBLED)``. Details never name the value.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date as Date  # noqa: N812 — the function below is called ``date``

from drivers.api import CardError, CardFault

PADDING = b"\x00\xff "


def text(raw: bytes, what: str, encoding: str = "ascii") -> str | None:
    """Printable text with its padding (``00``, ``FF``, blanks at the end) taken off."""
    trimmed = raw.rstrip(PADDING)
    if not trimmed:
        return None
    try:
        value = trimmed.decode(encoding)
    except UnicodeDecodeError:
        raise garbled(what) from None
    if not value.isprintable():
        raise garbled(what)
    return value


def bcd(raw: bytes, what: str) -> str:
    """Packed decimal digits, two a byte."""
    digits = raw.hex()
    if not digits.isdecimal():
        raise garbled(what)
    return digits


def date(raw: bytes, what: str) -> str | None:
    """``YYYYMMDD`` from four bytes BCD or eight ASCII digits; a day that the calendar does not have is garbled."""
    if not raw.strip(b"\x00\xff"):
        return None
    digits = bcd(raw, what) if len(raw) == 4 else text(raw, what)
    if digits is None or not digits.strip("0"):
        return None
    if len(digits) != 8 or not digits.isdecimal():
        raise garbled(what)
    try:
        Date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        raise garbled(what) from None
    return digits


def last_day_of(year_month: str, what: str) -> str:
    """``YYYYMMDD``, the last day of a month given as ``YYMM`` of this century (EMV expiry)."""
    year, month = 2000 + int(year_month[:2]), int(year_month[2:])
    if not 1 <= month <= 12:
        raise garbled(what)
    return f"{year}{month:02}{monthrange(year, month)[1]:02}"


def garbled(what: str) -> CardError:
    """The error for a field that is not what its standard says."""
    return CardError(CardFault.GARBLED, what)
