"""A flood from terminals fills no memory of a worker: what waits there is bounded, and none of what counts is lost."""

from __future__ import annotations

import getpass
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.cose import Es256Signer
from agent.sync.contract import Address, Alarm, Channel
from tests.tools.platform.chains import NOW_MS
from tests.tools.platform.mqtt_client import MqttClient, context_of, wait_until
from tools.platform.broker import Endpoint
from tools.platform.ca import Authority
from tools.platform.consumer import MAX_GROUP, MAX_WAITING, Consumer
from tools.platform.inbox import Inbox
from tools.platform.ingest import Ingest
from tools.platform.mosquitto import Place, write
from tools.platform.store import Store, sqlite_url

TERMINAL = "gate-1"
TOPIC = Address(TERMINAL).topic(Channel.ALARM)
DEADLINE_S = 20.0


@dataclass
class HeldClock:
    """The ingest asks for the time at each message: here it waits for it until the test lets it go on."""

    go: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> int:
        assert self.go.wait(DEADLINE_S)
        return NOW_MS


@dataclass(frozen=True)
class Site:
    """A worker before a mosquitto that hands over as much as it is allowed to, and what its terminal connects with."""

    consumer: Consumer
    clock: HeldClock
    store: Store
    terminal: MqttClient

    def waiting(self) -> list[int]:
        """The QoS of each message that waits in the worker."""
        return [item.qos for item, _ in list(self.consumer._inbox._items)]

    def heard(self, source: str) -> int:
        """How often it was told of."""
        with self.store.transaction() as transaction:
            return sum(row.times for row in transaction.alarms() if row.source == source)


def alarm(source: str, number: int = 0) -> bytes:
    return Alarm(code="tamper", at_ms=NOW_MS + number, source=source).encode()


@contextmanager
def greedy_broker(authority: Authority, directory: Path) -> Iterator[Endpoint]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    directory.mkdir(mode=0o700)
    place = Place(directory, directory, port, "127.0.0.1", getpass.getuser())
    write(authority, place)
    bounded = place.configuration.read_text()
    place.configuration.write_text(bounded.replace("max_inflight_messages 100", "max_inflight_messages 0"))
    assert place.configuration.read_text() != bounded
    process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(place.configuration)])

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, "mosquitto did not start")
        yield Endpoint("127.0.0.1", port)
    finally:
        process.kill()
        process.wait(DEADLINE_S)


@contextmanager
def site(tmp_path: Path, *, version_5: bool) -> Iterator[Site]:
    authority = Authority.init(tmp_path / "keys")
    authority.provision(TERMINAL, tmp_path / TERMINAL)
    with ExitStack() as stack:
        endpoint = stack.enter_context(greedy_broker(authority, tmp_path / "broker"))
        store = Store.open(sqlite_url(tmp_path / "platform.db"))
        stack.callback(store.close)
        clock = HeldClock()
        consumer = Consumer([endpoint], authority, Ingest(store, Es256Signer(authority.load_ack_key()), clock))
        consumer._is_v5 = version_5
        consumer.start()
        stack.callback(consumer.stop)
        stack.callback(clock.go.set)
        assert consumer.wait_until_ready(DEADLINE_S)
        terminal = stack.enter_context(MqttClient(endpoint, context_of(tmp_path / TERMINAL), TERMINAL))
        yield Site(consumer, clock, store, terminal)


def test_an_mqtt_5_broker_has_no_more_under_way_than_one_group(tmp_path: Path) -> None:
    flood = 3 * MAX_GROUP
    with site(tmp_path, version_5=True) as at:
        for number in range(flood):
            assert not at.terminal.publish(TOPIC, alarm("door", number)).is_failure
        at.terminal.mention(TOPIC, alarm("behind"))  # QoS 0 waits for nobody: what could come before it has come
        wait_until(lambda: 0 in at.waiting(), "the last message did not come")
        assert 0 < at.waiting().count(1) < MAX_GROUP  # and at least one in hand
        at.clock.go.set()
        wait_until(lambda: (at.heard("door"), at.heard("behind")) == (flood, 1), "not all were taken, once")


def test_a_3_1_1_broker_that_hands_over_more_is_read_no_further_and_nothing_is_lost(tmp_path: Path) -> None:
    flood = MAX_WAITING + 2 * MAX_GROUP
    with site(tmp_path, version_5=False) as at:
        for number in range(flood):
            assert not at.terminal.publish(TOPIC, alarm("door", number)).is_failure
        wait_until(lambda: len(at.waiting()) == MAX_WAITING, "less came than there is room for")
        at.clock.go.set()
        wait_until(lambda: at.heard("door") == flood, "not all were taken, once")


def test_a_flood_at_qos_0_keeps_out_nothing_that_counts(tmp_path: Path) -> None:
    with site(tmp_path, version_5=True) as at:
        for number in range(3 * MAX_WAITING):
            at.terminal.mention(TOPIC, alarm("noise", number))
        wait_until(lambda: len(at.waiting()) == MAX_WAITING, "less came than there is room for")
        assert not at.terminal.publish(TOPIC, alarm("door")).is_failure
        assert len(at.waiting()) == MAX_WAITING
        at.clock.go.set()
        wait_until(lambda: at.heard("door") == 1, "what was sent at QoS 1 is not stored")


def test_an_inbox_is_bounded_in_messages_and_in_bytes() -> None:
    inbox: Inbox[str] = Inbox(3, 100)
    assert inbox.put("a message larger than all", 1_000, waits=False)
    assert not inbox.put("b", 1, waits=False)
    assert inbox.take(9) == ["a message larger than all"]
    assert [inbox.put(name, 40, waits=False) for name in "abc"] == [True, True, False]
    assert inbox.take(1) == ["a"]
    assert [inbox.put(name, 30, waits=False) for name in "cd"] == [True, True]
    assert not inbox.put("e", 0, waits=False)
    assert inbox.take(2) == ["b", "c"]
    assert inbox.take(2) == ["d"]


@pytest.mark.parametrize("closed", [False, True], ids=["room", "closed"])
def test_who_waits_for_room_gets_it_or_hears_that_there_will_be_none(closed: bool) -> None:
    inbox: Inbox[str] = Inbox(1, 100)
    assert inbox.put("first", 1, waits=True)
    came: list[bool] = []
    bringing = threading.Thread(target=lambda: came.append(inbox.put("second", 1, waits=True)))
    bringing.start()
    if closed:
        inbox.close()
    else:
        assert inbox.take(1) == ["first"]
    bringing.join(DEADLINE_S)
    assert came == [not closed]
    assert inbox.take(1) == ["first" if closed else "second"]


def test_a_ring_ends_one_waiting_and_no_more() -> None:
    inbox: Inbox[str] = Inbox(1, 100)
    inbox.ring()
    assert inbox.take(1) == []
    assert inbox.take(1, timeout_s=0.0) == []
    inbox.put("first", 1, waits=True)
    assert inbox.take(1) == ["first"]
