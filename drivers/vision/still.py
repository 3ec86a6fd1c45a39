"""One picture, all stages, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

from drivers.vision.picture import Picture
from drivers.vision.sight import Gray, Sight, Symbol, Symbology, outermost, scaled
from drivers.vision.stages import CHEAP, HARD

BUDGET_MS = 55
"""After this no further stage begins; the last one may end later."""
_NS_PER_MS = 1_000_000


def still(
    gray: Gray,
    symbologies: Collection[Symbology] = (Symbology.QR,),
    *,
    budget_ms: int = BUDGET_MS,
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
) -> Sight:
    """What one picture shows. Stops at the first stage that reads anything, or when the budget is spent.

    ``gray`` has shape (height, width) and dtype uint8; anything else raises ``ValueError``.
    """
    picture = Picture(gray, frozenset(symbologies))
    until_ns = monotonic_ns() + budget_ms * _NS_PER_MS
    for step in CHEAP:
        if symbols := step.stage(picture):
            return sight_of(picture, symbols, step.name)
    if Symbology.QR not in picture.symbologies:
        return Sight()
    for step in HARD:
        if monotonic_ns() >= until_ns:
            break
        if step.needs_evidence and not picture.suspicious:
            continue
        if symbols := step.stage(picture):
            return sight_of(picture, symbols, step.name)
    return sight_of(picture, [], "")


def sight_of(picture: Picture, symbols: list[Symbol], stage: str) -> Sight:
    """The sight in pixels of the source: symbols one a place, then what was only located."""
    whole = [replace(one, quad=scaled(one.quad, picture.factor)) for one in outermost(symbols)]
    located = picture.located(symbols)
    if not whole and not located:
        located = picture.cut()
    return Sight(tuple(whole), located, stage if whole else "")
