"""What is killed at every commit point: each scene goes on where the disk says it was, so it can be repeated."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from agent.bundles.manifest import Kind
from agent.cose import Es256Signer, VerifyKey
from agent.sync.contract import Ack, Address, Channel, Expect, open_answer
from offline_store.bundles import InstalledBundle, installed
from offline_store.checkpoint import CHECKPOINT, Signatory
from offline_store.database import DATABASE_NAME
from offline_store.journal import Append, Journal
from offline_store.marks import Mark
from offline_store.record import Record
from offline_store.rescue import CARRIED, DAMAGE, open_or_rescue
from tests.agent.bundles import parts as bundle_parts
from tests.faults.invariants import whole_journal
from tests.faults.scene_capturing import Capturing
from tests.faults.scene_counting import Counting
from tests.faults.scene_lending import Lending
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock, entry, spoil
from tests.tools.platform.chains import NOW_MS, batch, hello, make_chain
from tools.platform.ingest import Ingest
from tools.platform.store import Store, sqlite_url

Say = Callable[[int], object]
"""Told a number once what it stands for is durable."""

LANE = "lane/north"
LIMIT_BYTES = 64 * 1024**2


class Scene(Protocol):
    """Something that changes the disk."""

    def prepare(self, directory: Path) -> None:
        """What lies there before; empty at first."""

    def run(self, directory: Path, say: Say) -> None:
        """Do all of it, or what is left of it."""

    def after_death(self, directory: Path, said: list[int]) -> None:
        """What must hold at the next start, before anything goes on."""

    def after_the_end(self, directory: Path, said: list[int]) -> None:
        """What must hold once all is done."""


@contextmanager
def opened(directory: Path) -> Iterator[Journal]:
    """The journal as a terminal opens it."""
    journal, _ = open_or_rescue(
        directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1), size_limit_bytes=LIMIT_BYTES
    )
    with contextlib.closing(journal):
        yield journal


def numbers_done(journal: Journal) -> int:
    """How far the scene is, by the state that was saved with its records."""
    return int.from_bytes(journal.load_saved().get(LANE, b""), "big")


def numbered(records: list[Record]) -> list[int]:
    """Which of the scene's entries are there, in their order."""
    return [record.entry.monotonic_ms for record in records if record.entry.kind == "passage"]


@dataclass(frozen=True)
class Journalling:
    """A journal's life: begun, appended to alone and in groups, signed, checkpointed, acknowledged, pruned."""

    last: int = 24
    every: int = 3

    def prepare(self, directory: Path) -> None:
        """Nothing: the scene begins with an empty directory."""

    def run(self, directory: Path, say: Say) -> None:
        """One number a step; each saves its state, and leaves a mark and a bundle's version."""
        with opened(directory) as journal:
            journal.sign_with(Signatory("gate-001", Es256Signer(ec.derive_private_key(7, ec.SECP256R1())), self.every))
            done = numbers_done(journal)
            while done < self.last:
                group = [self._append(number) for number in range(done + 1, min(done + self.every, self.last) + 1)]
                journal.append(group)
                done += len(group)
                say(done)
                if done % (2 * self.every) == 0:
                    self._tidy_up(journal, done)
            self._tidy_up(journal, done)

    def _tidy_up(self, journal: Journal, done: int) -> None:
        journal.acknowledge(journal.head.chain_id, journal.head.seq, journal.head.hash)
        journal.prune(START_MS + done - self.every)
        journal.log.checkpoint()

    def _append(self, number: int) -> Append:
        mark = Mark("gate.in", b"%d" % number, number, START_MS + 10**9)
        bundle = InstalledBundle("trust", number, b"manifest")
        return Append((entry(number),), {LANE: number.to_bytes(2, "big")}, (mark,), (bundle,))

    def after_death(self, directory: Path, said: list[int]) -> None:
        """What was said to be durable is there, and record, state, mark and bundle are of one commit."""
        with opened(directory) as journal:
            done = numbers_done(journal)
            marks = len(journal.load_marks(START_MS))
        assert done >= max(said, default=0)
        kept = numbered(whole_journal(directory))
        assert kept == list(range(kept[0], done + 1)) if kept else done == 0
        assert marks == done
        assert [bundle.version for bundle in installed(directory)] == ([done] if done else [])

    def after_the_end(self, directory: Path, said: list[int]) -> None:
        """Everything is there once, signed, and what was old has left."""
        records = whole_journal(directory)
        assert numbered(records)[-1] == self.last
        assert records[0].seq > 1
        assert any(record.entry.kind == CHECKPOINT for record in records)


