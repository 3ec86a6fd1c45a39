"""Records that lie in a hole of a chain: taken from an end where their hashes join it, and never otherwise."""

from __future__ import annotations

import pytest

from agent.cose import Es256Signer, VerifyKey
from agent.sync.contract import Ack, Address, Answer, Channel, Expect, Hello, open_answer
from offline_store.record import NO_HASH
from tests.tools.platform.chains import CHAIN, NOW_MS, altered, batch, make_chain
from tools.platform.desk import Forked, Gap
from tools.platform.holes import holes_of
from tools.platform.ingest import Ingest
from tools.platform.store import Position, Store

TERMINAL = "gate-1"
RECORDS = make_chain(12)
HEAD = Position(TERMINAL, CHAIN, 12, RECORDS[-1].hash)


@pytest.fixture
def ingest(store: Store, signer: Es256Signer) -> Ingest:
    """Of twelve records the platform has 1 to 3 and 9 to 12."""
    made = Ingest(store, signer, lambda: NOW_MS)
    made.bring(TERMINAL, batch(RECORDS, 1, 3))
    assert made.bring(TERMINAL, batch(RECORDS, 9, 12), bridges=True) == HEAD
    return made


def holes(store: Store) -> list[tuple[int, int]]:
    with store.transaction() as transaction:
        return [(hole.first, hole.last) for hole in holes_of(transaction, CHAIN)]


def stored(store: Store) -> list[int]:
    with store.transaction() as transaction:
        return [row.seq for row in transaction.records(CHAIN)]


def test_a_gap_is_bridged_only_where_somebody_says_so(store: Store, signer: Es256Signer) -> None:
    made = Ingest(store, signer, lambda: NOW_MS)
    made.bring(TERMINAL, batch(RECORDS, 1, 3))
    assert made.bring(TERMINAL, batch(RECORDS, 9, 12)) == Gap(Position(TERMINAL, CHAIN, 3, RECORDS[2].hash))
    assert holes(store) == []


def test_a_hole_is_filled_from_both_of_its_ends(ingest: Ingest, store: Store) -> None:
    assert holes(store) == [(4, 8)]
    assert ingest.bring(TERMINAL, batch(RECORDS, 4, 5)) == HEAD
    assert holes(store) == [(6, 8)]
    assert ingest.bring(TERMINAL, batch(RECORDS, 8, 8)) == HEAD
    assert holes(store) == [(6, 7)]
    assert ingest.bring(TERMINAL, batch(RECORDS, 6, 7)) == HEAD
    assert (holes(store), stored(store)) == ([], list(range(1, 13)))


def test_records_that_reach_beyond_the_hole_fill_it_and_double_nothing(ingest: Ingest, store: Store) -> None:
    assert ingest.bring(TERMINAL, batch(RECORDS, 4, 12)) == HEAD
    assert (holes(store), stored(store)) == ([], list(range(1, 13)))


def test_records_that_reach_no_end_of_it_wait(ingest: Ingest, store: Store) -> None:
    assert ingest.bring(TERMINAL, batch(RECORDS, 5, 7)) == Gap(Position(TERMINAL, CHAIN, 3, RECORDS[2].hash))
    assert (holes(store), len(stored(store))) == ([(4, 8)], 7)


@pytest.mark.parametrize(("first", "last", "at"), [(4, 6, 3), (8, 8, 8), (4, 8, 3)])
def test_another_chains_records_are_a_fork(ingest: Ingest, store: Store, first: int, last: int, at: int) -> None:
    others = altered(RECORDS, 2)
    taken = ingest.bring(TERMINAL, batch(others, first, last))
    assert taken == Forked(at, RECORDS[at - 1].hash)
    assert (holes(store), len(stored(store))) == ([(4, 8)], 7)


def test_a_chain_whose_beginning_is_lost_is_known_from_where_it_goes_on(store: Store, signer: Es256Signer) -> None:
    made = Ingest(store, signer, lambda: NOW_MS)
    assert made.bring(TERMINAL, batch(RECORDS, 9, 12), bridges=True) == HEAD
    assert holes(store) == [(1, 8)]
    assert made.bring(TERMINAL, batch(RECORDS, 2, 5)) == Gap(None)
    assert made.bring(TERMINAL, batch(altered(RECORDS, 1), 1, 3)) == Gap(None), "anybody could begin a chain"
    assert made.bring(TERMINAL, batch(RECORDS, 1, 8)) == HEAD
    assert (holes(store), stored(store)) == ([], list(range(1, 13)))
    assert RECORDS[0].prev_hash == NO_HASH


@pytest.mark.parametrize("first", range(1, 13))
def test_what_is_said_to_be_taken_is_stored_wherever_a_batch_begins_and_ends(
    store: Store, signer: Es256Signer, first: int
) -> None:
    made = Ingest(store, signer, lambda: NOW_MS)
    made.bring(TERMINAL, batch(RECORDS, 1, 3))
    made.bring(TERMINAL, batch(RECORDS, 9, 10), bridges=True)
    for last in range(first, 13):
        if isinstance(made.bring(TERMINAL, batch(RECORDS, first, last)), Position):
            assert set(range(first, last + 1)) <= set(stored(store)), (first, last)
    assert isinstance(made.bring(TERMINAL, batch(RECORDS, 1, 12)), Position)
    assert (holes(store), stored(store)) == ([], list(range(1, 13)))


def test_a_terminal_that_has_what_is_missing_is_asked_for_it_and_hears_no_more_than_is_whole(
    store: Store, signer: Es256Signer
) -> None:
    made = Ingest(store, signer, lambda: NOW_MS)
    made.bring(TERMINAL, batch(RECORDS, 1, 3))
    made.bring(TERMINAL, batch(RECORDS, 9, 10), bridges=True)
    address, nonce = Address(TERMINAL), bytes(16)
    hello = Hello(chain_id=CHAIN, nonce=nonce, first_retained=1, head=12, head_hash=RECORDS[-1].hash)

    def answer(channel: Channel, payload: bytes) -> Answer:
        reply = made.handle(address.topic(channel), payload)
        assert reply is not None
        return open_answer(reply.payload, {signer.kid: VerifyKey.of(signer.key.public_key())}, TERMINAL)

    asked = answer(Channel.HELLO, hello.encode())
    assert isinstance(asked, Expect)
    assert (asked.seq, asked.prev_hash) == (4, RECORDS[2].hash)
    for last, acked in ((6, 6), (8, 10), (12, 12)):
        told = answer(Channel.JOURNAL, batch(RECORDS, 4, last))
        assert isinstance(told, Ack)
        assert told.seq == acked
    assert stored(store) == list(range(1, 13))
