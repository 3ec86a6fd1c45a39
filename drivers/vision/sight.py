"""What was seen in one picture: symbols that were read, and symbols that were only found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy.typing as npt

Gray = npt.NDArray[Any]
"""A grey picture: shape (height, width), dtype uint8."""

Quad = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""Four corners (x, y) in pixels of the picture: top left, top right, bottom right, bottom left as the symbol lies."""


class Symbology(StrEnum):
    """What may be asked for. Linear ones are for books and cards, and cost a second pass over the picture."""

    QR = "qr"
    EAN_13 = "ean-13"
    CODE_128 = "code-128"
    CODE_39 = "code-39"
    ITF = "itf"
    CODABAR = "codabar"


class Problem(StrEnum):
    """Why a symbol that was found was not read; the first two are answered by moving the phone."""

    SMALL = "small"
    CUT = "cut"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol that was read. ``data`` is the payload before any charset; neither reaches a repr."""

    text: str = field(repr=False)
    data: bytes = field(repr=False)
    symbology: Symbology
    quad: Quad


@dataclass(frozen=True, slots=True)
class Located:
    """One symbol that was found and not read."""

    quad: Quad
    problem: Problem


@dataclass(frozen=True, slots=True)
class Sight:
    """All that one picture showed. ``stage`` names the stage that read it; empty when none did."""

    symbols: tuple[Symbol, ...] = ()
    located: tuple[Located, ...] = ()
    stage: str = ""


def area_of(quad: Quad) -> float:
    """Square pixels, by the shoelace formula; 0 for a quad that is a line or a point."""
    turned = (*quad[1:], quad[0])
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(quad, turned, strict=True))) / 2


def centre_of(quad: Quad) -> tuple[float, float]:
    """The mean of the corners."""
    return sum(x for x, _ in quad) / 4, sum(y for _, y in quad) / 4


def holds(quad: Quad, point: tuple[float, float]) -> bool:
    """Whether a point lies in a convex quad, border included."""
    turned = (*quad[1:], quad[0])
    sides = [
        (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]) for a, b in zip(quad, turned, strict=True)
    ]
    return min(sides) >= 0 or max(sides) <= 0


def scaled(quad: Quad, factor: float) -> Quad:
    """The same quad in a picture that is ``factor`` times as large."""
    a, b, c, d = ((x * factor, y * factor) for x, y in quad)
    return (a, b, c, d)


def outermost(symbols: Iterable[Symbol]) -> tuple[Symbol, ...]:
    """One place, one symbol, the larger one.

    A code drawn inside another code would otherwise show one terminal this text and the next terminal that one.
    """
    kept: list[Symbol] = []
    for symbol in sorted(symbols, key=lambda one: -area_of(one.quad)):
        if not any(holds(other.quad, centre_of(symbol.quad)) for other in kept):
            kept.append(symbol)
    return tuple(kept)


def apart(quads: Iterable[Quad], taken: Sequence[Quad]) -> list[Quad]:
    """Those quads whose centre lies in no quad that is taken or came before."""
    kept: list[Quad] = []
    for quad in quads:
        if not any(holds(other, centre_of(quad)) for other in (*taken, *kept)):
            kept.append(quad)
    return kept
