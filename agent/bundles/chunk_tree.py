"""A Merkle tree over the chunks of a body (RFC 9162 §2.1, SHA-256): each chunk proves by itself that it was signed.

The manifest signs the root, 32 bytes however many chunks there are; a chunk brings its path, a hash a level. So one
that was altered on its way is known when it comes, and is asked for again alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

_LEAF, _NODE = b"\0", b"\1"


class ChunkTree:
    """The tree of one body."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        """Of at least one chunk."""
        self._levels = [[_leaf(chunk) for chunk in chunks]]
        while len(level := self._levels[-1]) > 1:
            pairs = [_node(*level[at : at + 2]) for at in range(0, len(level) - 1, 2)]
            self._levels.append(pairs + level[len(pairs) * 2 :])  # an odd one out goes up as it is

    @property
    def root(self) -> bytes:
        """What the manifest signs."""
        return self._levels[-1][0]

    def path(self, number: int) -> tuple[bytes, ...]:
        """What leads from a chunk to the root, from below (RFC 9162 §2.1.3.1)."""
        siblings = []
        for level in self._levels[:-1]:
            if (beside := number ^ 1) < len(level):
                siblings.append(level[beside])
            number >>= 1
        return tuple(siblings)


def proves(chunk: bytes, number: int, count: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether this is the chunk of that number, of so many, below ``root`` (RFC 9162 §2.1.3.2)."""
    at, last, found = number, count - 1, _leaf(chunk)
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = _node(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = _node(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def _leaf(chunk: bytes) -> bytes:
    return hashlib.sha256(_LEAF + chunk).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
