"""What happened while nothing could be recorded: the store was full, and the reserve for doors used up as well.

An append that says how it may be counted (:class:`~offline_store.figures.Instead`) is counted then, in memory and in a
small file whose blocks were written beforehand (:mod:`offline_store.in_place`), before its future is done: an opening
is on the disk before its pulse, as a number and not as a record. Lane states and marks are held with it, so that a code
opens once and a passage is nobody's alarm, also after a power cut. The next transaction that the disk takes begins with
what is held: a record ``unrecorded`` for each lane, what was kept, states and marks. That an episode is told is saved
in the same transaction, so that a count whose file could not be emptied any more is not told twice.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Self

import cbor2

from offline_store.database import os_error
from offline_store.errors import DiskFull, RecordInvalid
from offline_store.figures import UNRECORDED, Instead, Tally
from offline_store.in_place import InPlace
from offline_store.journal import Append, Journal, Restored
from offline_store.marks import Mark
from offline_store.record import Entry, new_id
from offline_store.reserve import FULL
from offline_store.saved import saved_value

NAME = "unrecorded"
SAVED_KEY = "terminal/unrecorded"
HALF_BYTES = 128 * 1024
MAX_KEPT = 64
MAX_MARKS = 50_000
MAX_FILED_MARKS = 1_000
"""The file holds those that were set last: with the power cut, what a code or a person did just now still counts."""
MAX_IDS = 64
"""Of so many counted decisions the outcomes, which may be recorded, name the record that counts them."""
_NO_ROOM = FULL | {errno.ENOENT}
"""Why the file cannot take a count while the disk is sound: it is full, or was before the file could be made."""

NewId = Callable[[], bytes]
"""Draws the id of a record that will say what was counted at one more lane."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the disk does not have yet. ``episode`` is empty where that is nothing; ``counted`` maps ids to lanes."""

    episode: bytes = b""
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    saves: Mapping[str, bytes | None] = field(default_factory=dict, repr=False)
    marks: dict[tuple[str, bytes], Mark] = field(default_factory=dict, repr=False)
    counted: Mapping[bytes, str] = field(default_factory=dict, repr=False)
    kept: tuple[Entry, ...] = field(default=(), repr=False)

    def plus(self, append: Append, new_record_id: NewId) -> Held:
        """With one more append. Raises :class:`DiskFull` where too much is held."""
        instead = append.instead or Instead()
        held = replace(self, saves={**self.saves, **append.saves})
        if append.marks:
            held = replace(held, marks=_merged(self.marks, append))
        for entry in append.entries:
            # What continues a record that the disk has is rare: it is kept, so that no grant there lacks its outcome.
            refers_on = entry.refers_to is not None and entry.refers_to not in held.counted
            keeps = not instead.openings and (instead.kept or refers_on)
            if entry.lane is None or (keeps and len(held.kept) < MAX_KEPT):
                held = held._with_kept(entry)
            else:
                held = held._with_one(entry, new_record_id)
        if instead.openings:
            lane = append.entries[0].lane or ""
            tally = held.tallies[lane].opened(instead.openings)
            held = replace(held, tallies={**held.tallies, lane: tally})
        return held

    def _with_kept(self, entry: Entry) -> Held:
        if len(self.kept) >= 2 * MAX_KEPT:
            raise DiskFull(
                f"磁盘已满，已有 {len(self.kept)} 条记录等待写入；请清理磁盘",
                f"the disk is full, and {len(self.kept)} records wait for it; make room",
            )
        return replace(self, kept=(*self.kept, entry))

    def _with_one(self, entry: Entry, new_record_id: NewId) -> Held:
        lane = entry.lane or ""
        tally = self.tallies.get(lane) or Tally(new_record_id(), entry.profile, entry.time_ms, entry.time_ms)
        counted = {**self.counted, entry.id: lane}
        return replace(
            self,
            tallies={**self.tallies, lane: tally.plus(entry)},
            counted=dict(islice(counted.items(), max(0, len(counted) - MAX_IDS), None)),
        )

    def to_bytes(self, room_bytes: int, new_record_id: NewId) -> bytes:
        """For the file: kept ones among the figures, and states and marks as far as there is room for them."""
        told = self
        for entry in self.kept:
            if entry.lane is not None:
                told = told._with_one(entry, new_record_id)
        tallies = {lane: tally.to_list() for lane, tally in told.tallies.items()}
        fields: list[Any] = [self.episode, tallies, told.counted, {}, []]
        left_bytes = room_bytes - len(cbor2.dumps(fields)) - 16
        for key, value in self.saves.items():
            left_bytes -= len(cbor2.dumps([key, value]))
            if left_bytes >= 0:
                fields[3][key] = value
        for mark in islice(reversed(self.marks.values()), MAX_FILED_MARKS):
            row = [mark.scope, mark.key, mark.value, mark.expires_ms]
            left_bytes -= len(cbor2.dumps(row))
            if left_bytes < 0:
                break
            fields[4].append(row)
        return cbor2.dumps(fields)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The opposite; nothing for what is no such file."""
        try:
            episode, tallies, counted, saves, rows = cbor2.loads(data)
            marks = [Mark(*row) for row in rows]
            held = cls(
                episode,
                {lane: Tally.from_list(fields) for lane, fields in tallies.items()},
                saves,
                {(mark.scope, mark.key): mark for mark in reversed(marks)},
                counted,
            )
            Append(saves=held.saves)
        except (cbor2.CBORError, RecordInvalid, ValueError, TypeError, AttributeError, IndexError):
            return cls()
        return held


def _merged(marks: Mapping[tuple[str, bytes], Mark], append: Append) -> dict[tuple[str, bytes], Mark]:
    """With an append's marks last; those that ended make room. Raises :class:`DiskFull`: the forgotten opens twice."""
    merged = dict(marks)
    for mark in append.marks:
        merged.pop((mark.scope, mark.key), None)
        merged[mark.scope, mark.key] = mark
    if len(merged) > MAX_MARKS and append.entries:
        now_ms = append.entries[0].time_ms
        merged = {key: mark for key, mark in merged.items() if mark.expires_ms > now_ms}
    if len(merged) > MAX_MARKS:
        raise DiskFull(
            f"磁盘已满，未存的防重标记已达 {MAX_MARKS} 个；请清理磁盘",
            f"the disk is full, and {MAX_MARKS} marks wait for it; make room",
        )
    return merged


