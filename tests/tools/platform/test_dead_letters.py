"""What cannot be taken is kept; what cannot be read holds up nobody, and is read after an upgrade."""

from __future__ import annotations

import cbor2
import pytest
import sqlalchemy as sa

from agent.cose import Es256Signer
from agent.sync.contract import Ack, Address, Channel
from offline_store.record import Record, hash_of
from tests.tools.platform import chains
from tests.tools.platform.chains import CHAIN, NOW_MS, Desk, batch, batch_of, make_chain, of_a_later_version
from tools.platform import dead_letters, holes
from tools.platform.dead_letters import FULL, MAX_MESSAGES, Kind, letters
from tools.platform.errors import PlatformError
from tools.platform.holes import holes_of
from tools.platform.ingest import Ingest, Message
from tools.platform.store import UNREAD, Store, record_table
from tools.platform.verification import verify_chain

TOPIC = Address("gate-1").topic(Channel.JOURNAL)


@pytest.fixture
def ingest(store: Store, signer: Es256Signer) -> Ingest:
    return Ingest(store, signer, lambda: NOW_MS)


def with_a_later_record(at: int, count: int) -> list[bytes]:
    """A chain in which one record is of a later version, and those behind it continue its bytes."""
    bodies: list[bytes] = []
    for record in make_chain(count):
        fields = cbor2.loads(record.to_bytes())
        if bodies:
            fields[17] = hash_of(bodies[-1])
        linked = Record.from_bytes(cbor2.dumps(fields))
        bodies.append(of_a_later_version(linked) if linked.seq == at else linked.to_bytes())
    return bodies


def kinds(store: Store) -> list[str]:
    with store.transaction() as transaction:
        return [row.kind for row in transaction.records(CHAIN)]


def alarms(store: Store) -> dict[str, int]:
    with store.transaction() as transaction:
        return {row.code: row.times for row in transaction.alarms()}


def test_a_record_of_a_later_version_holds_up_nobody(desk: Desk, store: Store) -> None:
    bodies = with_a_later_record(3, 5)
    desk.hello(make_chain(5))
    answer = desk.hand(Channel.JOURNAL, batch_of(bodies, 1))
    assert isinstance(answer, Ack)
    assert (answer.seq, answer.hash) == (5, hash_of(bodies[-1]))
    assert kinds(store) == ["genesis", "passage", UNREAD, "passage", "passage"]
    assert alarms(store) == {"unread-record": 1}
    with store.transaction() as transaction:
        [head] = transaction.chains()
        assert verify_chain(head, ((row.body, row.hash) for row in transaction.records(CHAIN))) is None
        [letter] = letters(transaction)
    assert (letter.kind, letter.terminal, letter.payload) == (Kind.RECORD, "gate-1", bodies[2])


def test_a_replay_before_the_upgrade_changes_nothing(desk: Desk, store: Store, ingest: Ingest) -> None:
    bodies = with_a_later_record(3, 4)
    desk.hello(make_chain(4))
    desk.hand(Channel.JOURNAL, batch_of(bodies, 1))
    with store.transaction() as transaction:
        [letter] = letters(transaction)
    assert not ingest.replay(letter.id)
    assert kinds(store)[2] == UNREAD


def test_after_an_upgrade_a_replay_reads_what_an_older_platform_kept(desk: Desk, store: Store, ingest: Ingest) -> None:
    records = make_chain(4)
    desk.hello(records)
    desk.batch(records, 1, 4)
    third = records[2]
    with store.transaction() as transaction:  # as a version would have left it that could not read the third
        unread = sa.update(record_table).where(record_table.c.seq == 3)
        transaction.connection.execute(unread.values(kind=UNREAD, lane=None, profile=None, reason=None))
        dead_letters.keep_record(transaction, "gate-1", third.entry.id, third.to_bytes(), "later", NOW_MS)
        [letter] = letters(transaction)
    assert ingest.replay(letter.id[:8])
    with store.transaction() as transaction:
        assert letters(transaction) == []
        row = list(transaction.records(CHAIN))[2]
    assert (row.kind, row.lane, row.reason, row.body) == ("passage", "north", "granted", third.to_bytes())
    with pytest.raises(PlatformError):
        ingest.replay(letter.id)


def test_a_message_that_cannot_be_taken_is_kept_once_and_counted(desk: Desk, store: Store, ingest: Ingest) -> None:
    records = make_chain(4)
    desk.hello(records)
    broken = batch_of([records[0].to_bytes(), records[2].to_bytes()], 1)
    for _ in range(3):
        assert desk.hand(Channel.JOURNAL, broken) is None
    with store.transaction() as transaction:
        [letter] = letters(transaction, "gate-1")
    assert (letter.kind, letter.topic, letter.reason, letter.times) == (Kind.MESSAGE, TOPIC, "chain-break", 3)
    assert letter.payload == broken
    assert not ingest.replay(letter.id)


def test_a_message_that_can_be_taken_later_is_delivered_by_a_replay(desk: Desk, store: Store, ingest: Ingest) -> None:
    records = make_chain(3)
    desk.hello(records)
    desk.batch(records, 1, 2)
    with store.transaction() as transaction:
        dead_letters.keep_message(transaction, "gate-1", TOPIC, batch(records, 3, 3), "bad-record", "once", NOW_MS)
        [letter] = letters(transaction)
    assert ingest.replay(letter.id)
    assert kinds(store) == ["genesis", "passage", "passage"]


