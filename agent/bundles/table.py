"""Rows of one size, sorted by key, in one file: registers, rosters and the emergency list, read in place.

The file: ``OCT1``, key size (1 byte), row size with its key (2 bytes), 1 byte zero, number of rows (4 bytes), label
(32 bytes, ASCII, zero-padded), then the rows ascending by key; numbers are big-endian. A look-up is a bisection over
the mapped file: exact, no index beside it, and ten million rows cost the pages that it touches.

A delta begins like a table of its changes; each change is an operation (0 remove, 1 put) before a row, ascending by
key, each key once. The row of a removal is its key and zeros. What no change touches is copied in long pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO, Protocol, Self

from agent.bundles.data import Data
from agent.bundles.errors import BundleError, BundleFault
from profiles.reasons import Sentence

MAX_ROWS = 1 << 25
MAX_ROW_BYTES = 1_024
_MAGIC = b"OCT1"
_LABEL_BYTES = 32
_HEAD_BYTES = 12 + _LABEL_BYTES
_PIECE_BYTES = 1 << 20


class Operation(IntEnum):
    """What a change does with a key's row."""

    REMOVE = 0
    PUT = 1


class Sink(Protocol):
    """Where a table is written to."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows of a table look; ``label`` says what its keys are about, such as a namespace of subjects."""

    key_bytes: int
    row_bytes: int
    label: str = ""

    def head(self, count: int) -> bytes:
        """What stands before ``count`` rows or changes."""
        return (
            _MAGIC
            + self.key_bytes.to_bytes(1, "big")
            + self.row_bytes.to_bytes(2, "big")
            + b"\0"
            + count.to_bytes(4, "big")
            + self.label.encode("ascii").ljust(_LABEL_BYTES, b"\0")
        )

    def count_in(self, size_bytes: int) -> int:
        """How many rows a table of this size holds. Raises :class:`BundleError` if none has it."""
        count, rest = divmod(size_bytes - _HEAD_BYTES, self.row_bytes)
        if not 0 <= count <= MAX_ROWS or rest:
            raise BundleError(
                BundleFault.CONTENT,
                Sentence("表的大小与签名的不符", "no table of these rows has the size that was signed"),
            )
        return count


class Table:
    """A table in its file, or in memory."""

    __slots__ = ("_data", "count", "shape")

    def __init__(self, data: Data, shape: Shape, count: int) -> None:
        self._data = data
        self.shape = shape
        self.count = count

    @classmethod
    def open(cls, data: Data) -> Self:
        """Read the head, and hold the size to it. Raises :class:`BundleError`."""
        shape, count = _parse_head(data[:_HEAD_BYTES])
        if len(data) != _HEAD_BYTES + count * shape.row_bytes:
            raise BundleError(
                BundleFault.CONTENT, Sentence("表的大小与行数不符", "the table's size is not that of its rows")
            )
        return cls(data, shape, count)

    def __len__(self) -> int:
        return self.count

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.get(key) is not None

    def get(self, key: bytes) -> bytes | None:
        """What stands behind ``key`` in its row (nothing in a table of bare keys), or ``None`` without such a row."""
        key_bytes = self.shape.key_bytes
        if len(key) != key_bytes:
            return None
        at = self._offset(self.place(key))
        if self._data[at : at + key_bytes] != key:
            return None
        return self._data[at + key_bytes : at + self.shape.row_bytes]

    def place(self, key: bytes, low: int = 0) -> int:
        """The number of rows before ``key``; at least ``low``."""
        data, key_bytes, row_bytes = self._data, self.shape.key_bytes, self.shape.row_bytes
        high = self.count
        while low < high:
            middle = (low + high) // 2
            at = _HEAD_BYTES + middle * row_bytes
            if data[at : at + key_bytes] < key:
                low = middle + 1
            else:
                high = middle
        return low

    def rows(self) -> Iterator[bytes]:
        """Every row, in order."""
        for place in range(self.count):
            yield self._data[self._offset(place) : self._offset(place + 1)]

    def check(self) -> None:
        """Hold the order of the keys. Raises :class:`BundleError`."""
        before = b""
        for row in self.rows():
            key = row[: self.shape.key_bytes]
            if key <= before:
                raise BundleError(BundleFault.CONTENT, Sentence("表的键没有递增", "the table's keys do not ascend"))
            before = key

    def pieces(self, first: int, end: int) -> Iterator[bytes]:
        """The rows from ``first`` to before ``end``, in long pieces."""
        at, stop = self._offset(first), self._offset(end)
        while at < stop:
            yield self._data[at : min(at + _PIECE_BYTES, stop)]
            at += _PIECE_BYTES

    def _offset(self, place: int) -> int:
        return _HEAD_BYTES + place * self.shape.row_bytes


