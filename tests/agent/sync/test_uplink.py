"""The uplink against a platform in memory, a real journal, and a broker that may do anything."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from random import Random as Seeded

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.sync.contract import Ack, Address, Alarm, Channel, Hello, JournalBatch, sign_answer
from agent.sync.uplink import Phase, Publish, UplinkSettings
from offline_store.errors import Busy, Damaged, IoFailed, StoreError
from tests.agent.sync.parts import TERMINAL, MemoryPlatform, Terminal

Published = tuple[Publish, ...]


def answer_all(terminal: Terminal, platform: MemoryPlatform, published: Published) -> list[Publish]:
    """Carry messages both ways until nobody has anything to say; returns the alarms."""
    alarms: list[Publish] = []
    queue = list(published)
    while queue:
        item = queue.pop(0)
        if item.channel is Channel.HELLO:
            queue.extend(terminal.uplink.answered(platform.hello(item.payload)))
        elif item.channel is Channel.JOURNAL:
            queue.extend(terminal.uplink.answered(platform.journal(item.payload)))
        else:
            alarms.append(item)
    return alarms


def greet(terminal: Terminal, platform: MemoryPlatform) -> tuple[bytes, Published]:
    """Connect; returns the platform's answer to the hello, not yet delivered, and the hello."""
    published = terminal.uplink.connected()
    return platform.hello(published[0].payload), published


def stored(terminal: Terminal) -> list[bytes]:
    return terminal.outbox.batch(0, 5_000, 1 << 24)