def _referring(entry: Entry, places: Mapping[bytes, bytes]) -> Entry:
    if entry.refers_to is None or entry.refers_to not in places:
        return entry
    return replace(entry, refers_to=places[entry.refers_to])


class Unrecorded:
    """What one journal could not record. Used by its writer alone; its properties by any thread."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._file = InPlace(journal.directory / NAME, HALF_BYTES)
        self._held = Held()
        self._loaded = False
        self._where: Mapping[bytes, bytes] = {}

    @property
    def openings(self) -> int:
        """How many openings no record tells of yet."""
        return sum(tally.openings for tally in self._held.tallies.values())

    @property
    def waits(self) -> bool:
        """Whether anything is held."""
        return bool(self._held.episode)

    def make(self) -> bool:
        """Make the file while there is room; whether it is there. Without it counts are in memory only."""
        return self._file.make()

    def load(self) -> None:
        """Take up what an earlier start counted, unless its record is there. Raises a ``StoreError``."""
        if self._loaded:
            return
        told, self._where = _told(self._journal.load_saved().get(SAVED_KEY))
        try:
            held = Held.from_bytes(self._file.read())
        except OSError:
            held = Held()
        if held.episode and held.episode != told and self._is_sound(held):
            self._held = held
        self._loaded = True

    def count(self, appends: Iterable[Append]) -> None:
        """Hold appends, counted; durable on return where the file can be. Raises a ``StoreError``: nothing is."""
        held = self._held if self.waits else Held(self._journal.random.token(16))
        for append in appends:
            held = held.plus(append, self._new_id)
        try:
            self._file.write(held.to_bytes(self._file.room_bytes, self._new_id))
        except OSError as error:
            if error.errno not in _NO_ROOM:
                path = self._journal.directory / NAME
                raise os_error(error, path, "开门次数无法写入", "openings cannot be counted in it") from error
        self._held = held

    def settlement(self) -> list[Append]:
        """What the next transaction begins with; nothing if nothing is held."""
        return [self._settlement(self._held)] if self.waits else []

    def settled(self) -> int:
        """The settlement is on the disk; how many openings it told of."""
        openings = self.openings
        self._where = self._places(self._held)
        self._held = Held()
        with suppress(OSError):  # its episode was saved as told
            self._file.write(b"")
        return openings

    def referring(self, append: Append) -> Append:
        """The append, with what continues a counted decision referring to the record that counts it."""
        places = self._places(self._held)
        if not any(entry.refers_to in places for entry in append.entries):
            return append
        return replace(append, entries=tuple(_referring(entry, places) for entry in append.entries))

    def over(self, restored: Restored) -> Restored:
        """What the disk says, with what it does not have yet."""
        held = self._held
        saved = {**restored.saved, **held.saves}
        marks = {**{(mark.scope, mark.key): mark for mark in restored.marks}, **held.marks}
        return Restored({key: value for key, value in saved.items() if value is not None}, list(marks.values()))

    def _settlement(self, held: Held) -> Append:
        places = self._places(held)
        kept = (_referring(entry, places) for entry in held.kept)
        entries = (*kept, *(self._entry(lane, tally) for lane, tally in held.tallies.items()))
        told = cbor2.dumps([held.episode, places])
        return Append(entries, {**held.saves, SAVED_KEY: told}, tuple(held.marks.values()), vital=True)

    def _entry(self, lane: str, tally: Tally) -> Entry:
        clock = self._journal.clock
        return Entry(
            id=tally.record_id,
            kind=UNRECORDED,
            time_ms=clock.now_ms(),
            time_quality=clock.state(),
            monotonic_ms=clock.monotonic_ms(),
            lane=lane,
            profile=tally.profile,
            public=tally.public(),
        )

    def _places(self, held: Held) -> Mapping[bytes, bytes]:
        """The record that counts each of the decisions that were counted last."""
        if not held.counted:
            return self._where
        places = {**self._where, **{entry: held.tallies[lane].record_id for entry, lane in held.counted.items()}}
        return dict(islice(places.items(), max(0, len(places) - MAX_IDS), None))

    def _is_sound(self, held: Held) -> bool:
        """Whether a journal would take it: the file proves that it was written whole, and not what was."""
        try:
            self._settlement(held)
        except (RecordInvalid, ValueError, TypeError, KeyError):
            return False
        return True

    def _new_id(self) -> bytes:
        return new_id(self._journal.clock.now_ms(), self._journal.random.token(10))


def tallies_of(directory: Path) -> Mapping[str, Tally]:
    """What waits to be recorded, by lane, read beside a running agent. Raises a ``StoreError`` and ``OSError``."""
    held = Held.from_bytes(InPlace(directory / NAME, HALF_BYTES).read())
    told, _ = _told(saved_value(directory, SAVED_KEY))
    return {} if held.episode == told else held.tallies


def _told(saved: bytes | None) -> tuple[bytes, Mapping[bytes, bytes]]:
    """The last episode that a record tells of, and which record counts which decision."""
    if saved is None:
        return b"", {}
    try:
        episode, places = cbor2.loads(saved)
        return (episode, dict(places)) if isinstance(episode, bytes) else (b"", {})
    except (cbor2.CBORError, ValueError, TypeError):
        return b"", {}
