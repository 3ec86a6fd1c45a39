"""Messages of many terminals in one transaction, and several workers on one PostgreSQL."""

from __future__ import annotations

import errno
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent.cose import Es256Signer, VerifyKey, keyring
from agent.sync.contract import Ack, Address, Channel, open_answer
from offline_store.checkpoint import CHECKPOINT
from offline_store.record import Entry, Record, new_id
from tests.tools.platform.chains import BOOT, NOW_MS, batch, hello, make_chain
from tools.platform import dead_letters
from tools.platform.errors import PlatformError
from tools.platform.ingest import Ingest, Message, Reply
from tools.platform.store import Store

TERMINALS = [f"gate-{number}" for number in range(6)]


def chain_of(terminal: str, count: int) -> tuple[bytes, list[Record]]:
    seed = TERMINALS.index(terminal) + 1
    chain_id = bytes([seed]) * 16
    return chain_id, make_chain(count, chain_id=chain_id, seed=seed)


def messages(terminal: str, count: int, size: int) -> list[Message]:
    """A terminal's hello and all its batches, in order."""
    chain_id, records = chain_of(terminal, count)
    topic = Address(terminal).topic
    said = [Message(topic(Channel.HELLO), hello(records, chain_id=chain_id))]
    for first in range(1, count + 1, size):
        last = min(count, first + size - 1)
        said.append(Message(topic(Channel.JOURNAL), batch(records, first, last, chain_id)))
    return said


def stored(store: Store) -> dict[bytes, list[bytes]]:
    with store.transaction() as transaction:
        chains = transaction.chains()
        return {chain.chain_id: [row.body for row in transaction.records(chain.chain_id)] for chain in chains}


def expected(count: int) -> dict[bytes, list[bytes]]:
    chains = (chain_of(terminal, count) for terminal in TERMINALS)
    return {chain_id: [record.to_bytes() for record in records] for chain_id, records in chains}


@pytest.fixture
def ingest(store: Store, signer: Es256Signer) -> Ingest:
    return Ingest(store, signer, lambda: NOW_MS)


def acked(reply: Reply | None, terminal: str, signer: Es256Signer) -> int:
    assert reply is not None
    answer = open_answer(reply.payload, keyring([VerifyKey.of(signer.key.public_key())]), terminal)
    return answer.seq if isinstance(answer, Ack) else 0


def test_a_group_is_taken_as_if_each_message_had_come_alone(ingest: Ingest, store: Store, signer: Es256Signer) -> None:
    group = [message for terminal in TERMINALS for message in messages(terminal, 20, 7)]
    dice = random.Random(5)
    mixed: list[Message] = []
    queues = [messages(terminal, 20, 7) for terminal in TERMINALS]
    while any(queues):
        mixed.append(dice.choice([queue for queue in queues if queue]).pop(0))
    assert len(mixed) == len(group)
    replies = ingest.handle_all(mixed)
    assert stored(store) == expected(20)
    for terminal in TERMINALS:
        own = [acked(reply, terminal, signer) for message, reply in zip(mixed, replies, strict=True)
               if message.topic.split("/")[3] == terminal]  # fmt: skip
        assert own == [0, 7, 14, 20]


def test_one_bad_message_spoils_no_other(ingest: Ingest, store: Store) -> None:
    group = [
        *messages(TERMINALS[0], 5, 5),
        Message(Address(TERMINALS[1]).topic(Channel.JOURNAL), b"garbage"),
        Message("nonsense", b""),
        *messages(TERMINALS[2], 5, 5),
    ]
    replies = ingest.handle_all(group)
    assert [reply is None for reply in replies] == [False, False, True, True, False, False]
    assert len(stored(store)) == 2


def checkpointed(terminal: str) -> list[Message]:
    """A terminal's hello, and a batch that asks the platform for the terminal's keys."""
    chain_id, records = chain_of(terminal, 3)
    entry = Entry(new_id(NOW_MS, bytes(10)), CHECKPOINT, NOW_MS, "synchronised", 1)
    records.append(Record(entry, 4, BOOT, records[-1].hash))
    topic = Address(terminal).topic
    return [
        Message(topic(Channel.HELLO), hello(records, chain_id=chain_id)),
        Message(topic(Channel.JOURNAL), batch(records, 1, 4, chain_id)),
    ]


