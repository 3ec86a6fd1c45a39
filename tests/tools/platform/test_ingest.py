"""The ingest on a real SQLite file: what is stored, what is answered, what is counted."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.cose import Es256Signer
from agent.sync.contract import Ack, Address, Alarm, Channel, Expect, Fork, Presence, State
from offline_store.genesis import Predecessor
from offline_store.record import Record
from tests.tools.platform.chains import CHAIN, NOW_MS, Desk, altered, batch, batch_of_another_suite, make_chain
from tools.platform.ingest import UNKNOWN_TERMINAL, Ingest
from tools.platform.store import MAX_ALARM_ROWS, MORE_ALARMS, Store
from tools.platform.verification import verify_chain

OTHER_CHAIN = bytes(range(16, 32))


def stored(store: Store, chain_id: bytes = CHAIN) -> list[bytes]:
    with store.transaction() as transaction:
        return [row.body for row in transaction.records(chain_id)]


def alarms(store: Store) -> dict[str, int]:
    with store.transaction() as transaction:
        return {row.code: row.times for row in transaction.alarms()}


def bodies(records: list[Record]) -> list[bytes]:
    return [record.to_bytes() for record in records]


def test_a_new_terminal_is_asked_for_record_one(desk: Desk) -> None:
    answer = desk.hello(make_chain(3))
    assert isinstance(answer, Expect)
    assert (answer.seq, answer.prev_hash, answer.nonce) == (1, None, b"n" * 16)


def test_batches_are_kept_byte_for_byte_and_acknowledged_up_to_the_last(desk: Desk, store: Store) -> None:
    records = make_chain(5)
    desk.hello(records)
    desk.batch(records, 1, 3)
    answer = desk.batch(records, 4, 5)
    assert isinstance(answer, Ack)
    assert (answer.seq, answer.hash, answer.chain_id) == (5, records[-1].hash, CHAIN)
    assert stored(store) == bodies(records)
    assert alarms(store) == {}


def test_a_batch_seen_twice_is_stored_once_and_acknowledged_twice(desk: Desk, store: Store) -> None:
    records = make_chain(4)
    desk.hello(records)
    first = desk.batch(records, 1, 4)
    assert desk.batch(records, 1, 4) == first
    assert stored(store) == bodies(records)


def test_a_batch_that_overlaps_the_head_brings_only_what_is_new(desk: Desk, store: Store) -> None:
    records = make_chain(6)
    desk.hello(records)
    desk.batch(records, 1, 4)
    answer = desk.batch(records, 3, 6)
    assert isinstance(answer, Ack)
    assert answer.seq == 6
    assert stored(store) == bodies(records)


def test_a_gap_is_asked_for_and_nothing_is_stored(desk: Desk, store: Store) -> None:
    records = make_chain(6)
    desk.hello(records)
    desk.batch(records, 1, 2)
    answer = desk.batch(records, 4, 6)
    assert isinstance(answer, Expect)
    assert (answer.seq, answer.prev_hash) == (3, records[1].hash)
    assert stored(store) == bodies(records[:2])


@pytest.mark.parametrize(("first", "last"), [(2, 4), (4, 6), (5, 6)], ids=["inside", "at-the-head", "after-the-head"])
def test_another_record_at_a_committed_seq_is_a_fork(desk: Desk, store: Store, first: int, last: int) -> None:
    records = make_chain(4)
    desk.hello(records)
    desk.batch(records, 1, 4)
    other = altered(make_chain(6), 4)
    answer = desk.batch(other, first, last)
    assert isinstance(answer, Fork)
    assert (answer.seq, answer.hash) == (4, records[3].hash)
    assert stored(store) == bodies(records)
    assert alarms(store) == {"fork": 1}


def test_a_record_altered_within_a_batch_breaks_the_chain_and_nothing_is_stored(desk: Desk, store: Store) -> None:
    records = make_chain(5)
    desk.hello(records)
    records[2] = altered(records, 3)[2]
    assert desk.batch(records, 1, 5) is None
    assert stored(store) == []
    assert alarms(store) == {"chain-break": 1}


def test_a_record_of_another_suite_is_refused_as_such_and_nothing_of_its_batch_is_stored(
    store: Store, signer: Es256Signer
) -> None:
    ingest = Ingest(store, signer, lambda: NOW_MS)
    topic = Address("gate-1").topic(Channel.JOURNAL)
    assert ingest.handle(topic, batch_of_another_suite(make_chain(5))) is None
    assert stored(store) == []
    assert alarms(store) == {"unknown-suite": 1}


def test_a_batch_without_a_hello_for_its_chain_is_left_unanswered_and_not_stored(desk: Desk, store: Store) -> None:
    assert desk.batch(make_chain(2), 1, 2) is None
    assert stored(store) == []


def test_a_hello_learns_the_committed_position(desk: Desk) -> None:
    records = make_chain(5)
    desk.hello(records)
    desk.batch(records, 1, 3)
    answer = desk.hello(records, nonce=b"m" * 16)
    assert isinstance(answer, Ack)
    assert (answer.seq, answer.hash, answer.nonce) == (3, records[2].hash, b"m" * 16)


def test_a_terminal_restored_from_a_backup_is_noticed_but_a_repeated_hello_is_not(desk: Desk, store: Store) -> None:
    records = make_chain(5)
    desk.hello(records)
    desk.batch(records, 1, 5)
    desk.hello(records[:3], nonce=b"m" * 16)
    assert alarms(store) == {"rolled-back": 1}
    desk.hello(records[:3], nonce=b"m" * 16)
    assert alarms(store) == {"rolled-back": 1}


def test_a_hello_whose_head_is_another_record_is_a_fork(desk: Desk, store: Store) -> None:
    records = make_chain(5)
    desk.hello(records)
    desk.batch(records, 1, 5)
    answer = desk.hello(altered(records, 4)[:4], nonce=b"m" * 16)
    assert isinstance(answer, Fork)
    assert (answer.seq, answer.hash) == (4, records[3].hash)
    assert alarms(store) == {"fork": 1}


def test_records_that_the_terminal_no_longer_holds_are_a_hole(desk: Desk, store: Store) -> None:
    answer = desk.hello(make_chain(5), first_retained=3)
    assert isinstance(answer, Expect)
    assert answer.seq == 1
    assert alarms(store) == {"hole": 1}


def test_a_chain_of_one_terminal_is_refused_from_another(desk: Desk, store: Store, signer: Es256Signer) -> None:
    records = make_chain(3)
    desk.hello(records)
    desk.batch(records, 1, 2)
    thief = Desk(store, signer, "gate-2")
    assert thief.hello(records) is None
    assert thief.batch(records, 3, 3) is None
    assert stored(store) == bodies(records[:2])
    assert alarms(store) == {"foreign-chain": 2}


def test_a_chain_must_begin_with_its_own_genesis(desk: Desk, store: Store) -> None:
    records = make_chain(2)
    desk.hello(records, chain_id=OTHER_CHAIN)
    assert desk.batch(records, 1, 2, OTHER_CHAIN) is None
    assert stored(store, OTHER_CHAIN) == []
    assert alarms(store) == {"bad-genesis": 1}


def test_a_new_chain_that_names_its_predecessor_is_taken_without_alarm(desk: Desk, store: Store) -> None:
    old = make_chain(3)
    desk.hello(old)
    desk.batch(old, 1, 3)
    new = make_chain(2, chain_id=OTHER_CHAIN, seed=2, predecessor=Predecessor(CHAIN, 3, old[-1].hash))
    desk.hello(new, chain_id=OTHER_CHAIN)
    assert isinstance(desk.batch(new, 1, 2, OTHER_CHAIN), Ack)
    assert alarms(store) == {}


def test_a_new_chain_without_its_predecessor_is_taken_and_alarms(desk: Desk, store: Store) -> None:
    old = make_chain(3)
    desk.hello(old)
    desk.batch(old, 1, 3)
    new = make_chain(2, chain_id=OTHER_CHAIN, seed=2)
    desk.hello(new, chain_id=OTHER_CHAIN)
    assert isinstance(desk.batch(new, 1, 2, OTHER_CHAIN), Ack)
    assert alarms(store) == {"chain-replaced": 1}


def test_an_id_that_another_record_bears_is_refused(desk: Desk, store: Store, signer: Es256Signer) -> None:
    records = make_chain(2)
    desk.hello(records)
    desk.batch(records, 1, 2)
    other = Desk(store, signer, "gate-2")
    copies = make_chain(2, chain_id=OTHER_CHAIN)
    assert copies[1].entry.id == records[1].entry.id
    other.hello(copies, chain_id=OTHER_CHAIN)
    assert other.batch(copies, 1, 2, OTHER_CHAIN) is None
    assert stored(store, OTHER_CHAIN) == []
    assert alarms(store) == {"duplicate-id": 1}


def test_state_and_alarms_of_a_terminal_are_kept(desk: Desk, store: Store) -> None:
    desk.hand(Channel.STATE, State(presence=Presence.ONLINE, since_ms=1).encode())
    desk.hand(Channel.STATE, State(presence=Presence.LOST, since_ms=2).encode())
    desk.hand(Channel.ALARM, Alarm(code="forced-open", at_ms=3, source="north", detail="a\x00b\nc", count=2).encode())
    desk.hand(Channel.ALARM, Alarm(code="forced-open", at_ms=4, source="north").encode())
    with store.transaction() as transaction:
        (terminal,) = transaction.terminals()
        (alarm,) = transaction.alarms("gate-1")
    assert (terminal.presence, terminal.since_ms, terminal.alarms) == ("lost", 2, 3)
    assert (alarm.source, alarm.code, alarm.times) == ("north", "forced-open", 3)


def test_control_characters_of_an_alarm_never_reach_the_database(desk: Desk, store: Store) -> None:
    desk.hand(Channel.ALARM, Alarm(code="tamper", at_ms=3, detail="a\x00b\x1b[2J").encode())
    with store.transaction() as transaction:
        assert transaction.alarms()[0].detail == "a?b?[2J"


def test_a_flood_of_different_alarms_takes_a_bounded_number_of_rows(desk: Desk, store: Store) -> None:
    for number in range(MAX_ALARM_ROWS + 20):
        desk.hand(Channel.ALARM, Alarm(code=f"invented-{number}", at_ms=1).encode())
    counted = alarms(store)
    assert len(counted) == MAX_ALARM_ROWS + 1
    assert counted[MORE_ALARMS] == 20


def test_a_topic_of_the_wrong_shard_is_counted_and_nothing_else(store: Store, signer: Es256Signer) -> None:
    ingest = Ingest(store, signer, lambda: 1)
    assert ingest.handle("onecard/1/zz/gate-1/up/journal", batch(make_chain(2), 1, 2)) is None
    with store.transaction() as transaction:
        assert [(row.terminal, row.code) for row in transaction.alarms()] == [(UNKNOWN_TERMINAL, "malformed")]
        assert transaction.terminals() == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(channel=st.sampled_from(list(Channel)), cut=st.integers(0, 400), noise=st.binary(max_size=40))
def test_hostile_payloads_are_counted_and_never_raise(desk: Desk, channel: Channel, cut: int, noise: bytes) -> None:
    payload = batch(make_chain(3), 1, 3)
    assert desk.hand(channel, payload[:cut] + noise + payload[cut + len(noise) + 1 :]) is None


def test_verification_names_the_first_record_that_is_wrong(desk: Desk, store: Store) -> None:
    records = make_chain(6)
    desk.hello(records)
    desk.batch(records, 1, 6)
    with store.transaction() as transaction:
        (head,) = transaction.chains()
    whole = [(record.to_bytes(), record.hash) for record in records]
    other = altered(records, 4)[3]
    assert verify_chain(head, whole) is None
    assert verify_chain(head, [*whole[:2], *whole[3:]]) == 3
    assert verify_chain(head, whole[:5]) == 6
    assert verify_chain(head, [*whole[:3], (other.to_bytes(), records[3].hash), *whole[4:]]) == 4
    assert verify_chain(head, [*whole[:3], (other.to_bytes(), other.hash), *whole[4:]]) == 5
    assert verify_chain(head, [*whole[:1], whole[2], whole[1], *whole[3:]]) == 2
    assert verify_chain(head, [(b"", whole[0][1]), *whole[1:]]) == 1
