"""What the platform publishes about money: signed price lists and tariffs, as profiles read them (docs/tariffs.md).

A list or tariff that is not installed, is damaged, or has expired beyond its grace is simply not there: nobody sells at
a price that the platform no longer stands for. Within a tariff each entry says from when until when it holds, so that
the fares of next month lie on the terminal before it begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from profiles.reasons import Sentence

GRAMS = 1_000
"""In a kilogram."""
_NOWHERE = 0xFFFF_FFFF
_CELL_BYTES = 4


class Per(StrEnum):
    """What a price is for."""

    PIECE = "piece"
    KILOGRAM = "kg"


class Gives(StrEnum):
    """What the values of a table are: money, or a distance that another table turns into money."""

    FEN = "fen"
    METRES = "metres"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a price list."""

    code: str
    """Digits: what the cashier types, or a barcode."""
    name: Sentence
    price_fen: int
    per: Per = Per.PIECE

    def cost_fen(self, grams: int) -> int:
        """What so many grams of it cost, half a fen and more being one."""
        return (self.price_fen * grams + GRAMS // 2) // GRAMS


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list in force."""

    name: str
    version: int
    items: Mapping[str, Item]
    """By their codes."""


@dataclass(frozen=True, slots=True)
class Window:
    """From a moment (included) until another (excluded), Unix milliseconds."""

    from_ms: int
    until_ms: int

    def holds(self, now_ms: int) -> bool:
        """Whether a moment lies in it."""
        return self.from_ms <= now_ms < self.until_ms


@dataclass(frozen=True, slots=True)
class Promotion:
    """What is taken off the price of a purchase: a percentage or an amount, and never all of it."""

    id: str
    window: Window
    name: Sentence
    whose: str | None = None
    """Only for who holds this entitlement, or has it as price class in the roster."""
    least_fen: int = 0
    """Only for purchases of so much at least."""
    percent: int = 0
    off_fen: int = 0
    most_fen: int | None = None
    """So much is taken off at most."""

    def discount_fen(self, amount_fen: int) -> int:
        """What it takes off this amount; 0 where it does not apply."""
        if amount_fen < self.least_fen:
            return 0
        off_fen = amount_fen * self.percent // 100 + self.off_fen
        return off_fen if self.most_fen is None else min(off_fen, self.most_fen)


@dataclass(frozen=True, slots=True)
class Steps:
    """A value by a quantity that rises in steps: a fare by metres, an amount by minutes."""

    id: str
    window: Window
    gives: Gives
    rows: tuple[tuple[int, int], ...]
    """``(up to and including, value)``, rising."""

    def value(self, quantity: int) -> int | None:
        """The value of the first step that reaches so far; ``None`` beyond the last."""
        if quantity < 0:
            return None
        return next((value for up_to, value in self.rows if quantity <= up_to), None)


@dataclass(frozen=True, slots=True)
class Pairs:
    """A value from one place to another: a fare between zones, the metres between stations."""

    id: str
    window: Window
    gives: Gives
    places: tuple[str, ...]
    cells: bytes
    """Row by row, four bytes each, big-endian; all ones where no way leads."""

    def value(self, start: str, end: str) -> int | None:
        """The value from ``start`` to ``end``; ``None`` for a place that is not there, or where no way leads."""
        if start not in self.places or end not in self.places:
            return None
        at = _CELL_BYTES * (len(self.places) * self.places.index(start) + self.places.index(end))
        value = int.from_bytes(self.cells[at : at + _CELL_BYTES], "big")
        return None if value == _NOWHERE else value


def cells_of(places: tuple[str, ...], values: Mapping[tuple[str, str], int]) -> bytes:
    """The cells of a table of pairs."""
    ways = ((start, end) for start in places for end in places)
    return b"".join(values.get(way, _NOWHERE).to_bytes(_CELL_BYTES, "big") for way in ways)


Entry = TypeVar("Entry", Promotion, Steps, Pairs)


@dataclass(frozen=True, slots=True)
class Tariff:
    """A tariff in force. Of entries with one id at most one holds at any moment."""

    name: str
    version: int
    promotions: tuple[Promotion, ...] = ()
    all_steps: tuple[Steps, ...] = ()
    all_pairs: tuple[Pairs, ...] = ()

    def steps(self, name: str, now_ms: int) -> Steps | None:
        """The steps of this id that hold now."""
        return _holding(self.all_steps, name, now_ms)

    def pairs(self, name: str, now_ms: int) -> Pairs | None:
        """The pairs of this id that hold now."""
        return _holding(self.all_pairs, name, now_ms)

    def promotion(self, amount_fen: int, classes: frozenset[str], now_ms: int) -> Promotion | None:
        """The one that takes most off this amount for somebody of these classes; of equal ones the first by id."""
        fitting = (
            promotion
            for promotion in self.promotions
            if promotion.window.holds(now_ms) and (promotion.whose is None or promotion.whose in classes)
        )
        best = max(fitting, key=lambda promotion: promotion.discount_fen(amount_fen), default=None)
        return best if best is not None and best.discount_fen(amount_fen) else None


class Published(Protocol):
    """Where profiles find what is published, and by when they judge it; part of their facts."""

    @property
    def least_ms(self) -> int:
        """The moment by which is judged what holds for a time only: now, or, where the clock is behind what is known,
        the earliest that it can be. Unix milliseconds, UTC.
        """

    def prices(self, name: str) -> Prices | None:
        """The price list of this name, if it is in force."""

    def tariff(self, name: str) -> Tariff | None:
        """The tariff of this name, if it is in force."""

    def lease(self) -> bool | None:
        """Whether the platform's lease holds; ``None`` for a terminal that was never given one."""


def _holding(entries: Iterable[Entry], name: str, now_ms: int) -> Entry | None:
    return next((entry for entry in entries if entry.id == name and entry.window.holds(now_ms)), None)
