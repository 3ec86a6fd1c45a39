"""Bare records of a file, believed as far as the terminal itself signed them.

Whoever writes a file can write a chain: what nobody signed moves no money. A record is let through when a checkpoint
that holds under a key with which the terminal was enrolled comes behind it in the same file, joined to it by hashes; or
when the platform has its number already, and so stores nothing. Until then it waits, in memory: a file is read once,
since a hostile stick may show something else the second time. What waits at the end is not taken, and is told; or, of
a dead box's disk, put aside for a person to decide about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from agent import cose
from agent.checkpoints import proof
from agent.sync.contract import Address, ContractError, JournalBatch
from offline_store.checkpoint import CHECKPOINT, Proof, holds
from offline_store.errors import RecordInvalid
from offline_store.fields import KIND
from tools.cli.words import say
from tools.platform.arrived import Arrived, ChainBroken, read_records
from tools.platform.errors import PlatformError
from tools.platform.store import Position

MAX_WAITING_BYTES = 1 << 25
"""A terminal signs every 500 records, of a few kilobytes each at most."""

Aside = Callable[[bytes], None]
"""Told a `journal` message of which nothing is proven."""

Numbered = tuple[int, bytes]
"""A `journal` message, and which of the file it is of, from 1 on."""


@dataclass
class Unproven:
    """The records of one file that wait for a checkpoint of ``terminal``; ``head_of`` says how far a chain is known.

    With ``aside`` what waits in vain goes there, and the file goes on behind it.
    """

    terminal: str
    keys: Mapping[bytes, cose.VerifyKey]
    head_of: Callable[[bytes], Position | None]
    aside: Aside | None = None
    _waiting: list[tuple[int, JournalBatch]] = field(default_factory=list, init=False)
    _waiting_bytes: int = field(default=0, init=False)
    _last: Arrived | None = field(default=None, init=False)
    _named: str | None = field(default=None, init=False)

    def take(self, number: int, payload: bytes) -> Iterator[Numbered]:
        """Take the next batch; what is proven by it. Raises `PlatformError` for what can never be."""
        try:
            batch = JournalBatch.decode(payload)
            arrived = read_records(batch)
        except (ContractError, RecordInvalid, ChainBroken):
            yield number, payload  # nothing is stored of it: it is refused as what it is, with the alarm for that
            return
        if self._waiting and not self._continues(batch, arrived[0]):
            self.end()
        head = self.head_of(batch.chain_id)
        if head is not None and head.terminal != self.terminal:
            raise _of_another(head.terminal)
        proven = max(head.seq if head else 0, self._signed(batch.chain_id, arrived))
        self._last = arrived[-1]
        if proven < batch.first_seq:
            self._wait(number, batch)
            return
        before, self._waiting, self._waiting_bytes = self._waiting, [], 0
        yield from ((each, waited.encode()) for each, waited in before)
        count = proven - batch.first_seq + 1
        yield number, _part(batch, 0, count).encode()
        if count < len(batch.records):
            self._wait(number, _part(batch, count, len(batch.records)))

    def end(self) -> None:
        """Put aside what waits in vain, or raise `PlatformError` if anything does."""
        if not self._waiting:
            return
        if self._named not in (None, self.terminal):
            raise _of_another(str(self._named))
        if self.aside is not None:
            vain, self._waiting, self._waiting_bytes = self._waiting, [], 0
            for _, batch in vain:
                self.aside(batch.encode())
            return
        first, last = self._waiting[0][1].first_seq, self._waiting[-1][1].last_seq
        raise PlatformError(
            say(
                f"第 {first} 至 {last} 条没有接收：其后没有能用终端 {self.terminal} 登记的密钥验证的检查点。"
                "终端最迟在有新记录后十分钟写检查点：如终端还能运行，请再导出一次。",
                f"Records {first} to {last} were not taken: no checkpoint follows them that holds under a key with"
                f" which {self.terminal} was enrolled. Within ten minutes of a new record a terminal writes one: if it"
                " still runs, export again.",
            )
        )

    def _continues(self, batch: JournalBatch, first: Arrived) -> bool:
        last = self._last
        return (
            last is not None
            and batch.chain_id == self._waiting[0][1].chain_id
            and (first.seq, first.prev_hash) == (last.seq + 1, last.hash)
        )

    def _signed(self, chain_id: bytes, arrived: list[Arrived]) -> int:
        """The last record of them that is a checkpoint and holds; 0 if none does."""
        proves = proof(self.keys)
        for item in reversed(arrived):
            if item.fields is not None and item.fields[KIND] == CHECKPOINT and self._holds(item, chain_id, proves):
                return item.seq
        return 0

    def _holds(self, item: Arrived, chain_id: bytes, proves: Proof) -> bool:
        try:
            record = item.record
            named = Address(str(record.entry.public.get("terminal"))).terminal
            self._named = self._named or named
            return named == self.terminal and holds(record, chain_id, proves) is True
        except (ContractError, RecordInvalid):
            return False

    def _wait(self, number: int, batch: JournalBatch) -> None:
        self._waiting.append((number, batch))
        self._waiting_bytes += sum(map(len, batch.records))
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self.end()


def _part(batch: JournalBatch, start: int, stop: int) -> JournalBatch:
    return JournalBatch(chain_id=batch.chain_id, first_seq=batch.first_seq + start, records=batch.records[start:stop])


def _of_another(owner: str) -> PlatformError:
    return PlatformError(
        say(
            f"这些记录属于终端 {owner}，没有接收。请写 --terminal {owner}。",
            f"These are records of the terminal {owner}, and none was taken: write --terminal {owner}.",
        )
    )