def test_every_record_arrives_in_order_and_is_acknowledged(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(95)
    assert answer_all(terminal, platform, terminal.uplink.connected()) == []
    assert platform.chains[terminal.journal.head.chain_id] == stored(terminal)
    assert terminal.acknowledged == 96
    assert terminal.uplink.state.phase is Phase.IDLE
    assert [len(batch.records) for batch in platform.batches] == [10] * 9 + [6]


def test_nothing_is_sent_before_the_hello_is_answered(terminal: Terminal) -> None:
    terminal.append(3)
    (hello,) = terminal.uplink.connected()
    assert hello.channel is Channel.HELLO
    assert terminal.uplink.wake() == ()
    assert terminal.uplink.tick() == ()


def test_an_answer_counts_by_the_keys_in_force_when_it_comes(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(3)
    answer, _ = greet(terminal, platform)
    revoked, terminal.keys = terminal.keys, {}
    (alarm,) = terminal.uplink.answered(answer)
    assert Alarm.decode(alarm.payload).source == "unverified"
    assert (terminal.acknowledged, terminal.heard) == (0, [])
    terminal.keys = revoked
    answer_all(terminal, platform, terminal.uplink.answered(answer))
    assert terminal.acknowledged == 4


def test_one_batch_is_in_flight_at_a_time(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(50)
    answer, _ = greet(terminal, platform)
    (batch,) = terminal.uplink.answered(answer)
    assert JournalBatch.decode(batch.payload).last_seq == 10
    assert terminal.uplink.wake() == ()
    assert terminal.uplink.answered(answer) == ()


def test_a_batch_that_was_prepared_leaves_only_where_the_platform_is(
    terminal: Terminal, platform: MemoryPlatform
) -> None:
    terminal.append(50)
    answer, _ = greet(terminal, platform)
    (batch,) = terminal.uplink.answered(answer)
    terminal.uplink.prepare()
    acknowledged = platform.journal(batch.payload)
    back = platform.expect(terminal.journal.head.chain_id, 5)
    (again,) = terminal.uplink.answered(platform.sign(back))
    assert JournalBatch.decode(again.payload).first_seq == 5
    terminal.uplink.prepare()
    answer_all(terminal, platform, terminal.uplink.answered(acknowledged))
    answer_all(terminal, platform, terminal.uplink.answered(platform.journal(again.payload)))
    assert platform.chains[terminal.journal.head.chain_id] == stored(terminal)
    assert terminal.acknowledged == 51


class FailingDisk:
    """Takes no acknowledgement any more."""

    def __init__(self, terminal: Terminal) -> None:
        self._writer = terminal.writer

    def acknowledge(self, _chain_id: bytes, _seq: int, _record_hash: bytes) -> Future[int]:
        future: Future[int] = Future()
        future.set_exception(IoFailed("磁盘", "disk"))
        return future

    def rescue(self) -> Future[None]:
        return self._writer.rescue()


def test_the_next_batch_leaves_before_the_acknowledgement_is_durable_and_the_one_after_does_not(
    terminal: Terminal, platform: MemoryPlatform
) -> None:
    terminal.append(50)
    answer, _ = greet(terminal, platform)
    (first,) = terminal.uplink.answered(answer)
    (second,) = terminal.uplink.answered(platform.journal(first.payload))
    assert JournalBatch.decode(second.payload).first_seq == 11
    assert terminal.acknowledged == 0
    (third,) = terminal.uplink.answered(platform.journal(second.payload))
    assert JournalBatch.decode(third.payload).first_seq == 21
    assert terminal.acknowledged == 10
    terminal.uplink.prepare()
    assert terminal.acknowledged == 20


def test_an_acknowledgement_that_cannot_be_made_durable_holds_up_what_follows(
    terminal: Terminal, platform: MemoryPlatform
) -> None:
    terminal.append(50)
    terminal.uplink = terminal.uplink_over(FailingDisk(terminal))
    answer, _ = greet(terminal, platform)
    (first,) = terminal.uplink.answered(answer)
    (second,) = terminal.uplink.answered(platform.journal(first.payload))
    with pytest.raises(IoFailed):
        terminal.uplink.answered(platform.journal(second.payload))
    assert terminal.acknowledged == 0


def test_an_idle_uplink_sends_when_the_journal_grows(terminal: Terminal, platform: MemoryPlatform) -> None:
    answer_all(terminal, platform, terminal.uplink.connected())
    assert terminal.uplink.wake() == ()
    terminal.append(1)
    answer_all(terminal, platform, terminal.uplink.wake())
    assert terminal.acknowledged == 2
    assert terminal.uplink.counters["hellos"] == 1


def test_an_overdue_answer_brings_a_hello_with_a_fresh_nonce_ever_later(
    terminal: Terminal, platform: MemoryPlatform
) -> None:
    hellos = [Hello.decode(terminal.uplink.connected()[0].payload)]
    waits: list[int] = []
    for _ in range(12):
        deadline_ms = terminal.uplink.state.deadline_ms
        assert deadline_ms is not None
        waits.append(deadline_ms - terminal.clock.at_ms)
        terminal.clock.at_ms = deadline_ms - 1
        assert terminal.uplink.tick() == ()
        terminal.clock.at_ms = deadline_ms
        hellos.append(Hello.decode(terminal.uplink.tick()[0].payload))
    assert len({hello.nonce for hello in hellos}) == len(hellos)
    assert waits[0] <= 10_000
    assert waits[-1] > 100_000
    assert max(waits) <= 300_000


def test_a_lost_batch_is_sent_again_after_the_next_hello(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(30)
    answer, _ = greet(terminal, platform)
    terminal.uplink.answered(answer)
    terminal.clock.at_ms += 10_000
    answer_all(terminal, platform, terminal.uplink.tick())
    assert terminal.acknowledged == 31


def test_a_restart_resumes_where_the_platform_is(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(25)
    answer, _ = greet(terminal, platform)
    (batch,) = terminal.uplink.answered(answer)
    platform.journal(batch.payload)
    terminal.restart()
    assert terminal.acknowledged == 0
    answer_all(terminal, platform, terminal.uplink.connected())
    assert terminal.acknowledged == 26
    assert [batch.first_seq for batch in platform.batches] == [1, 11, 21]


def test_a_platform_restored_from_a_backup_gets_everything_again(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(40)
    answer_all(terminal, platform, terminal.uplink.connected())
    chain = terminal.journal.head.chain_id
    del platform.chains[chain][12:]
    terminal.uplink.disconnected()
    answer_all(terminal, platform, terminal.uplink.connected())
    assert platform.chains[chain] == stored(terminal)
    assert terminal.acknowledged == 41


def test_expect_below_sends_again_from_there(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(40)
    answer_all(terminal, platform, terminal.uplink.connected())
    expect = platform.expect(terminal.journal.head.chain_id, 5)
    (batch,) = terminal.uplink.answered(platform.sign(expect))
    assert JournalBatch.decode(batch.payload).first_seq == 5
    assert terminal.uplink.answered(platform.sign(expect)) == ()
    assert terminal.acknowledged == 41


def test_expect_above_is_followed_only_if_the_hash_proves_it(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(40)
    chain = terminal.journal.head.chain_id
    greet(terminal, platform)
    platform.chains[chain] = stored(terminal)
    expect = platform.expect(chain, 21)
    for lie in ({"prev_hash": bytes(32)}, {"prev_hash": None}, {"seq": 43}):
        terminal.uplink.answered(platform.sign(expect.model_copy(update=lie)))
        assert terminal.uplink.state.phase is Phase.GREETING
    (batch,) = terminal.uplink.answered(platform.sign(expect))
    assert JournalBatch.decode(batch.payload).first_seq == 21
    assert terminal.acknowledged == 0


def test_an_acknowledgement_beyond_what_was_sent_counts_if_its_hash_is_right(
    terminal: Terminal, platform: MemoryPlatform
) -> None:
    terminal.append(40)
    chain = terminal.journal.head.chain_id
    answer, _ = greet(terminal, platform)
    terminal.uplink.answered(answer)
    platform.chains[chain] = stored(terminal)
    assert terminal.uplink.answered(platform.sign(platform.ack(chain))) == ()
    assert terminal.acknowledged == 41
    assert terminal.uplink.state.phase is Phase.IDLE


def test_a_fork_at_a_record_that_is_the_same_is_refused(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(5)
    answer_all(terminal, platform, terminal.uplink.connected())
    chain = terminal.journal.head.chain_id
    terminal.uplink.answered(platform.sign(platform.fork(chain, 3)))
    assert terminal.uplink.state.phase is Phase.IDLE
    assert terminal.uplink.counters["refused-wrong-hash"] == 1


@pytest.fixture
def awaiting(terminal: Terminal, platform: MemoryPlatform) -> Ack:
    """Ten records are in flight; returns the honest acknowledgement, not yet delivered."""
    terminal.append(30)
    answer, _ = greet(terminal, platform)
    (batch,) = terminal.uplink.answered(answer)
    platform.journal(batch.payload)
    return platform.ack(terminal.journal.head.chain_id)


@pytest.mark.parametrize(
    ("lie", "refusal"),
    [
        ({"nonce": b"n" * 16}, "stale"),
        ({"chain_id": b"c" * 16}, "foreign"),
        ({"seq": 32}, "beyond-head"),
        ({"seq": 2**62}, "beyond-head"),
        ({"hash": bytes(32)}, "wrong-hash"),
        ({"seq": 9}, "wrong-hash"),
        ({"seq": 11}, "wrong-hash"),
    ],
)
def test_a_signed_answer_that_does_not_fit_alarms_and_moves_nothing(
    terminal: Terminal, platform: MemoryPlatform, awaiting: Ack, lie: dict[str, object], refusal: str
) -> None:
    before = terminal.uplink.state
    (alarm,) = terminal.uplink.answered(platform.sign(awaiting.model_copy(update=lie)))
    assert Alarm.decode(alarm.payload).source == refusal
    assert terminal.uplink.counters[f"refused-{refusal}"] == 1
    assert terminal.uplink.state == before
    assert terminal.acknowledged == 0
    terminal.uplink.answered(platform.sign(awaiting))
    terminal.uplink.prepare()
    assert terminal.acknowledged == 10


def test_forged_and_garbled_answers_alarm_once_a_minute_and_move_nothing(
    terminal: Terminal, platform: MemoryPlatform, awaiting: Ack
) -> None:
    stranger = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
    genuine = platform.sign(awaiting)
    other_terminal = sign_answer(awaiting.model_copy(update={"terminal": "gate-8"}), platform.signer)
    dice = Seeded(1)
    forgeries = [sign_answer(awaiting, stranger), other_terminal, awaiting.encode(), b"", b"\xd2" * 400]
    for _ in range(100):
        garbled = bytearray(genuine)
        garbled[dice.randrange(len(garbled))] ^= 1 << dice.randrange(8)
        forgeries.append(bytes(garbled))
    alarms = [alarm for forged in forgeries for alarm in terminal.uplink.answered(forged)]
    assert len(alarms) == 1
    assert terminal.uplink.counters["refused-unverified"] == len(forgeries)
    assert terminal.acknowledged == 0
    terminal.clock.at_ms += 60_000
    (alarm,) = terminal.uplink.answered(b"")
    assert Alarm.decode(alarm.payload).count == len(forgeries)


def test_an_answer_signed_for_another_terminal_inside_is_foreign(
    terminal: Terminal, platform: MemoryPlatform, awaiting: Ack
) -> None:
    inside = awaiting.model_copy(update={"terminal": "gate-8"}).encode()
    topic = Address(TERMINAL).topic(Channel.ACK)
    terminal.uplink.answered(cose.sign1(inside, platform.signer, topic.encode()))
    assert terminal.uplink.counters["refused-foreign"] == 1
    assert terminal.acknowledged == 0


def test_a_late_answer_to_an_earlier_hello_is_ignored_and_an_old_one_alarms(
    terminal: Terminal, platform: MemoryPlatform, awaiting: Ack
) -> None:
    replayed = platform.sign(awaiting)
    for _ in range(4):
        terminal.uplink.connected()
        assert terminal.uplink.answered(replayed) == ()
    assert terminal.uplink.counters["late"] == 4
    terminal.uplink.connected()
    (alarm,) = terminal.uplink.answered(replayed)
    assert Alarm.decode(alarm.payload).source == "stale"
    assert terminal.acknowledged == 0


def test_duplicated_and_reordered_acknowledgements_change_nothing(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(30)
    chain = terminal.journal.head.chain_id
    answer_all(terminal, platform, terminal.uplink.connected())
    before = terminal.uplink.state
    for seq in (10, 31, 20, 31, 1):
        assert terminal.uplink.answered(platform.sign(platform.ack(chain, seq))) == ()
    assert terminal.uplink.state == before
    assert terminal.acknowledged == 31
    assert terminal.uplink.counters["duplicates"] == 5


def test_an_answer_after_the_link_is_down_moves_nothing(
    terminal: Terminal, platform: MemoryPlatform, awaiting: Ack
) -> None:
    terminal.uplink.disconnected()
    assert terminal.uplink.answered(platform.sign(awaiting)) == ()
    assert terminal.acknowledged == 0


def test_a_stalled_journal_is_tried_again_from_a_hello(
    terminal: Terminal, platform: MemoryPlatform, awaiting: Ack
) -> None:
    terminal.uplink.stalled()
    deadline_ms = terminal.uplink.state.deadline_ms
    assert deadline_ms is not None
    terminal.clock.at_ms = deadline_ms
    answer_all(terminal, platform, terminal.uplink.tick())
    assert terminal.acknowledged == 31


@pytest.mark.parametrize("fault", [Busy("占用", "busy"), Damaged("损坏", "damaged")])
def test_a_journal_that_cannot_be_read_when_the_link_comes_up_is_asked_again(
    terminal: Terminal, platform: MemoryPlatform, monkeypatch: pytest.MonkeyPatch, fault: StoreError
) -> None:
    terminal.append(30)
    with monkeypatch.context() as failing:
        failing.setattr(terminal.outbox, "position", lambda: (_ for _ in ()).throw(fault))
        with pytest.raises(type(fault)):
            terminal.uplink.connected()
        terminal.uplink.stalled()
    deadline_ms = terminal.uplink.state.deadline_ms
    assert deadline_ms is not None
    terminal.clock.at_ms = deadline_ms
    answer_all(terminal, platform, terminal.uplink.tick())
    assert terminal.acknowledged == 31


def test_damage_that_is_met_when_the_link_comes_up_is_rescued_and_sent(
    terminal: Terminal, platform: MemoryPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.append(30)
    with monkeypatch.context() as failing:
        failing.setattr(terminal.outbox, "position", lambda: (_ for _ in ()).throw(Damaged("损坏", "damaged")))
        with pytest.raises(Damaged):
            terminal.uplink.connected()
        terminal.uplink.stalled()
    answer_all(terminal, platform, terminal.uplink.begin_anew())
    assert terminal.acknowledged == terminal.journal.head.seq
    assert len(platform.chains) == 1


def test_a_journal_that_was_exchanged_is_greeted_at_once_whatever_was_waited_for(
    terminal: Terminal, platform: MemoryPlatform
) -> None:
    terminal.append(30)
    greet(terminal, platform)
    assert terminal.uplink.exchanged() == ()
    terminal.writer.rescue().result(0)
    answer_all(terminal, platform, terminal.uplink.exchanged())
    assert terminal.acknowledged == terminal.journal.head.seq


def test_batches_that_nobody_acknowledges_are_counted_until_one_is(
    terminal: Terminal, platform: MemoryPlatform
) -> None:
    terminal.append(30)
    published = terminal.uplink.connected()
    for in_vain in (0, 1, 2, 3):
        assert terminal.uplink.in_vain == in_vain
        (batch,) = terminal.uplink.answered(platform.hello(published[0].payload))
        assert batch.channel is Channel.JOURNAL
        terminal.clock.at_ms = terminal.uplink.state.deadline_ms or 0
        published = terminal.uplink.tick()
    answer_all(terminal, platform, published)
    assert terminal.uplink.in_vain == 0


def test_a_batch_is_bounded_in_bytes(tmp_path: Path, platform: MemoryPlatform) -> None:
    terminal = Terminal(tmp_path, platform.verify_key, UplinkSettings(batch_records=1000, batch_bytes=16 * 1024))
    terminal.append(300)
    answer_all(terminal, platform, terminal.uplink.connected())
    assert all(sum(map(len, batch.records)) <= 16 * 1024 for batch in platform.batches)
    assert len(platform.batches) > 2
    assert terminal.acknowledged == 301
    terminal.close()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_broker_does_the_platform_has_the_journal_in_the_end(
    tmp_path: Path, platform: MemoryPlatform, seed: int
) -> None:
    """Loss, duplication, reordering, replays, forgeries and restarts, seeded; then an honest hour."""
    dice = Seeded(seed)
    terminal = Terminal(tmp_path, platform.verify_key)
    seen: list[bytes] = []
    up: list[Publish] = list(terminal.uplink.connected())
    for _ in range(400):
        match dice.randrange(10):
            case 0:
                terminal.append(dice.randrange(1, 15))
                up.extend(terminal.uplink.wake())
            case 1:
                terminal.clock.at_ms += dice.randrange(60_000)
                up.extend(terminal.uplink.tick())
            case 2 if dice.random() < 0.3:
                terminal.restart()
                up.extend(terminal.uplink.connected())
            case 3 if seen:
                up.extend(terminal.uplink.answered(dice.choice(seen)))
            case 4:
                up.extend(terminal.uplink.answered(dice.randbytes(100)))
            case 5:
                terminal.uplink.prepare()
            case _ if up:
                item = up.pop(dice.randrange(len(up)))
                if item.channel is not Channel.ALARM and dice.random() < 0.8:
                    carry = platform.hello if item.channel is Channel.HELLO else platform.journal
                    seen.append(carry(item.payload))
                    if dice.random() < 0.8:
                        up.extend(terminal.uplink.answered(seen[-1]))
            case _:
                pass
        records = platform.chains.get(terminal.journal.head.chain_id, [])
        assert terminal.acknowledged <= len(records)
        assert records == stored(terminal)[: len(records)]
    answer_all(terminal, platform, terminal.uplink.connected())
    assert platform.chains[terminal.journal.head.chain_id] == stored(terminal)
    assert terminal.acknowledged == terminal.journal.head.seq
    terminal.close()
