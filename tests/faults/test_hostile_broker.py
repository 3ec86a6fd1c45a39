"""A broker in an enemy's hands delays, and no more: nothing moves, every lie is told, and the drain ends well.

The terminal's line leads to the hostile broker first, and then to the honest one, without its knowing. The same lies on
the way of questions stand in ``tests/agent/test_questions.py``, of bundles in ``tests/agent/bundles/test_download.py``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent.cose import Es256Signer, VerifyKey, keyring
from agent.sync.contract import Ack, Address, Channel, Fork, open_answer, sign_answer
from agent.sync.uplink import UplinkSettings
from offline_store.outbox import Outbox
from tests.faults import ROUNDS, SEED
from tests.faults.hostile_broker import Deed, HostileBroker, Poison, hostile_broker
from tests.faults.proxy import Proxy, proxy_to
from tests.faults.test_line import is_whole
from tests.tools.platform.chains import hello, make_chain
from tests.tools.platform.terminals import TERMINAL, Running, drained, running_terminal, until
from tools.platform.broker import Endpoint
from tools.platform.ingest import Ingest
from tools.platform.service import Platform, ingest_of
from tools.platform.store import Store, sqlite_url

IMPATIENT = UplinkSettings(batch_records=50, answer_timeout_ms=200, answer_timeout_cap_ms=400)
PASSAGES = 300
LATE_HELLOS = 5


def withheld(_answer: bytes) -> list[bytes]:
    """The platform's answer goes nowhere."""
    return []


@dataclass
class Enemy:
    """What a broker can do with an answer. It knows every record and every answer so far, and no platform's key."""

    platform: Platform
    outbox: Outbox
    broker: HostileBroker
    foreign: bytes
    """A true answer of the same platform, to another terminal."""
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))

    def forged(self, answer: bytes) -> list[bytes]:
        """The best that a liar could wish for, the whole journal acknowledged, by a key of his own."""
        return [sign_answer(self._wished(answer), Es256Signer(ec.generate_private_key(ec.SECP256R1())))]

    def altered(self, answer: bytes) -> list[bytes]:
        """One bit is another."""
        place, bit = self.dice.randrange(len(answer)), self.dice.randrange(8)
        return [answer[:place] + bytes([answer[place] ^ 1 << bit]) + answer[place + 1 :]]

    def truncated(self, answer: bytes) -> list[bytes]:
        """Its end is missing; perhaps all of it."""
        return [answer[: self.dice.randrange(len(answer))]]

    def lengthened(self, answer: bytes) -> list[bytes]:
        """Something follows it."""
        return [answer + self.dice.randbytes(self.dice.randint(1, 8))]

    def anothers(self, _answer: bytes) -> list[bytes]:
        """It was true, for somebody else."""
        return [self.foreign]

    def replayed(self, _answer: bytes) -> list[bytes]:
        """It was true, longer ago than an answer may be late."""
        return self.broker.heard[:1] if len(self.broker.heard) > LATE_HELLOS else []

    def too_far(self, answer: bytes) -> list[bytes]:
        """The platform itself, gone mad, has more records than there are."""
        wished = self._wished(answer)
        return [self._signed(wished.model_copy(update={"seq": wished.seq + self.dice.randint(1, 1 << 40)}))]

    def another_hash(self, answer: bytes) -> list[bytes]:
        """The platform itself, gone mad, has other records."""
        return [self._signed(self._wished(answer).model_copy(update={"hash": self.dice.randbytes(32)}))]

    def another_chain(self, answer: bytes) -> list[bytes]:
        """The platform itself, gone mad, speaks of a chain that is not there."""
        return [self._signed(self._wished(answer).model_copy(update={"chain_id": self.dice.randbytes(16)}))]

    def no_fork(self, answer: bytes) -> list[bytes]:
        """The platform itself, gone mad, calls the record that the journal has a fork."""
        wished = self._wished(answer)
        values = {name: getattr(wished, name) for name in ("terminal", "chain_id", "nonce", "issued_ms", "seq", "hash")}
        return [self._signed(Fork(**values))]

    def _wished(self, answer: bytes) -> Ack:
        keys = keyring([VerifyKey.of(self.platform.authority.load_ack_key().public_key())])
        honest, position = open_answer(answer, keys, TERMINAL), self.outbox.position()
        return Ack(
            terminal=TERMINAL,
            chain_id=honest.chain_id,
            nonce=honest.nonce,
            issued_ms=honest.issued_ms,
            seq=position.head_seq,
            hash=position.head_hash,
        )

    def _signed(self, answer: Ack | Fork) -> bytes:
        return sign_answer(answer, Es256Signer(self.platform.authority.load_ack_key()))


