"""Where a terminal stands, kept with its journal."""

from __future__ import annotations

from agent import cbor
from agent.bundles.check import Place

SAVED_PLACE = "terminal/place"
"""Which terminal this is and where, saved with each start: permits are asked for without its configuration too."""


def place_saved(place: Place) -> bytes:
    """As it is saved."""
    return cbor.encode([place.terminal, place.site])


def place_of(saved: bytes | None) -> Place | None:
    """What was saved; ``None`` for nothing, and for what is damaged."""
    if saved is None:
        return None
    try:
        value = cbor.decode(saved, max_bytes=512, max_depth=1)
    except cbor.CborError:
        return None
    match value:
        case [str() as terminal, str() | None as site]:
            return Place(terminal, site)
    return None
