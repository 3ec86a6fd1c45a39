"""Barcodes of things, beside the codes of people: a lane whose profile takes them sees each text first.

What tells them apart is the symbology where the reader names it, and the text where it does not: a serial scanner gives
both over the same wire. A thing's number has few characters, none of which is the colon of a citizen code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from profiles.reasons import ReasonEnum

ONE_DIMENSIONAL = frozenset(
    {"code-39", "code-93", "code-128", "codabar", "itf", "ean-8", "ean-13", "upc-a", "upc-e", "databar"}
)
_NUMBER = re.compile(r"[0-9A-Za-z.$/+-]+", re.ASCII)
"""What Code 39 can say, small letters added, blanks and percent signs left out."""
MAX_ITEM_CHARS = 32


@dataclass(frozen=True, slots=True)
class Barcode:
    """The number of a thing was scanned."""

    item: str = field(repr=False)


class ItemNumbers(BaseModel):
    """Which numbers are those of this library's items."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefixes: tuple[str, ...] = Field(default=(), max_length=32, description="one of them begins each; empty: any")
    min_chars: int = Field(default=6, ge=1, le=MAX_ITEM_CHARS)
    max_chars: int = Field(default=14, ge=1, le=MAX_ITEM_CHARS)

    def holds(self, text: str) -> bool:
        """Whether this is the number of an item."""
        fits = self.min_chars <= len(text) <= self.max_chars and _NUMBER.fullmatch(text) is not None
        return fits and (not self.prefixes or text.startswith(self.prefixes))


@runtime_checkable
class ReadsBarcodes(Protocol):
    """A profile that takes the barcodes of things."""

    def barcode(self, text: str, symbology: str) -> Barcode | ReasonEnum | None:
        """The thing that this text names, why it is none, or ``None`` for what may be a person's code."""
