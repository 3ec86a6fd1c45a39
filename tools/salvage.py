"""``onecard salvage``: a dead box's journal, from its disk, into a file for the platform.

The disk is only read: database and log are copied first, and SQLite, which writes beside what it opens, sees the copy
alone. Every record that can still be read and that the platform had not acknowledged leaves with its exact bytes, in
batches of consecutive ones (``docs/contract.md``, "By stick"): the terminal's own checkpoints prove them at the
platform, and nothing here decides what is true. A record that the next one does not name stands in a batch of its own,
so that one which was altered spoils no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import cbor2

from agent.stick_files import StickError, open_plain, shown
from agent.sync.contract import JournalBatch
from agent.words import why_en, why_zh
from offline_store.aside import READY, STAGING
from offline_store.database import DATABASE_NAME
from offline_store.durable import sync_directory
from offline_store.errors import StoreError
from offline_store.record import hash_of
from offline_store.unrecorded import NAME as COUNTS_NAME
from offline_store.unrecorded import tallies_of
from offline_store.verify import Told, unheard
from tools.export import PORTION, PORTION_BYTES
from tools.salvage_read import Found, Placed

MAX_DATABASE_BYTES = 1 << 36
MAX_DEPTH = 8
MAX_DIRECTORIES = 100_000
_COPIED_BYTES = 1 << 20
_LOG_NAME = f"{DATABASE_NAME}-wal"


class NoJournal(StickError):
    """There is none, or more than one: nothing was read."""


class NotToBeWritten(StickError):
    """The file is there already, or would lie on the disk that is only to be read: nothing was written."""


class State(StrEnum):
    """What became of it."""

    WHOLE = "whole"
    SAVED = "saved"
    """Damaged: what could be read of what the platform lacked is in the file."""
    NOTHING = "nothing"
    """Not one record can be read."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Records between readable ones that cannot be read, by chain (16 bytes) and seq."""

    chain_id: bytes
    first: int
    last: int


@dataclass
class Salvaged:
    """``records`` are in the file, made from ``first_ms`` to ``last_ms``.

    ``doubtful`` of them are not what the record behind them names. What stood behind the last readable record, as in a
    torn log, has left no trace, and is counted nowhere.
    """

    state: State = State.NOTHING
    records: int = 0
    doubtful: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    missing: list[Missing] = field(default_factory=list)
    openings: int = 0
    """Of which no record tells, and only a number was kept."""

    def count(self, placed: Placed) -> None:
        """One more record is in the file."""
        time_ms = placed.record.entry.time_ms
        self.records += 1
        self.first_ms = time_ms if self.first_ms is None else min(self.first_ms, time_ms)
        self.last_ms = time_ms if self.last_ms is None else max(self.last_ms, time_ms)

    def note_missing(self, placed: Placed, before: Placed | None) -> None:
        """What lies between this record and the one before it, or what the platform is known to have."""
        if before is None and not placed.chain.is_acked:
            return
        first = (placed.chain.acked_seq if before is None else before.record.seq) + 1
        if first < placed.record.seq:
            self.missing.append(Missing(placed.chain.chain_id, first, placed.record.seq - 1))


def find(root: Path) -> Path:
    """The one directory at or below ``root`` that holds a journal. Raises :class:`NoJournal`."""
    found = sorted(_journals(root))
    if not found:
        raise NoJournal(root, f"其中没有日志（{DATABASE_NAME}）", f"holds no journal ({DATABASE_NAME})")
    if len(found) > 1:
        names = [shown(path.relative_to(root)) for path in found[:5]]
        raise NoJournal(
            root,
            f"有 {len(found)} 个日志，请指定其中一个目录：{'、'.join(names)}",
            f"holds {len(found)} journals; name the directory of one: {', '.join(names)}",
        )
    return found[0]


