"""``onecard journal export``: what the platform lacks, on a stick; and what goes on where a stick was pulled out.

The file is a sequence of parts (docs/contract.md, "By stick"), each whole by itself and synced before the next, so that
whatever ends the writing leaves parts that the platform can take. What is there already is read again before anything
is added: parts count as far as this terminal signed them, one after another; a torn end is written anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import cbor2

from agent.stick_files import StickError, open_to_go_on
from agent.sync.contract import ContractError, JournalBatch
from agent.sync.contract.stick import MAX_PART_BYTES
from agent.words import why_en, why_zh
from offline_store.durable import sync_directory
from offline_store.outbox import Outbox, Position
from offline_store.verify import Told, unheard
from tools.sequence import SequenceBroken, parts

PORTION = 500
PORTION_BYTES = 1_000_000
_START = re.compile(rb"(?:\x58(.)|\x59(..)|\x5a(....))(?:\xd2\x84|[\xa4\xa5]\x00\x01)", re.DOTALL)
"""How a part begins: its length, then a COSE_Sign1, or a ``journal`` message."""
_LEAST_MISSING_BYTES = 16
"""A whole part of somebody else may end in zeros by chance, but not in so many."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which consecutive records of which chain a part holds."""

    chain_id: bytes
    first: int
    last: int


@dataclass(frozen=True)
class Form:
    """How parts are written, and read again: sealed and signed, or bare. ``read`` raises :class:`ContractError`."""

    write: Callable[[JournalBatch], bytes]
    read: Callable[[bytes], Span]


@dataclass(frozen=True, slots=True)
class Exported:
    """Records ``first`` to ``last`` are on the stick; ``added`` of them were written now."""

    first: int
    last: int
    added: int


def export(outbox: Outbox, first: int | None, file: Path, form: Form, told: Told = unheard) -> Exported:
    """Write, or go on; ``told`` hears how many of how many records are written.

    Raises :class:`StickError`; what is on the stick by then is whole and can be brought.
    """
    position = outbox.position()
    with open_to_go_on(file) as stick:
        try:
            held, end = _held(stick, file, position.chain_id, form)
        except OSError as error:
            raise StickError(file, f"无法读取（{why_zh(error)}）", f"cannot be read ({why_en(error)})") from error
        start = _start(held, first, position, file)
        begin = start if held is None else held.first
        after = _append(stick, end, outbox, position, start, begin, file, form, told)
    return Exported(begin, after - 1, after - start)


def _append(
    stick: FileIO,
    end: int,
    outbox: Outbox,
    position: Position,
    start: int,
    begin: int,
    file: Path,
    form: Form,
    told: Told,
) -> int:
    """The record after the last that is written."""
    after = start
    try:
        stick.truncate(end)
        stick.seek(end)
        while bodies := outbox.batch(after - 1, PORTION, PORTION_BYTES):
            batch = JournalBatch(chain_id=position.chain_id, first_seq=after, records=tuple(bodies))
            part = memoryview(cbor2.dumps(form.write(batch)))
            end_of_part = end + len(part)
            while part:
                part = part[stick.write(part) :]
            os.fsync(stick.fileno())
            after, end = after + len(bodies), end_of_part
            told(after - start, max(after - 1, position.head_seq) + 1 - start)
        with suppress(OSError):  # not every file system of a stick syncs directories
            sync_directory(file.parent)
    except OSError as error:
        with suppress(OSError):
            stick.truncate(end)
            os.fsync(stick.fileno())
        raise _broken_off(file, error, begin, after - 1) from error
    return after


def _broken_off(file: Path, error: OSError, first: int, last: int) -> StickError:
    on_it = ("上面还没有完整的记录", "no record is on it yet")
    if last >= first:
        on_it = (f"第 {first} 至 {last} 条已完整写入，可以带走", f"records {first} to {last} are on it, whole")
    return StickError(
        file,
        f"写入中断（{why_zh(error)}）：{on_it[0]}；日志没有变化。重新插好再运行同一命令即可接着写，"
        f"或换一个 U 盘用 --from {last + 1}",
        f"the writing broke off ({why_en(error)}): {on_it[1]}, and the journal is as it was. Run the same again to go"
        f" on, or go on with another stick by --from {last + 1}",
    )


def _held(stick: FileIO, file: Path, chain_id: bytes, form: Form) -> tuple[Span | None, int]:
    """What whole parts the file holds, and where they end."""
    held: Span | None = None
    end = 0
    sequence = parts(stick, MAX_PART_BYTES)
    while True:
        try:
            payload = next(sequence, None)
            if payload is None:
                return held, end
            span = form.read(payload)
        except (SequenceBroken, ContractError) as error:
            if held is None and not _is_torn_start(stick):
                raise StickError(
                    file,
                    "已存在，不是本终端的导出文件，保持不变；请另取文件名",
                    "exists already and is no export of this terminal; it stays as it is, name another file",
                ) from error
            return held, end
        if span.chain_id != chain_id or (held is not None and span.first != held.last + 1):
            raise StickError(
                file,
                "是本终端另一次导出的内容，保持不变；请另取文件名",
                "is another export of this terminal, of another chain; it stays as it is, name another file",
            )
        held = Span(chain_id, span.first if held is None else held.first, span.last)
        end = stick.tell()


def _is_torn_start(stick: FileIO) -> bool:
    """Whether nothing is there but the beginning of a first part, or the zeros that a file system leaves of one."""
    size_bytes = os.fstat(stick.fileno()).st_size
    if size_bytes > MAX_PART_BYTES:
        return False
    stick.seek(0)
    written = stick.read(size_bytes).rstrip(b"\0")
    start = _START.match(written)
    if start is None:
        return not written
    length = start[start.lastindex or 0]
    return len(written) + _LEAST_MISSING_BYTES <= 1 + len(length) + int.from_bytes(length, "big")


def _start(held: Span | None, first: int | None, position: Position, file: Path) -> int:
    if held is None:
        return max(position.first_retained, position.acked_seq + 1 if first is None else first)
    start = held.last + 1
    if first is not None and first != start:
        raise StickError(
            file,
            f"已有第 {held.first} 至 {held.last} 条，只能从第 {start} 条接着写；用 --from 请另取文件名",
            f"holds records {held.first} to {held.last} and goes on with {start}; for --from name another file",
        )
    if not position.first_retained <= start <= position.head_seq + 1:
        raise StickError(
            file,
            f"止于第 {held.last} 条，与本机第 {position.first_retained} 至 {position.head_seq} 条接不上；请另取文件名",
            f"ends at record {held.last}, and this terminal holds {position.first_retained} to {position.head_seq}:"
            " it cannot go on; name another file",
        )
    return start