@asynccontextmanager
async def betrayed(
    platform: Platform, directory: Path, poison: tuple[Poison, ...] = ()
) -> AsyncIterator[tuple[Running, Enemy, Proxy]]:
    """A terminal whose line leads to an enemy, who withholds every answer until he is told another deed."""
    ingest = ingest_of(platform.store, platform.authority)
    async with (
        hostile_broker(platform.authority, ingest, withheld, poison) as broker,
        proxy_to(broker.port) as proxy,
        running_terminal(
            directory, platform.authority, Endpoint("localhost", proxy.port), PASSAGES, uplink=IMPATIENT
        ) as terminal,
    ):
        yield terminal, Enemy(platform, terminal.outbox, broker, true_to_another(platform, directory)), proxy


def true_to_another(platform: Platform, directory: Path) -> bytes:
    """What the platform's key signed for another terminal, which has sent as many records."""
    store = Store.open(sqlite_url(directory / "another.db"))
    signer = Es256Signer(platform.authority.load_ack_key())
    reply = Ingest(store, signer, lambda: 1).handle(Address("gate-2").topic(Channel.HELLO), hello(make_chain(PASSAGES)))
    store.close()
    assert reply is not None
    return reply.payload


async def freed(platform: Platform, terminal: Running, proxy: Proxy) -> None:
    """From now on the line leads to the honest broker; returns when all is there, and right."""
    proxy.target = platform.endpoint.port
    proxy.cut()
    await until(lambda: drained(terminal.outbox))
    assert is_whole(platform, terminal)


