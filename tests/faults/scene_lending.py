"""An outage of a library is told afterwards, and the terminal is killed anywhere: each loan and return is told once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path
from typing import TypeVar

from agent.clock import RecordIds, SystemRandom
from agent.sip2.messages import Message
from agent.sip2.settings import LibraryConfig
from agent.sip2.system import LibrarySystem
from agent.sip2.upload import Uploader
from drivers.virtual.library import Move, Shelves
from offline_store.journal import Append, Journal
from offline_store.loans import Loan, latest, waiting
from offline_store.writer import InlineWriter
from profiles.reasons import ReasonEnum
from tests.agent.sip2.held_clock import HeldClock
from tests.faults.invariants import whole_journal
from tests.offline_store.parts import BOOT_ID, START_MS, SteppingClock, entry

LIMIT_BYTES = 64 * 1024**2
BOOKS = 4
M = TypeVar("M", bound=Message)


def rows() -> list[Loan]:
    """Each book is lent, and each but the last comes back."""
    moves = [(number, act) for number in range(BOOKS) for act in ("checkout", "checkin")][:-1]
    return [
        Loan(
            id=entry(place).id,
            lane="desk",
            profile="library",
            act=act,
            mode="send",
            item=f"31000000000{number + 1}",
            patron="reader" if act == "checkout" else None,
            at_ms=START_MS + place,
            due_ms=START_MS + 86_400_000 if act == "checkout" else None,
        )
        for place, (number, act) in enumerate(moves)
    ]


class FileLibrary:
    """A library whose books are in a file: what it was told outlives the terminal's death, its answer does not."""

    is_open = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def moves(self) -> list[Move]:
        """What was done, oldest first."""
        return [Move(**json.loads(line)) for line in self._path.read_text().splitlines()] if self._path.exists() else []

    def close(self) -> None:
        """Nothing is open."""

    async def wait_closed(self) -> None:
        """Nor was it."""

    async def ask(self, question: Message, answer: type[M], deadline_s: float) -> M:
        shelves = Shelves()
        for move in self.moves():
            shelves.items[move.item].holder = move.patron if move.act == "out" else None
        said = shelves.answer(question.to_text())
        assert said is not None
        with self._path.open("a") as file:
            file.writelines(json.dumps(asdict(move)) + "\n" for move in shelves.moves)
        return answer.from_text(said)


@dataclass(frozen=True)
class Lending:
    """The rows come with their records, then they are told."""

    def prepare(self, directory: Path) -> None:
        """Nothing: the scene begins with an empty directory."""

    def run(self, directory: Path, say: Callable[[int], object]) -> None:
        """Whatever is not on the disk yet is written; then all that waits is told."""
        with contextlib.closing(self._journal(directory)) as journal:
            writer = InlineWriter(journal)
            for place, row in enumerate(rows()[len(latest(directory, 100)) :], len(latest(directory, 100))):
                loan = entry(place, "loan", public={"item": row.item})
                writer.submit(Append((loan,), loans=(row,))).result()
                say(place)
            asyncio.run(self._tell(directory, writer))

    def after_death(self, directory: Path, said: list[int]) -> None:
        """What was said to be lent is lent and kept for the library; nothing was told twice."""
        with contextlib.closing(self._journal(directory)):
            kept = latest(directory, 100)
        assert len(kept) > max(said, default=-1)
        assert [row.id for row in kept] == [row.id for row in rows()][: len(kept)]
        told = [(move.act, move.item) for move in FileLibrary(directory / "library").moves()]
        assert told == self._right()[: len(told)]

    def after_the_end(self, directory: Path, said: list[int]) -> None:
        """Each was told once, and each has one record of it."""
        told = [(move.act, move.item) for move in FileLibrary(directory / "library").moves()]
        assert told == self._right()
        assert {row.result for row in latest(directory, 100)} <= {"loan-told", "loan-known"}
        outcomes = [record.entry.refers_to for record in whole_journal(directory) if record.entry.kind == "outcome"]
        assert outcomes == [row.id for row in rows()]

    def _right(self) -> list[tuple[str, str]]:
        return [("out" if row.act == "checkout" else "in", row.item) for row in rows()]

    async def _tell(self, directory: Path, writer: InlineWriter) -> None:
        async def read(most: int) -> list[Loan]:
            return waiting(directory, most)

        def alarm(lane: str, reason: ReasonEnum, about: bytes) -> None:
            raise AssertionError(f"{lane}: {reason.code}")

        clock = HeldClock(START_MS + 3_600_000)
        ids = RecordIds(clock, SystemRandom())
        uploader = Uploader(read, writer, clock, ids, lambda _seq: None, alarm)
        link = FileLibrary(directory / "library")
        system = LibrarySystem(link, LibraryConfig(address="library:6001"), UTC)
        while await uploader.upload(system):
            pass

    def _journal(self, directory: Path) -> Journal:
        # Other randomness at each start: a record's id is of one start only.
        return Journal.open(
            directory, BOOT_ID, clock=SteppingClock(), random=SystemRandom(), size_limit_bytes=LIMIT_BYTES
        )
