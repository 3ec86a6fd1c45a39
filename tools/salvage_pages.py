"""The rows that bare pages of a damaged SQLite file hold, without the tables that lead to them.

Debian's ``sqlite3`` is built without the page table that its ``.recover`` needs, and Python's module has no such call;
so leaf pages of tables are read here (https://sqlite.org/fileformat2.html, §1.6 and §2.1), in the database and in every
frame of its log, also in frames of which the log's own checksums say nothing any more: whoever asks must be able to
prove a row by itself. Every length is hostile.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import SEEK_END
from typing import BinaryIO

Value = int | float | bytes | None
"""Texts come as their bytes."""

_LEAF_TABLE = 0x0D
_HEADER_BYTES = 100
_LOG_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_MAX_PAYLOAD_BYTES = 1 << 15
"""Twice what a record may take."""
_MAX_CELLS_PAGES = 4
"""Cells share no byte, and so fill a page once; noise may claim some more. Without a bound one page of pointers to one
cell costs thousands of looks at whatever that leads to."""
_MAX_COLUMNS = 64
_PAGE_SIZES = frozenset(1 << power for power in range(9, 17))
_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
"""Of serial types 0 to 9 (§2.1)."""


@dataclass(frozen=True, slots=True)
class Row:
    """Its rowid, and its columns in the order of their table, whichever that was."""

    rowid: int
    values: tuple[Value, ...]


@dataclass
class Pages:
    """Every image of a page, in a database and its log; pages are of ``page_bytes``."""

    database: BinaryIO
    log: BinaryIO | None
    page_bytes: int
    _newest: dict[int, int] = field(default_factory=dict, init=False)
    """Where the log has a page's last image."""

    def rows(self) -> Iterator[Row]:
        """Every row of every leaf that can be read, the log's first; one row may come more than once."""
        if self.log is not None:
            frames = list(_frames(self.log, self.page_bytes))
            self._newest.update((number, offset) for offset, number in frames)
            for offset, number in frames:
                page = _read(self.log, offset, self.page_bytes)
                yield from self._rows_of(page, _HEADER_BYTES if number == 1 else 0)
        for number in range(1, _size(self.database) // self.page_bytes + 1):
            page = _read(self.database, (number - 1) * self.page_bytes, self.page_bytes)
            yield from self._rows_of(page, _HEADER_BYTES if number == 1 else 0)

    def _rows_of(self, page: bytes, start: int) -> Iterator[Row]:
        if len(page) < self.page_bytes or page[start] != _LEAF_TABLE:
            return
        (count,) = struct.unpack_from(">H", page, start + 3)
        places = range(start + 8, min(start + 8 + 2 * count, self.page_bytes - 1), 2)
        left_bytes = _MAX_CELLS_PAGES * self.page_bytes
        for cell in dict.fromkeys(struct.unpack_from(">H", page, place)[0] for place in places):
            size, local_bytes = self._sizes(page, cell)
            if not 0 < local_bytes <= left_bytes:
                continue
            left_bytes -= local_bytes
            row = self._row(page, cell, size, local_bytes)
            if row is not None:
                yield row

    def _sizes(self, page: bytes, cell: int) -> tuple[int, int]:
        """Of a cell's payload, whole and on this page (§1.6); nothing of what is no cell."""
        try:
            size, _ = _varint(page, cell)
        except IndexError:
            return 0, 0
        if not 0 < size <= _MAX_PAYLOAD_BYTES:
            return 0, 0
        most = self.page_bytes - 35
        if size <= most:
            return size, size
        least = (self.page_bytes - 12) * 32 // 255 - 23
        local_bytes = least + (size - least) % (self.page_bytes - 4)
        return size, local_bytes if local_bytes <= most else least

    def _row(self, page: bytes, cell: int, size: int, local_bytes: int) -> Row | None:
        try:
            _, place = _varint(page, cell)
            rowid, place = _varint(page, place)
            return Row(_signed(rowid), _values(self._payload(page, place, size, local_bytes)))
        except (IndexError, struct.error, ValueError):
            return None

    def _payload(self, page: bytes, place: int, size: int, local_bytes: int) -> bytes:
        """The whole of it, also where it goes on in overflow pages (§1.6). Raises `struct.error`."""
        payload = page[place : place + local_bytes]
        if local_bytes == size:
            return payload
        (number,) = struct.unpack_from(">I", page, place + local_bytes)
        while number and len(payload) < size:
            more = self._page(number)
            (number,) = struct.unpack_from(">I", more, 0)
            payload += more[4:]
        return payload[:size]

    def _page(self, number: int) -> bytes:
        if self.log is not None and number in self._newest:
            return _read(self.log, self._newest[number], self.page_bytes)
        return _read(self.database, (number - 1) * self.page_bytes, self.page_bytes)


def page_sizes(database: BinaryIO, log: BinaryIO | None) -> list[int]:
    """What the headers of database (§1.3.2) and log (§4.1) say; where both are noise, what journals have had."""
    (stated,) = struct.unpack(">H", _read(database, 16, 2).ljust(2, b"\0"))
    of_log = 0 if log is None else int.from_bytes(_read(log, 8, 4), "big")
    found = [size for size in dict.fromkeys((65_536 if stated == 1 else stated, of_log)) if size in _PAGE_SIZES]
    return found or [1_024, 4_096]


def _frames(log: BinaryIO, page_bytes: int) -> Iterator[tuple[int, int]]:
    """Where the log has which page (§4.1)."""
    frame_bytes = _FRAME_HEADER_BYTES + page_bytes
    for start in range(_LOG_HEADER_BYTES, _size(log) - frame_bytes + 1, frame_bytes):
        (number,) = struct.unpack(">I", _read(log, start, 4))
        yield start + _FRAME_HEADER_BYTES, number


def _values(payload: bytes) -> tuple[Value, ...]:
    """A row's columns (§2.1). Raises `ValueError` and `IndexError` for what is none."""
    header_bytes, place = _varint(payload, 0)
    at, values = header_bytes, list[Value]()
    while place < header_bytes:
        kind, place = _varint(payload, place)
        if kind in (10, 11) or len(values) >= _MAX_COLUMNS:
            raise ValueError("no row")
        size = _SIZES[kind] if kind < 10 else (kind - 12) // 2
        content = payload[at : at + size]
        if len(content) < size:
            raise ValueError("cut short")
        values.append(_value(kind, content))
        at += size
    return tuple(values)


def _value(kind: int, content: bytes) -> Value:
    if kind == 0:
        return None
    if kind == 7:
        (real,) = struct.unpack(">d", content)
        return float(real)
    if kind < 7:
        return int.from_bytes(content, "big", signed=True)
    return kind - 8 if kind < 10 else content


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends (§1.6). Raises `IndexError`."""
    value = 0
    for count in range(8):
        byte = data[place + count]
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, place + count + 1
    return value << 8 | data[place + 8], place + 9


def _signed(number: int) -> int:
    """A rowid is signed, in two's complement (§1.6)."""
    return number - (1 << 64) if number >> 63 else number


def _size(file: BinaryIO) -> int:
    return file.seek(0, SEEK_END)


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)
