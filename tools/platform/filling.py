"""Records that lie within a hole of a chain, and what is left of it once they are there.

The hashes alone decide. Records are of the chain if the first one continues what lies before the hole, or if the last
one is what lies behind the hole names as its predecessor; records that reach neither end cannot be placed yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.platform.arrived import Arrived
from tools.platform.holes import Hole


@dataclass(frozen=True, slots=True)
class Filled:
    """They belong there; what is left of the hole, if anything."""

    left: Hole | None


@dataclass(frozen=True, slots=True)
class Forking:
    """Another record than theirs is known to be at `seq`, with this hash."""

    seq: int
    hash: bytes


def filling(hole: Hole, before: bytes, inside: Sequence[Arrived]) -> Filled | Forking | None:
    """Where consecutive records within a hole belong; ``before`` is the hash of the record before it.

    ``None`` if they reach neither of its ends. The beginning of a chain is none: anybody could begin one.
    """
    first, last = inside[0], inside[-1]
    at_front, at_end = first.seq == hole.first > 1, last.seq == hole.last
    if at_front and first.prev_hash != before:
        return Forking(hole.first - 1, before)
    if at_end and last.hash != hole.anchor_hash:
        return Forking(hole.last, hole.anchor_hash)
    if at_end:
        return Filled(Hole(hole.first, first.seq - 1, first.prev_hash) if first.seq > hole.first else None)
    if at_front:
        return Filled(Hole(last.seq + 1, hole.last, hole.anchor_hash))
    return None


def cut(arrived: Sequence[Arrived], holes: Sequence[Hole], head_seq: int) -> list[list[Arrived]]:
    """Consecutive records, parted where a hole begins and ends and behind the head: each part is taken by one rule."""
    ends = {hole.first - 1 for hole in holes} | {hole.last for hole in holes} | {head_seq}
    pieces: list[list[Arrived]] = [[]]
    for item in arrived:
        pieces[-1].append(item)
        if item.seq in ends:
            pieces.append([])
    return [piece for piece in pieces if piece]
