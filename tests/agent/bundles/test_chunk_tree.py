"""The tree over chunks: every chunk of every size of tree proves itself, and nothing else does."""

from __future__ import annotations

import hashlib

import pytest

from agent.bundles.chunk_tree import ChunkTree, proves
from agent.sync.contract.downloads import MAX_CHUNKS, MAX_PATH


def chunks(count: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(count)]


@pytest.mark.parametrize("count", [*range(1, 18), 255, 256, 257])
def test_each_chunk_proves_itself_at_its_place_and_at_no_other(count: int) -> None:
    pieces = chunks(count)
    tree = ChunkTree(pieces)
    for number, piece in enumerate(pieces):
        path = tree.path(number)
        assert proves(piece, number, count, path, tree.root)
        assert not proves(piece + b"x", number, count, path, tree.root)
        assert not proves(piece, number, count, (*path, bytes(32)), tree.root)
        assert not proves(piece, number, count, path, bytes(32))
        if count > 1:
            assert not proves(piece, (number + 1) % count, count, path, tree.root)
            assert not proves(piece, number, count, path[:-1], tree.root)


def test_the_root_is_that_of_rfc_9162() -> None:
    """Section 2.1.1, by its own definition: the largest power of two below the count splits it."""

    def root(pieces: list[bytes]) -> bytes:
        if len(pieces) == 1:
            return hashlib.sha256(b"\0" + pieces[0]).digest()
        split = 1 << (len(pieces) - 1).bit_length() - 1
        return hashlib.sha256(b"\1" + root(pieces[:split]) + root(pieces[split:])).digest()

    for count in range(1, 40):
        assert ChunkTree(chunks(count)).root == root(chunks(count))


def test_the_longest_path_fits_its_message() -> None:
    assert len(ChunkTree(chunks(MAX_CHUNKS)).path(0)) == MAX_PATH