def test_a_message_that_finds_a_fault_of_the_platform_ends_no_worker_and_spoils_no_other(
    store: Store, signer: Es256Signer
) -> None:
    def keys_of(terminal: str) -> dict[bytes, VerifyKey]:
        raise OverflowError(terminal)

    group = [*messages(TERMINALS[0], 5, 5), *checkpointed(TERMINALS[1]), *messages(TERMINALS[2], 5, 5)]
    replies = Ingest(store, signer, lambda: NOW_MS, keys_of).handle_all(group)
    assert [reply is None for reply in replies] == [False, False, False, True, False, False]
    assert len(stored(store)) == 2
    with store.transaction() as transaction:
        (letter,) = dead_letters.letters(transaction, TERMINALS[1])
    assert (letter.reason, letter.payload) == ("not-storable", group[3].payload)
    assert letter.detail.startswith("OverflowError (test_groups.py:")


@pytest.mark.parametrize("fault", [OSError(errno.EMFILE, "too many open files"), MemoryError(), PlatformError("a key")])
def test_what_this_machine_lacks_makes_no_dead_letter_and_the_messages_are_taken_later(
    store: Store, signer: Es256Signer, fault: Exception
) -> None:
    lacking = [fault]

    def keys_of(_terminal: str) -> dict[bytes, VerifyKey]:
        if lacking:
            raise lacking[0]
        return {}

    ingest = Ingest(store, signer, lambda: NOW_MS, keys_of)
    group = checkpointed(TERMINALS[1])
    with pytest.raises(type(fault)):
        ingest.handle_all(group)
    assert not stored(store)
    lacking.clear()
    ingest.handle_all(group)
    assert [len(bodies) for bodies in stored(store).values()] == [4]
    with store.transaction() as transaction:
        assert not dead_letters.letters(transaction, TERMINALS[1])


def test_of_two_terminals_that_bear_the_same_ids_one_is_refused_and_nobody_else(ingest: Ingest, store: Store) -> None:
    chain_id, records = bytes([9]) * 16, make_chain(4, chain_id=bytes([9]) * 16, seed=1)
    own_id, own = chain_of(TERMINALS[0], 4)
    assert own[1].entry.id == records[1].entry.id
    topic = Address("gate-9").topic
    group = [
        *messages(TERMINALS[0], 4, 4),
        Message(topic(Channel.HELLO), hello(records, chain_id=chain_id)),
        Message(topic(Channel.JOURNAL), batch(records, 1, 4, chain_id)),
        *messages(TERMINALS[3], 4, 4),
    ]
    ingest.handle_all(group)
    kept = stored(store).keys()
    assert len(kept & {chain_id, own_id}) == 1
    assert chain_of(TERMINALS[3], 4)[0] in kept


@pytest.fixture
def workers(postgres_url: str, signer: Es256Signer) -> Iterator[list[Ingest]]:
    stores = [Store.open(postgres_url) for _ in range(3)]
    yield [Ingest(store, signer, lambda: NOW_MS) for store in stores]
    for store in stores:
        store.close()


def test_workers_that_get_the_same_messages_commit_each_record_once(workers: list[Ingest], postgres_url: str) -> None:
    """As when shards overlap, or a broker delivers again: in groups of their own, all at the same time."""
    together = threading.Barrier(len(workers))

    def work(worker: Ingest, seed: int) -> None:
        dice = random.Random(seed)
        queues = [messages(terminal, 60, 5) for terminal in TERMINALS]
        together.wait(20)
        while any(queues):
            group = []
            for _ in range(dice.randint(1, 12)):
                waiting = [queue for queue in queues if queue]
                if waiting:
                    group.append(dice.choice(waiting).pop(0))
            worker.handle_all(group)

    with ThreadPoolExecutor(len(workers)) as pool:
        for done in [pool.submit(work, worker, seed) for seed, worker in enumerate(workers)]:
            done.result(60)
    reader = Store.open(postgres_url)
    try:
        assert stored(reader) == expected(60)
        with reader.transaction() as transaction:
            assert {row.code for row in transaction.alarms()} <= {"rolled-back"}
    finally:
        reader.close()
