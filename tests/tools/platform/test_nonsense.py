"""A terminal whose chain is sound and whose records are nonsense: no worker ends, and nothing holds up what follows."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import cbor2
import pytest

from agent.sync.contract import Address, Channel, Hello, JournalBatch
from offline_store.checkpoint import CHECKPOINT
from offline_store.figures import UNRECORDED
from offline_store.genesis import GENESIS, Genesis
from offline_store.record import CARRIED, NO_HASH, Entry, Record, hash_of, new_id
from offline_store.sealing import SEALING_KEY
from profiles.api import Kind
from profiles.metro_reasons import MetroReason
from profiles.rules.attendance import NoticeReason
from tools.platform.ca import Authority
from tools.platform.service import Layout, ingest_of
from tools.platform.store import Store, sqlite_url

HOSTILE: list[Any] = [
    *(None, True, False, -1, 0, 1, 2**53 - 1, 1.5, "", "gate-1", b"", b"x", bytes(16), bytes(32)),
    *([], [1], [b"k", b"w"], [[bytes(8), b"w"]], [[1, 2], [b"", b""]], {}, {"a": 1}, {1: 2}),
]
NAMES = ("terminal", "record", "for", "signature", "seq", "kid", "hash", "chain_id", "openings", "first_ms", "reasons",
         "class", "line", "station", "minutes_late", "back_by_ms", "lessons", "due")  # fmt: skip
REASONS = [each.code for each in (*NoticeReason, *MetroReason)]
KINDS = (*Kind, CHECKPOINT, SEALING_KEY, CARRIED, UNRECORDED, GENESIS)
BATCHES = 60
CHAIN_ID, BOOT_ID = b"c" * 16, b"b" * 16


class Nonsense:
    """One chain, each record of which follows the one before and says what it likes."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._said = [self._id()]
        genesis = Entry(self._said[0], GENESIS, 1, "synchronised", 1, public=Genesis(CHAIN_ID).to_public())
        self.bodies = [Record(genesis, 1, BOOT_ID, NO_HASH).to_bytes()]

    def batch(self) -> JournalBatch:
        """The next few records; the first ones begin with the genesis."""
        first = 0 if len(self.bodies) == 1 else len(self.bodies)
        for _ in range(self._chance.randint(1, 10)):
            self.bodies.append(self._next())
        return JournalBatch(chain_id=CHAIN_ID, first_seq=first + 1, records=tuple(self.bodies[first:]))

    def _next(self) -> bytes:
        fields = self._plausible()
        if self._maybe(0.1):
            fields[self._chance.choice([3, 4, 5, *range(8, 17)])] = self._chance.choice(HOSTILE)
        return cbor2.dumps(dict(sorted(fields.items())))

    def _plausible(self) -> dict[int, Any]:
        chance = self._chance
        fields: dict[int, Any] = {0: 1, 1: len(self.bodies) + 1, 2: self._id(), 3: str(chance.choice(KINDS))}
        fields |= {
            4: chance.choice([0, 2**53 - 1, 253_402_272_000_000, 1_790_000_000_000]),
            5: "holdover",
            6: BOOT_ID,
            7: 1,
        }
        fields[17] = hash_of(self.bodies[-1])
        self._said.append(fields[2])
        optional = {
            9: chance.choice(["metro", "campus"]),
            10: chance.choice(REASONS),
            11: chance.choice([bytes(16), chance.randbytes(16)]),
            12: ["city", chance.choice([bytes(16), chance.randbytes(16)])],
            13: chance.choice(self._said),
            14: self._money(),
            15: {name: chance.choice(HOSTILE) for name in sorted(chance.sample(NAMES, 3), key=lambda n: (len(n), n))},
            16: chance.randbytes(chance.choice([1, 28, 60])),
        }
        return fields | {key: value for key, value in optional.items() if self._maybe(0.5)}

    def _money(self) -> dict[int, Any]:
        amount_fen = self._chance.choice([0, -1, 1, 500, 60_000, 2**53 - 1, -(2**53) + 1])
        intent = self._chance.choice([bytes(16), b"i" * 16, self._chance.randbytes(16)])
        money = {0: amount_fen, 1: intent, 2: "shop", 5: self._chance.choice(["20260101", "99999999"])}
        return {**money, 7: {self._chance.choice(["purse", "x"]): amount_fen}} if self._maybe(0.4) else money

    def _id(self) -> bytes:
        return new_id(self._chance.randrange(2**40), self._chance.randbytes(10))

    def _maybe(self, share: float) -> bool:
        return self._chance.random() < share


@pytest.mark.parametrize("seed", [1, 2])
def test_nonsense_in_a_sound_chain_is_kept_to_the_last_byte_and_answered(tmp_path: Path, seed: int) -> None:
    authority = Authority.init(Layout(tmp_path).keys)
    store = Store.open(sqlite_url(tmp_path / "platform.db"))
    ingest, address, nonsense = ingest_of(store, authority), Address("gate-1"), Nonsense(seed)
    hello = Hello(chain_id=CHAIN_ID, nonce=bytes(16), first_retained=1, head=10_000, head_hash=bytes(32))
    ingest.handle(address.topic(Channel.HELLO), hello.encode())
    for _ in range(BATCHES):
        assert ingest.handle(address.topic(Channel.JOURNAL), nonsense.batch().encode()) is not None
    with store.transaction() as transaction:
        assert [row.body for row in transaction.records(CHAIN_ID)] == nonsense.bodies
        codes = {row.code for row in transaction.alarms("gate-1")}
    assert {"unread-record", "checkpoint-forged", "evidence-doubtful"} <= codes
    store.close()