@dataclass(frozen=True)
class Rescuing:
    """A damaged journal that is exchanged for a new one."""

    last: int = 30
    acknowledged: int = 10

    def prepare(self, directory: Path) -> None:
        """A journal whose last record is unreadable."""
        with opened(directory) as journal:
            for number in range(1, self.last + 1):
                journal.append([Append((entry(number),), {LANE: number.to_bytes(2, "big")})])
                if number == self.acknowledged:
                    journal.acknowledge(journal.head.chain_id, journal.head.seq, journal.head.hash)
            journal.log.checkpoint()
        spoil(directory, ("UPDATE record SET body = x'00' WHERE place = ?", (self.last + 1,)))

    def run(self, directory: Path, say: Say) -> None:
        """Open it, and go on."""
        with opened(directory) as journal:
            journal.append([Append((entry(1_000),))])
            say(1_000)

    def after_death(self, directory: Path, said: list[int]) -> None:
        """Old or new, somewhere the damaged file is whole; what was appended to the new one is not lost."""
        files = [directory / DATABASE_NAME, *directory.glob(f"damaged-*/{DATABASE_NAME}")]
        assert any(path.exists() and path.stat().st_size > 0 for path in files)
        if said:
            assert numbered(whole_journal(directory)) == [1_000]

    def after_the_end(self, directory: Path, said: list[int]) -> None:
        """Each record that the platform lacks is carried over once, and the damaged file is kept."""
        records = whole_journal(directory)
        carried = [record.entry.public["record"] for record in records if record.entry.kind == CARRIED]
        inner = [Record.from_bytes(body) for body in carried if isinstance(body, bytes)]
        assert numbered(inner) == list(range(self.acknowledged + 1, self.last))
        assert [record.entry.kind for record in records].count(DAMAGE) == 1
        assert numbered(records) == [1_000]
        with opened(directory) as journal:
            assert numbers_done(journal) == self.last
        assert len(list(directory.glob(f"damaged-*/{DATABASE_NAME}"))) == 1


@dataclass(frozen=True)
class Migrating:
    """A journal of the first version of the schema that newer software opens."""

    last: int = 5

    def prepare(self, directory: Path) -> None:
        """As the first software left it."""
        first = directory / "first-schema"
        first.mkdir()
        name = "0001_journal.sql"
        (first / name).write_text((files("offline_store") / "schema" / name).read_text())
        with contextlib.closing(
            Journal.open(directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1), schema=first)
        ) as journal:
            journal.append([Append((entry(number),)) for number in range(1, self.last + 1)])

    def run(self, directory: Path, say: Say) -> None:
        """Open it, and use what is new."""
        with opened(directory) as journal:
            journal.append([Append((entry(self.last + 1),), {LANE: b"\1"})])
            say(self.last + 1)

    def after_death(self, directory: Path, said: list[int]) -> None:
        """No record is gone."""
        kept = numbered(whole_journal(directory))
        assert kept[: self.last] == list(range(1, self.last + 1))
        assert kept[self.last :] == said or not said

    def after_the_end(self, directory: Path, said: list[int]) -> None:
        """All of them, and the new state."""
        assert numbered(whole_journal(directory)) == list(range(1, self.last + 2))
        with opened(directory) as journal:
            assert journal.load_saved() == {LANE: b"\1"}


