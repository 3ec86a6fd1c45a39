"""A chain that ended with its box: refused over the wire, taken by stick, and no cause to complain of the next one."""

from __future__ import annotations

from agent.cose import Es256Signer
from agent.sync.contract import Ack
from tests.tools.platform.chains import NOW_MS, Desk, batch, make_chain
from tools.platform.closed_chains import close_all
from tools.platform.ingest import Ingest
from tools.platform.store import Position, Store

NEXT = bytes(range(16, 32))


def alarms(store: Store) -> set[str]:
    with store.transaction() as transaction:
        return {row.code for row in transaction.alarms()}


def closed(store: Store) -> int:
    with store.transaction() as transaction:
        return close_all(transaction, "gate-1", NOW_MS)


def test_what_still_comes_of_it_is_refused_and_alarms_and_a_stick_is_taken(
    store: Store, desk: Desk, signer: Es256Signer
) -> None:
    records = make_chain(6)
    desk.hello(records)
    desk.batch(records, 1, 3)
    assert closed(store) == 1
    assert closed(store) == 0
    assert desk.batch(records, 4, 5) is None
    assert desk.hello(records) is None
    assert alarms(store) == {"chain-closed"}
    head = Ingest(store, signer, lambda: NOW_MS).bring("gate-1", batch(records, 4, 6))
    assert isinstance(head, Position)
    assert head.seq == 6


def test_the_next_box_begins_a_chain_of_its_own_without_a_complaint(store: Store, desk: Desk) -> None:
    desk.hello(make_chain(3))
    desk.batch(make_chain(3), 1, 3)
    closed(store)
    fresh = make_chain(2, chain_id=NEXT, seed=2)
    desk.hello(fresh, chain_id=NEXT)
    answer = desk.batch(fresh, 1, 2, NEXT)
    assert isinstance(answer, Ack)
    assert (answer.seq, alarms(store)) == (2, set())


def test_a_new_chain_beside_an_open_one_still_alarms(store: Store, desk: Desk) -> None:
    desk.hello(make_chain(3))
    desk.batch(make_chain(3), 1, 3)
    fresh = make_chain(2, chain_id=NEXT, seed=2)
    desk.hello(fresh, chain_id=NEXT)
    desk.batch(fresh, 1, 2, NEXT)
    assert alarms(store) == {"chain-replaced"}