LIES: dict[str, tuple[Callable[[Enemy], Deed], str]] = {
    "forged": (lambda enemy: enemy.forged, "unverified"),
    "altered": (lambda enemy: enemy.altered, "unverified"),
    "truncated": (lambda enemy: enemy.truncated, "unverified"),
    "lengthened": (lambda enemy: enemy.lengthened, "unverified"),
    "another terminal's": (lambda enemy: enemy.anothers, "unverified"),
    "replayed": (lambda enemy: enemy.replayed, "stale"),
    "too far": (lambda enemy: enemy.too_far, "beyond-head"),
    "another hash": (lambda enemy: enemy.another_hash, "wrong-hash"),
    "another chain": (lambda enemy: enemy.another_chain, "foreign"),
    "no fork": (lambda enemy: enemy.no_fork, "wrong-hash"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_moves_nothing_and_is_told_with_its_cause(platform: Platform, tmp_path: Path, lie: str) -> None:
    deed, cause = LIES[lie]
    async with betrayed(platform, tmp_path) as (terminal, enemy, proxy):
        enemy.broker.deed = deed(enemy)
        await until(lambda: cause in enemy.broker.causes())
        counters = terminal.sync.status.counters
        assert counters[f"refused-{cause}"] > 0
        assert "acknowledgements" not in counters
        # Who names another hash is shown our records, so that an honest platform can say where they part.
        assert "batches" not in counters or cause == "wrong-hash"
        assert terminal.outbox.position().acked_seq == 0
        await freed(platform, terminal, proxy)


async def test_answers_withheld_after_the_platform_committed_cost_time_and_nothing_else(
    platform: Platform, tmp_path: Path
) -> None:
    """The broker's PUBACK is there, the platform's answer is not: nothing counts as acknowledged, nor is it doubled."""
    async with betrayed(platform, tmp_path) as (terminal, enemy, proxy):

        def only_the_first(answer: bytes) -> list[bytes]:
            return [answer] if terminal.sync.status.counters.get("batches", 0) == 0 else []

        enemy.broker.deed = only_the_first
        await until(lambda: terminal.sync.status.counters.get("batches", 0) > 0)
        await until(lambda: terminal.sync.status.counters.get("overdue", 0) > 1)
        assert terminal.outbox.position().acked_seq == 0
        await freed(platform, terminal, proxy)


async def test_a_broker_that_delivers_everything_twice_doubles_nothing(platform: Platform, tmp_path: Path) -> None:
    """Each hello and each batch comes to the platform twice, and each of its two answers twice to the terminal."""
    async with betrayed(platform, tmp_path) as (terminal, enemy, proxy):
        enemy.broker.hearings = 2
        enemy.broker.deed = lambda answer: [answer, answer]
        for _ in range(ROUNDS):
            await asyncio.to_thread(terminal.decide, PASSAGES)
            await until(lambda: drained(terminal.outbox))
        counters = terminal.sync.status.counters
        assert counters["duplicates"] > 0
        assert enemy.broker.causes() <= {"stale"}  # on a machine that stalls
        await freed(platform, terminal, proxy)


async def test_a_broker_that_lies_by_whim_never_gets_ahead_of_the_platform(platform: Platform, tmp_path: Path) -> None:
    """Lies, truths, truths told thrice, truths that come in another order, by a seed: at every moment what the terminal
    believes to be committed is committed."""
    async with betrayed(platform, tmp_path) as (terminal, enemy, proxy):
        held: list[bytes] = []
        told = 0

        def whim(answer: bytes) -> list[bytes]:
            nonlocal told
            told += 1
            assert terminal.outbox.position().acked_seq <= committed(platform)
            choice = enemy.dice.random()
            if choice < 0.35:
                return [answer] * enemy.dice.choice((1, 3))
            if choice < 0.5:
                held.append(answer)
                return [answer, held.pop(0)] if len(held) > 1 else []
            lie, _ = LIES[enemy.dice.choice([*LIES])]
            return lie(enemy)(answer)

        enemy.broker.deed = whim
        for _ in range(ROUNDS):
            terminal.decide(PASSAGES)
            before = told
            await until(lambda before=before: told >= before + 12 or drained(terminal.outbox))  # type: ignore[misc]
        assert {"unverified", "wrong-hash"} <= enemy.broker.causes(), "there were hardly any lies"
        await freed(platform, terminal, proxy)


async def test_poison_that_is_retained_wedges_nobody(platform: Platform, tmp_path: Path) -> None:
    """On every topic that a terminal reads, and on some that it never asked for, at each subscription."""
    address = Address(TERMINAL)
    topics = [address.topic(channel) for channel in (Channel.ACK, Channel.ANSWER, Channel.OFFER)]
    topics += ["onecard/1/bundle/trust/manifest", "onecard/1/bundle/trust/1/0", "onecard/1/bundle/", "elsewhere"]
    topics.append(address.topic(Channel.ACK).replace("ack", "command"))
    dice = random.Random(SEED)
    poison = tuple(Poison(topic, dice.randbytes(size)) for topic in topics for size in (0, 1, 500, 70_000))
    async with betrayed(platform, tmp_path, poison) as (terminal, enemy, proxy):
        enemy.broker.deed = lambda answer: [answer]
        await until(lambda: drained(terminal.outbox))
        counters = terminal.sync.status.counters
        assert counters["refused-unverified"] == 3
        assert counters["dropped"] >= len(topics)
        await freed(platform, terminal, proxy)


def committed(platform: Platform) -> int:
    """How many records the platform has."""
    with platform.store.transaction() as transaction:
        return sum(chain.seq for chain in transaction.chains())