class Installing:
    """A bundle that takes the place of an older one."""

    def prepare(self, directory: Path) -> None:
        """Version 1 is in force, and the file of version 2 lies there."""
        terminal = bundle_parts.Terminal(directory)
        asyncio.run(terminal.install(terminal.full(Kind.STATUS)))
        (directory / "next").write_bytes(terminal.delta(Kind.STATUS, 1, 2))
        terminal.stop()

    def run(self, directory: Path, say: Say) -> None:
        """Install it, unless it is."""
        terminal = bundle_parts.Terminal(directory)
        if set(terminal.standing().values()) == {1}:
            asyncio.run(terminal.install((directory / "next").read_bytes()))
        say(2)
        terminal.stop()

    def after_death(self, directory: Path, said: list[int]) -> None:
        """The old list is in force, or the new one; nothing between."""
        version = self._version(directory)
        assert version in (1, 2)
        assert version == 2 or not said

    def after_the_end(self, directory: Path, said: list[int]) -> None:
        """The new one."""
        assert self._version(directory) == 2

    def _version(self, directory: Path) -> int:
        terminal = bundle_parts.Terminal(directory)
        (version,) = terminal.standing().values()
        status = terminal.bundles.lists.current().status[bundle_parts.ISSUER]
        assert [status.revoked(101), status.revoked(102)] == [version == 1, version == 2]
        shelf = [path.name for path in (directory / "bundles").iterdir() if path.is_file()]
        assert shelf == [f"status-{bundle_parts.ISSUER}.{version}"]
        terminal.stop()
        whole_journal(directory)
        return version


class Ingesting:
    """The platform's transaction: batches of a terminal that asks where it is, and sends from there."""

    terminal = "gate-001"
    size = 7

    def __init__(self) -> None:
        self._chain = make_chain(40)
        self._signer = Es256Signer(ec.derive_private_key(9, ec.SECP256R1()))
        self._keys = {self._signer.kid: VerifyKey.of(self._signer.key.public_key())}

    def prepare(self, directory: Path) -> None:
        """Nothing: the database is made by the scene too."""

    def run(self, directory: Path, say: Say) -> None:
        """Greet, then batch after batch, each acknowledged before the next."""
        store = Store.open(self._url(directory))
        ingest = Ingest(store, self._signer, lambda: NOW_MS)
        seq = self._ask(ingest, Channel.HELLO, hello(self._chain))
        while seq < len(self._chain):
            say(seq)
            seq = self._ask(
                ingest, Channel.JOURNAL, batch(self._chain, seq + 1, min(seq + self.size, len(self._chain)))
            )
        say(seq)
        store.close()

    def _ask(self, ingest: Ingest, channel: Channel, payload: bytes) -> int:
        """How far the platform says that it is."""
        reply = ingest.handle(Address(self.terminal).topic(channel), payload)
        assert reply is not None
        match open_answer(reply.payload, self._keys, self.terminal):
            case Ack(seq=seq, hash=committed):
                assert committed == self._chain[seq - 1].hash
                return seq
            case Expect(seq=expected):
                return expected - 1
        raise AssertionError("the platform sees a fork")

    def after_death(self, directory: Path, said: list[int]) -> None:
        """What was acknowledged is committed; whole batches only."""
        if not said:
            return
        committed = self._committed(directory)
        assert committed == [record.to_bytes() for record in self._chain[: len(committed)]]
        assert len(committed) >= max(said)
        assert len(committed) % self.size == 0 or len(committed) == len(self._chain)

    def after_the_end(self, directory: Path, said: list[int]) -> None:
        """Each record once, byte for byte, and nothing to alarm anybody."""
        assert self._committed(directory) == [record.to_bytes() for record in self._chain]
        store = Store.open_for_reading(self._url(directory))
        with store.transaction() as transaction:
            assert not transaction.alarms()
        store.close()

    def _committed(self, directory: Path) -> list[bytes]:
        store = Store.open_for_reading(self._url(directory))
        with store.transaction() as transaction:
            bodies = [row.body for chain in transaction.chains() for row in transaction.records(chain.chain_id)]
        store.close()
        return bodies

    def _url(self, directory: Path) -> str:
        return sqlite_url(directory / "platform.db")


SCENES: dict[str, Scene] = {
    "journal": Journalling(),
    "counting": Counting(),
    "lending": Lending(),
    "rescue": Rescuing(),
    "migration": Migrating(),
    "bundle": Installing(),
    "platform": Ingesting(),
    "money": Capturing(),
}