def test_what_is_kept_of_one_terminal_is_bounded(desk: Desk, store: Store) -> None:
    for number in range(MAX_MESSAGES + 3):
        desk.hand(Channel.JOURNAL, b"garbage %d" % number)
    with store.transaction() as transaction:
        assert len(letters(transaction)) == MAX_MESSAGES
    assert alarms(store) == {"malformed": MAX_MESSAGES + 3, FULL: 3}


def test_a_chain_goes_on_behind_a_hole_that_the_terminal_has_announced(desk: Desk, store: Store) -> None:
    records = make_chain(9)
    desk.hello(records)
    desk.batch(records, 1, 3)
    desk.hello(records, first_retained=6)  # the platform is of an older backup: 4 and 5 were acknowledged and left
    answer = desk.batch(records, 6, 9)
    assert isinstance(answer, Ack)
    assert (answer.seq, answer.hash) == (9, records[-1].hash)
    assert alarms(store) == {"hole": 1}
    with store.transaction() as transaction:
        [head], stored = transaction.chains(), list(transaction.records(CHAIN))
        bodies = [(row.body, row.hash) for row in stored]
        [hole] = holes = holes_of(transaction, CHAIN)
    assert (hole.first, hole.last, hole.anchor_hash) == (4, 5, records[4].hash)
    assert verify_chain(head, bodies, holes) is None
    assert verify_chain(head, bodies) == 4
    assert verify_chain(head, bodies[:4] + bodies[5:], holes) == 7


def test_a_chain_whose_beginning_is_gone_goes_on_from_what_is_left(desk: Desk, store: Store) -> None:
    records = make_chain(6)
    desk.hello(records, first_retained=4)
    answer = desk.batch(records, 4, 6)
    assert isinstance(answer, Ack)
    assert answer.seq == 6
    with store.transaction() as transaction:
        assert [(hole.first, hole.last) for hole in holes_of(transaction, CHAIN)] == [(1, 3)]


def test_nobody_leaps_over_records_that_the_terminal_still_has(desk: Desk, store: Store) -> None:
    records = make_chain(9)
    desk.hello(records)
    desk.batch(records, 1, 3)
    assert not isinstance(desk.batch(records, 6, 9), Ack)
    with store.transaction() as transaction:
        assert transaction.chains()[0].seq == 3
        assert holes_of(transaction, CHAIN) == []


def test_the_chain_of_another_terminal_has_no_holes_to_leap(store: Store, signer: Es256Signer) -> None:
    records = make_chain(6)
    owner, thief = Desk(store, signer, "gate-1"), Desk(store, signer, "gate-2")
    owner.hello(records)
    owner.batch(records, 1, 3)
    thief.hand(Channel.HELLO, chains.hello(records, first_retained=5))
    assert thief.batch(records, 5, 6) is None
    assert alarms(store)["foreign-chain"] == 2


def test_a_hole_is_noted_only_with_the_records_behind_it(desk: Desk, store: Store, signer: Es256Signer) -> None:
    records, other = make_chain(6), make_chain(6, chain_id=bytes([7]) * 16, seed=1)
    desk.hello(records)
    desk.batch(records, 1, 6)
    twin = Desk(store, signer, "gate-2")
    twin.hand(Channel.HELLO, chains.hello(other, chain_id=bytes([7]) * 16, first_retained=4))
    for _ in range(3):  # its ids are another's: refused each time, and never a fault of the database
        assert twin.batch(other, 4, 6, bytes([7]) * 16) is None
    assert alarms(store)["duplicate-id"] == 3
    with store.transaction() as transaction:
        assert holes_of(transaction, bytes([7]) * 16) == []


def test_what_the_database_cannot_hold_is_a_dead_letter_and_wedges_nobody(
    desk: Desk, store: Store, ingest: Ingest
) -> None:
    """Here the place of a hole is taken already, whatever is tried; others in the same group are not held up."""
    records, healthy = make_chain(9), make_chain(3, chain_id=bytes([5]) * 16, seed=5)
    desk.hello(records)
    desk.batch(records, 1, 3)
    desk.hello(records, first_retained=6)
    with store.transaction() as transaction:
        holes.note(transaction, CHAIN, 4, 5, bytes(32), NOW_MS)
    neighbour = Address("gate-2").topic
    replies = ingest.handle_all(
        [
            Message(TOPIC, batch(records, 6, 9)),
            Message(neighbour(Channel.HELLO), chains.hello(healthy, chain_id=bytes([5]) * 16)),
            Message(neighbour(Channel.JOURNAL), batch(healthy, 1, 3, bytes([5]) * 16)),
        ]
    )
    assert [reply is None for reply in replies] == [True, False, False]
    assert alarms(store)["not-storable"] == 1
    with store.transaction() as transaction:
        [letter] = letters(transaction)
    assert (letter.reason, letter.payload) == ("not-storable", batch(records, 6, 9))


def test_a_replay_that_commits_nothing_keeps_the_letter(desk: Desk, store: Store, ingest: Ingest) -> None:
    records = make_chain(6)
    desk.hello(records)
    desk.batch(records, 1, 2)
    question = Address("gate-1").topic(Channel.ASK)
    for topic, payload in ((TOPIC, batch(records, 4, 6)), (question, b"\xa0"), (TOPIC, b"garbage")):
        with store.transaction() as transaction:
            dead_letters.keep_message(transaction, "gate-1", topic, payload, "bad-record", "once", NOW_MS)
            letter = letters(transaction)[-1]
        assert not ingest.replay(letter.id)
    with store.transaction() as transaction:
        assert len(letters(transaction)) == 3
    assert len(kinds(store)) == 2
