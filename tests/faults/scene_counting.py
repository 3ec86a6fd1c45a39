"""A journal whose limit is met again and again: openings are recorded or counted, each once, wherever it is killed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.clock import SystemRandom
from offline_store.figures import UNRECORDED, Instead
from offline_store.journal import Append, Journal
from offline_store.unrecorded import tallies_of
from offline_store.writer import InlineWriter
from tests.faults.invariants import whole_journal
from tests.offline_store.parts import BOOT_ID, START_MS, SteppingClock, entry
from tools.cli.figures import openings_of

LANE = "lane/north"
LIMIT_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class Counting:
    """Openings in turns: some with room for them, some without."""

    last: int = 18
    turn: int = 3

    def prepare(self, directory: Path) -> None:
        """Nothing: the scene begins with an empty directory."""

    def run(self, directory: Path, say: Callable[[int], object]) -> None:
        """One number an opening; each saves its state. The last one finds room."""
        with contextlib.closing(self._journal(directory)) as journal:
            writer = InlineWriter(journal)
            done = self._done(writer)
            for number in range(done + 1, self.last + 1):
                full = (number // self.turn) % 2 == 1 and number < self.last
                journal.limit(LIMIT_BYTES if full else 0)
                # Each needs a page of its own, so that the limit is met at once.
                opening = entry(number, "decision", public={"filling": os.urandom(4_000)})
                saves = {LANE: number.to_bytes(2, "big")}
                writer.submit(Append((opening,), saves, vital=True, instead=Instead(openings=1))).result()
                say(number)

    def after_death(self, directory: Path, said: list[int]) -> None:
        """Every opening up to the state is in a record, in a count that was told, or in one that waits: in one only."""
        with contextlib.closing(self._journal(directory)) as journal:
            done = self._done(InlineWriter(journal))
        assert done >= max(said, default=0)
        assert self._told(directory) + sum(tally.openings for tally in tallies_of(directory).values()) == done

    def after_the_end(self, directory: Path, said: list[int]) -> None:
        """All of it is in the chain."""
        assert tallies_of(directory) == {}
        assert self._told(directory) == self.last
        assert any(record.entry.kind == UNRECORDED for record in whole_journal(directory))

    def _journal(self, directory: Path) -> Journal:
        # Other randomness at each start: a record's id is of one start only.
        return Journal.open(
            directory, BOOT_ID, clock=SteppingClock(), random=SystemRandom(), size_limit_bytes=LIMIT_BYTES
        )

    def _done(self, writer: InlineWriter) -> int:
        return int.from_bytes(writer.reload(START_MS).result().saved.get(LANE, b""), "big")

    def _told(self, directory: Path) -> int:
        records = whole_journal(directory)
        counted = sum(openings_of(record) or 0 for record in records)
        return counted + sum(record.entry.kind == "decision" for record in records)