def take_copy(state_dir: Path, copy: Path, told: Told = unheard) -> None:
    """Database, log and the file of counts, into an empty directory. Raises :class:`StickError`.

    ``told`` hears how many of the database's bytes are copied. What a rescue had finished before the power went counts
    instead, as it does for the agent.
    """
    ready = state_dir / READY
    source = ready if (ready / DATABASE_NAME).is_file() else state_dir
    for name, is_needed in ((DATABASE_NAME, True), (_LOG_NAME, False), (COUNTS_NAME, False)):
        path = (state_dir if name == COUNTS_NAME else source) / name
        if not is_needed and not os.path.lexists(path):
            continue
        try:
            with open_plain(path, MAX_DATABASE_BYTES) as read, (copy / name).open("xb") as written:
                total = os.fstat(read.fileno()).st_size
                while portion := read.read(_COPIED_BYTES):
                    written.write(portion)
                    if is_needed:
                        told(written.tell(), total)
        except OSError as error:
            raise StickError(
                path,
                f"无法复制（{why_zh(error)}）；磁盘有坏块时，请先用 ddrescue 制作映像再挂载；临时目录由 TMPDIR 指定",
                f"cannot be copied ({why_en(error)}); if the disk has bad blocks, image it by ddrescue and mount that;"
                " the copy goes where TMPDIR says",
            ) from error


def salvage(copy: Path, file: Path) -> Salvaged:
    """Write into a new ``file`` what can be read of what :func:`take_copy` took; the copy is changed.

    Raises :class:`StickError`; then there is no file.
    """
    done = Salvaged()
    with closing(Found(copy)) as found:
        try:
            with file.open("xb") as stick:
                os.fchmod(stick.fileno(), 0o600)
                for batch in _batches(found, done):
                    stick.write(cbor2.dumps(batch.encode()))
                stick.flush()
                os.fsync(stick.fileno())
            if not done.records:
                file.unlink()
            sync_directory(file.parent)
        except FileExistsError as error:
            raise NotToBeWritten(
                file, "已存在，保持不变；请另取文件名", "exists and stays as it is; name another"
            ) from error
        except OSError as error:
            file.unlink(missing_ok=True)
            raise StickError(
                file,
                f"无法写入（{why_zh(error)}），没有留下文件",
                f"cannot be written ({why_en(error)}); no file is left",
            ) from error
        except StickError:
            file.unlink(missing_ok=True)
            raise
        has_any = bool(found.chains)
        if not done.records and found.has_another_suite():
            raise StickError(
                copy,
                "其中记录所用的算法是本版本不认识的；请用写它的版本",
                "holds records of algorithms that this version does not know: use the version that wrote it",
            )
    with suppress(OSError, StoreError):
        done.openings = sum(tally.openings for tally in tallies_of(copy).values())
    spoilt = bool(done.missing or done.doubtful) or not found.is_sound
    done.state = State.NOTHING if not has_any else State.SAVED if spoilt else State.WHOLE
    return done


def _batches(found: Found, done: Salvaged) -> Iterator[JournalBatch]:
    """Consecutive records that are joined by their hashes, and what is not by itself; counted in ``done``."""
    waiting: list[Placed] = []
    size_bytes = 0
    last: Placed | None = None
    for placed in found.placed():
        done.count(placed)
        before = last if last is not None and last.chain == placed.chain else None
        cuts: tuple[list[Placed], ...] = ()
        if before is None or placed.record.seq != before.record.seq + 1:
            done.note_missing(placed, before)
            cuts = (waiting,)
        elif placed.record.prev_hash != hash_of(before.body):
            done.doubtful += 1
            cuts = (waiting[:-1], waiting[-1:])
        elif len(waiting) >= PORTION or size_bytes >= PORTION_BYTES // 2:
            cuts = (waiting[:-1],)  # whether the last one is joined to what follows is not known yet
        for cut in filter(None, cuts):
            yield _batch_of(cut)
        if cuts:
            waiting = waiting[sum(map(len, cuts)) :]
            size_bytes = sum(len(each.body) for each in waiting)
        waiting.append(placed)
        size_bytes += len(placed.body)
        last = placed
    if waiting:
        yield _batch_of(waiting)


def _batch_of(run: list[Placed]) -> JournalBatch:
    first = run[0]
    bodies = tuple(placed.body for placed in run)
    return JournalBatch(chain_id=first.chain.chain_id, first_seq=first.record.seq, records=bodies)


def _journals(root: Path) -> Iterator[Path]:
    """Directories with a journal, but for what a rescue put aside or had not finished; links are not followed."""
    for seen, (name, below, files) in enumerate(os.walk(root), start=1):
        place = Path(name)
        if DATABASE_NAME in files:
            yield place
        below[:] = [each for each in below if not (each in (STAGING, READY) or each.startswith("damaged-"))]
        if len(place.relative_to(root).parts) >= MAX_DEPTH or seen >= MAX_DIRECTORIES:
            below.clear()
