"""The whole way on real parts: a terminal's journal, its uplink, mosquitto, the platform and its database."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from agent.keys import FileKeyStore, Role
from agent.sync.contract import Ack, Address, Channel, open_answer
from tests.tools.platform.chains import batch, hello, make_chain
from tests.tools.platform.mqtt_client import MqttClient, context_of, wait_until
from tests.tools.platform.terminals import PATIENCE_S, TERMINAL, drained, terminal, until
from tools.platform import service
from tools.platform.broker import Broker, Endpoint
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError
from tools.platform.service import Layout, Platform, Settings
from tools.platform.store import Store


def committed(store: Store) -> list[bytes]:
    with store.transaction() as transaction:
        return [row.body for chain in transaction.chains() for row in transaction.records(chain.chain_id)]


def alarm_codes(store: Store) -> set[str]:
    with store.transaction() as transaction:
        return {row.code for row in transaction.alarms()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_thousand_records_are_drained_and_equal_the_journal(platform: Platform, tmp_path: Path) -> None:
    async with terminal(tmp_path, platform.authority, platform.endpoint, 1000) as outbox:
        await until(lambda: drained(outbox))
        assert outbox.position().head_seq == 1001
        assert committed(platform.store) == outbox.batch(0, 2000, 10_000_000)
        with platform.store.transaction() as transaction:
            (row,) = transaction.terminals()
        assert (row.terminal, row.presence, row.seq, row.alarms) == (TERMINAL, "online", 1001, 0)


async def test_nobodys_messages_wait_in_the_kernel_for_more_of_them(platform: Platform, tmp_path: Path) -> None:
    """TCP_NODELAY on every connection to the broker: the terminal's, and those of each part of the platform."""
    async with terminal(tmp_path, platform.authority, platform.endpoint, 0) as outbox:
        await until(lambda: drained(outbox))
        await until(lambda: len([*connections_to(platform.endpoint.port)]) == 4)
        for connection in connections_to(platform.endpoint.port):
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def connections_to(port: int) -> Iterator[socket.socket]:
    """Every TCP connection of this process to that port."""
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # gone, as the one that listed them, or not connected
            if path.is_socket():
                with socket.socket(fileno=os.dup(int(path.name))) as connection:
                    if connection.family == socket.AF_INET and connection.getpeername()[1] == port:
                        yield connection


async def test_a_terminal_that_stops_says_so(platform: Platform, tmp_path: Path) -> None:
    def presence() -> str | None:
        with platform.store.transaction() as transaction:
            return next((str(row.presence) for row in transaction.terminals()), None)

    async with terminal(tmp_path, platform.authority, platform.endpoint, 0):
        await until(lambda: presence() == "online")
    await until(lambda: presence() == "stopped")


async def test_records_survive_a_broker_that_is_killed_and_forgets_its_sessions(
    platform: Platform, tmp_path: Path
) -> None:
    assert platform.broker is not None
    async with terminal(tmp_path, platform.authority, platform.endpoint, 1000) as outbox:
        await until(lambda: outbox.position().acked_seq > 0)
        platform.broker.kill()
        (tmp_path / "platform/broker/mosquitto.db").unlink(missing_ok=True)
        await asyncio.to_thread(platform.broker.start)
        await until(lambda: drained(outbox))
        assert committed(platform.store) == outbox.batch(0, 2000, 10_000_000)


async def test_a_broker_that_dies_is_started_again(platform: Platform, tmp_path: Path) -> None:
    assert platform.broker is not None
    first = platform.broker.pid
    assert first is not None
    async with terminal(tmp_path, platform.authority, platform.endpoint, 50) as outbox:
        os.kill(first, signal.SIGKILL)
        await until(lambda: drained(outbox))
    assert platform.broker.pid not in {None, first}


async def test_a_platform_killed_between_commit_and_answer_acknowledges_after_its_restart_without_a_duplicate(
    tmp_path: Path,
) -> None:
    directory, port = tmp_path / "platform", free_port()
    authority = Authority.init(Layout(directory).keys)
    command = [sys.executable, "-m", "tests.tools.platform.dying_platform", str(directory), str(port)]
    doomed = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[3])
    try:
        async with terminal(tmp_path, authority, Endpoint("localhost", port), 500) as outbox:
            assert await asyncio.wait_for(doomed.wait(), PATIENCE_S) == -signal.SIGKILL
            reader = Store.open_for_reading(Layout(directory).database_url)
            assert len(committed(reader)) == 100
            reader.close()
            assert outbox.position().acked_seq == 0
            platform = await asyncio.to_thread(Platform.start, directory, Settings(port=port))
            with platform:
                await until(lambda: drained(outbox))
                assert committed(platform.store) == outbox.batch(0, 2000, 10_000_000)
                assert alarm_codes(platform.store) == set()
    finally:
        if doomed.returncode is None:
            doomed.kill()
            await doomed.wait()


