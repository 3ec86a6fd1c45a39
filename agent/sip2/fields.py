"""How a message's fields stand on the wire: fixed ones by position, then variable ones by their two letters, each ended
by ``|`` (3M SIP 2.00, "Fields and messages"). A message is a dataclass whose annotations carry these descriptions.

Reading is strict about positions and generous about the rest: unknown fields are skipped, of a field that may stand
once the first counts, and a date that nobody can read is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from agent.sip2.errors import Sip2Error, Sip2Fault

DATE_CHARS = 18
_BLANK_DATE = " " * DATE_CHARS


@dataclass(frozen=True, slots=True)
class Fixed:
    """A field of so many characters."""

    width: int
    write: Callable[[Any], str]
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Variable:
    """A field by its two letters. Whether it may be absent, or stand several times, is in the annotated type."""

    id: str


def malformed(what: str) -> Sip2Error:
    """A message that is not as the protocol says; ``what`` names the field, never its value."""
    return Sip2Error(Sip2Fault.MALFORMED, what)


def plain(text: str) -> str:
    """Text that can stand in a field."""
    if "|" in text or not (text.isprintable() or not text):
        raise malformed("text")
    return text


def _write_date(moment: datetime | None) -> str:
    """``YYYYMMDDZZZZHHMMSS``: four blanks for local time, three and a Z for UTC."""
    if moment is None:
        return _BLANK_DATE
    zone = "   Z" if moment.tzinfo is UTC else "    "
    return f"{moment:%Y%m%d}{zone}{moment:%H%M%S}"


def read_date(text: str) -> datetime | None:
    """A date of 18 characters; without a zone it is local time and naive. ``None`` for anything else."""
    zone = text[8:12]
    if len(text) != DATE_CHARS or zone not in ("    ", "   Z"):
        return None
    try:
        moment = datetime.strptime(text[:8] + text[12:], "%Y%m%d%H%M%S")  # noqa: DTZ007 -- local time, as it says
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if zone.strip() else moment


def _read_yes_no(text: str) -> bool:
    """``U`` is unknown, which promises nothing."""
    if text not in ("Y", "N", "U", " "):
        raise malformed("Y/N")
    return text == "Y"


def _read_one_zero(text: str) -> bool:
    if text not in ("1", "0"):
        raise malformed("1/0")
    return text == "1"


def _read_count(text: str) -> int | None:
    """Blanks: the system does not support it."""
    if not text.strip():
        return None
    if not (text.isascii() and text.isdigit()):
        raise malformed("count")
    return int(text)


def _count(width: int) -> Fixed:
    return Fixed(width, lambda count: " " * width if count is None else f"{count:0{width}d}", _read_count)


def characters(width: int) -> Fixed:
    """So many characters as they are."""
    return Fixed(width, lambda text: plain(text).ljust(width)[:width], str)


YesNo = Annotated[bool, Fixed(1, lambda yes: "Y" if yes else "N", _read_yes_no)]
OneZero = Annotated[bool, Fixed(1, lambda one: "1" if one else "0", _read_one_zero)]
Date = Annotated[datetime | None, Fixed(DATE_CHARS, _write_date, read_date)]
Count3 = Annotated[int | None, _count(3)]
Count4 = Annotated[int | None, _count(4)]
Char1 = Annotated[str, characters(1)]
Char2 = Annotated[str, characters(2)]
Char3 = Annotated[str, characters(3)]
Char4 = Annotated[str, characters(4)]
Char10 = Annotated[str, characters(10)]
Char14 = Annotated[str, characters(14)]
