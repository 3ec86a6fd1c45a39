"""Pages that somebody made up: each length and number in them is hostile, and none costs more than where it stands."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import pytest

from offline_store.database import PAGE_BYTES
from tools.salvage_pages import Pages, Row

LEAF_TABLE = 0x0D


def varint(value: int) -> bytes:
    """A number as SQLite writes it, in nine bytes where it has 64 bits (https://sqlite.org/fileformat2.html, §1.6)."""
    low, value = (b"", value) if value < 1 << 56 else (bytes((value & 0xFF,)), value >> 8)
    sevens = [value & 0x7F]
    while value := value >> 7:
        sevens.append(value & 0x7F)
    sevens += [0] * (8 - len(sevens) if low else 0)
    more = bytes(each | 0x80 for each in reversed(sevens[1:]))
    return more + (bytes((sevens[0] | 0x80,)) + low if low else bytes(sevens[:1]))


def blob_cell(rowid: int, blob: bytes) -> bytes:
    """A row of one column."""
    kind = varint(12 + 2 * len(blob))
    payload = varint(1 + len(kind)) + kind + blob
    return varint(len(payload)) + varint(rowid) + payload


def leaf(cells: Sequence[bytes], pointers: int = 1, page_bytes: int = PAGE_BYTES) -> bytes:
    """A leaf of a table; each cell is pointed to so often."""
    page, at, places = bytearray(page_bytes), page_bytes, []
    for cell in cells:
        at -= len(cell)
        page[at : at + len(cell)] = cell
        places += [at] * pointers
    struct.pack_into(f">BHHHB{len(places)}H", page, 0, LEAF_TABLE, 0, len(places), 0, 0, *places)
    return bytes(page)


def rows_of(*pages: bytes) -> list[Row]:
    """Behind a first page that is noise."""
    return list(Pages(io.BytesIO(b"\xa5" * len(pages[0]) + b"".join(pages)), None, len(pages[0])).rows())


def test_rows_are_read_as_they_stand() -> None:
    assert rows_of(leaf([blob_cell(7, b"one"), blob_cell(1 << 40, b"two")])) == [
        Row(7, (b"one",)),
        Row(1 << 40, (b"two",)),
    ]


@pytest.mark.parametrize(("written", "rowid"), [((1 << 63) - 1, (1 << 63) - 1), (1 << 63, -(1 << 63)), (2**64 - 5, -5)])
def test_a_rowid_is_signed(written: int, rowid: int) -> None:
    assert rows_of(leaf([blob_cell(written, b"far")])) == [Row(rowid, (b"far",))]


@pytest.mark.parametrize("page_bytes", [512, PAGE_BYTES, 4_096])
def test_a_page_of_cells_that_share_their_bytes_and_lead_far_costs_no_more_than_a_few_pages(page_bytes: int) -> None:
    looks, least = 0, (page_bytes - 12) * 32 // 255 - 23
    local_bytes = least + -least % 8  # what stands behind it is again a number of a page
    size = local_bytes + 24_000 // (page_bytes - 4) * (page_bytes - 4)
    cell = varint(size) + varint(7) + struct.pack(">I", 3)  # and so on: each leads to page 3, which leads to itself
    count = page_bytes // len(cell) // 2
    places = [page_bytes - len(cell) * number for number in range(count, 0, -1) for _ in range(2)]
    page = bytearray(cell * (page_bytes // len(cell)))
    struct.pack_into(f">BHHHB{len(places)}H", page, 0, LEAF_TABLE, 0, len(places), 0, 0, *places)

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal looks
            looks += 1
            return super().read(size)

    file = Counted(bytes(page_bytes) + page + struct.pack(">I", 3).ljust(page_bytes, b"\5"))
    list(Pages(file, None, page_bytes).rows())
    assert 3 < looks < 40 * (size // page_bytes + 2)