async def test_while_the_database_fails_nothing_is_acknowledged_and_afterwards_nothing_is_missing(
    platform: Platform, tmp_path: Path
) -> None:
    def rename(old: str, new: str) -> None:
        with closing(sqlite3.connect(tmp_path / "platform/platform.db")) as technician:
            technician.execute(f"ALTER TABLE {old} RENAME TO {new}")

    rename("chain", "hidden")
    async with terminal(tmp_path, platform.authority, platform.endpoint, 200) as outbox:
        await until(lambda: not platform.wait_until_ready(0))
        assert outbox.position().acked_seq == 0
        rename("hidden", "chain")
        await until(lambda: drained(outbox))
        assert committed(platform.store) == outbox.batch(0, 2000, 10_000_000)


def test_an_answer_over_the_broker_is_signed_by_the_key_that_the_terminal_was_given(
    platform: Platform, tmp_path: Path
) -> None:
    platform.authority.provision(TERMINAL, tmp_path / TERMINAL)
    keys = FileKeyStore(tmp_path / TERMINAL).platform_keys(Role.ACKNOWLEDGEMENT)
    records = make_chain(3)
    address = Address(TERMINAL)
    with MqttClient(platform.endpoint, context_of(tmp_path / TERMINAL)) as client:
        client.subscribe(address.topic(Channel.ACK))
        client.publish(address.topic(Channel.HELLO), hello(records))
        client.receive()
        client.publish(address.topic(Channel.JOURNAL), batch(records, 1, 3))
        topic, payload = client.receive()
    answer = open_answer(payload, keys, TERMINAL)
    assert topic == address.topic(Channel.ACK)
    assert isinstance(answer, Ack)
    assert (answer.seq, answer.hash, answer.terminal) == (3, records[-1].hash, TERMINAL)


def test_hostile_payloads_over_the_broker_are_counted_and_the_platform_works_on(
    platform: Platform, tmp_path: Path
) -> None:
    platform.authority.provision(TERMINAL, tmp_path / TERMINAL)
    address, records = Address(TERMINAL), make_chain(2)
    with MqttClient(platform.endpoint, context_of(tmp_path / TERMINAL)) as client:
        client.subscribe(address.topic(Channel.ACK))
        for channel in (Channel.HELLO, Channel.JOURNAL, Channel.STATE, Channel.ALARM):
            client.publish(address.topic(channel), b"\xa1" * 1000)
        client.publish(f"onecard/1/zz/{TERMINAL}/up/journal", b"")
        client.publish(address.topic(Channel.HELLO), hello(records))
        client.receive()
    wait_until(lambda: alarm_codes(platform.store) == {"malformed"}, "no alarm was counted")


def test_a_second_platform_on_the_same_directory_is_refused(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    with pytest.raises(PlatformError, match="running already"):
        Platform.start(tmp_path / "platform")
    assert platform.wait_until_ready(0)


def test_a_broker_that_is_there_already_is_used(tmp_path: Path) -> None:
    authority = Authority.init(Layout(tmp_path / "platform").keys)
    broker = Broker(tmp_path / "broker", authority)
    broker.start()
    try:
        with Platform.start(tmp_path / "platform", Settings(broker=str(broker.endpoint))) as platform:
            assert platform.broker is None
            assert platform.endpoint == broker.endpoint
    finally:
        broker.stop()


def test_a_broker_that_does_not_answer_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    monkeypatch.setattr(service, "_READY_TIMEOUT_S", 0.2)
    with pytest.raises(PlatformError, match="Cannot work with the broker"):
        Platform.start(tmp_path / "platform", Settings(broker=f"mqtts://localhost:{free_port()}"))


@pytest.mark.parametrize("wrong", [{"broker": "tcp://nowhere"}, {"enrol_port": 0, "enrol_broker": "mqtts://:x"}])
def test_an_address_that_is_none_is_said_before_anything_is_begun(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(PlatformError, match="mqtts://"):
        Platform.start(tmp_path / "platform", Settings(**wrong))  # type: ignore[arg-type]
    assert not (tmp_path / "platform").exists()