def encode(shape: Shape, rows: Iterable[bytes]) -> bytes:
    """A whole table; ``rows`` in any order, each key once."""
    ordered = sorted(rows)
    return shape.head(len(ordered)) + b"".join(ordered)


def encode_delta(shape: Shape, removed: Iterable[bytes], put: Iterable[bytes]) -> bytes:
    """The body of a delta, before compression: keys that go, rows that come or change."""
    changes = [bytes([Operation.REMOVE]) + key.ljust(shape.row_bytes, b"\0") for key in removed]
    changes += [bytes([Operation.PUT]) + row for row in put]
    changes.sort(key=lambda change: change[1 : 1 + shape.key_bytes])
    return shape.head(len(changes)) + b"".join(changes)


def delta(old: Table, new: Table) -> bytes:
    """The body of the delta from ``old`` to ``new``, whose shapes agree; both in memory."""
    size = old.shape.key_bytes
    before, after = ({row[:size]: row for row in table.rows()} for table in (old, new))
    put = (row for key, row in after.items() if before.get(key) != row)
    return encode_delta(new.shape, before.keys() - after.keys(), put)


def apply(base: Table, body: BinaryIO, count: int, out: Sink) -> None:
    """Write the table that a delta leads to, which has ``count`` rows. Raises :class:`BundleError`."""
    shape, changes = _parse_head(body.read(_HEAD_BYTES))
    if shape != base.shape:
        raise BundleError(BundleFault.CONTENT, Sentence("增量的行格式不同", "the delta is for rows of another shape"))
    out.write(shape.head(count))
    done = 0
    last = b""
    for _ in range(changes):
        change = body.read(1 + shape.row_bytes)
        if len(change) != 1 + shape.row_bytes or change[0] not in tuple(Operation):
            raise BundleError(
                BundleFault.CONTENT,
                Sentence("增量提前结束，或有未知操作", "the delta ends early, or holds an unknown operation"),
            )
        row, key = change[1:], change[1 : 1 + shape.key_bytes]
        if key <= last:
            raise BundleError(BundleFault.CONTENT, Sentence("增量的键没有递增", "the delta's keys do not ascend"))
        place = base.place(key, done)
        for piece in base.pieces(done, place):
            out.write(piece)
        stands = place < base.count and next(base.pieces(place, place + 1))[: shape.key_bytes] == key
        if change[0] == Operation.PUT:
            out.write(row)
        elif not stands:
            raise BundleError(
                BundleFault.CONTENT, Sentence("增量要删除的行不存在", "the delta removes a row that is not there")
            )
        done, last = place + stands, key
    for piece in base.pieces(done, base.count):
        out.write(piece)


def _parse_head(head: bytes) -> tuple[Shape, int]:
    if len(head) != _HEAD_BYTES or not head.startswith(_MAGIC) or head[7]:
        raise BundleError(BundleFault.CONTENT, Sentence("不是表", "this is no table"))
    label = head[12:].rstrip(b"\0")
    key_bytes, row_bytes, count = head[4], int.from_bytes(head[5:7], "big"), int.from_bytes(head[8:12], "big")
    if not 0 < key_bytes <= row_bytes <= MAX_ROW_BYTES or count > MAX_ROWS or not label.isascii() or b"\0" in label:
        raise BundleError(BundleFault.CONTENT, Sentence("表头超出界限", "the table's head is out of bounds"))
    return Shape(key_bytes, row_bytes, label.decode("ascii")), count
