"""The clustered broker: a RabbitMQ of three nodes with quorum queues, and a node killed under load."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.sync.contract import MAX_BATCH_BYTES, Address, Channel
from agent.sync.link import LinkPhase
from tests.faults import ROUNDS, SHORT_ROUNDS
from tests.faults.rabbit import NODES, PORT, Cluster, address, release, running_cluster
from tests.faults.test_line import is_whole
from tests.tools.platform.mqtt_client import PATIENCE_S, MqttClient, context_of
from tests.tools.platform.terminals import Running, drained, running_terminal, until
from tools.platform.broker import Endpoint
from tools.platform.ca import Authority, worker_name
from tools.platform.commands import platform as command
from tools.platform.rabbitmq import definitions
from tools.platform.revocation import revoke
from tools.platform.service import Layout, Platform, Settings
from tools.platform.tls import context_of as worker_context

TERMINALS = ("gate-1", "gate-2", "gate-3")
PASSAGES = 500
WORKER = 7
"""One of the platform's, which reads everything, and which no test runs."""
FALLBACKS = [{"host": address(node), "port": PORT} for node in NODES[1:]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rabbit")


@pytest.fixture(scope="module")
def cluster(directory: Path) -> Iterator[Cluster]:
    authority = Authority.init(Layout(directory / "platform").keys, [address(node) for node in NODES])
    for terminal in TERMINALS:
        authority.provision(terminal, directory / terminal)
    with running_cluster(directory / "cluster", authority, TERMINALS) as running:
        yield running


@pytest.fixture
def platform(cluster: Cluster, directory: Path, tmp_path: Path) -> Iterator[Platform]:
    """On a database of its own for each test, at the nodes in their order."""
    assert cluster.terminals
    brokers = ",".join(f"mqtts://{address(node)}:{PORT}" for node in NODES)
    settings = Settings(broker=brokers, database=f"sqlite:///{tmp_path / 'platform.db'}")
    with Platform.start(directory / "platform", settings) as running:
        yield running


async def test_the_journal_equals_what_the_platform_has_and_sessions_are_quorum_queues(
    cluster: Cluster, platform: Platform, tmp_path: Path
) -> None:
    async with running_terminal(
        tmp_path, platform.authority, Endpoint(address(1), PORT), PASSAGES, fallbacks=FALLBACKS
    ) as terminal:
        await until(lambda: drained(terminal.outbox))
        assert terminal.sync.status.link.protocol == ("5" if release() >= (3, 13) else "3.1.1")
        assert is_whole(platform, terminal)
        listed = await asyncio.to_thread(cluster.control, 2, "list_queues", "name", "type", "--formatter", "json")
    sessions = {row["name"]: row["type"] for row in json.loads(listed)}
    kept = {name: sessions[f"mqtt-subscription-{name}qos1"] for name in ("gate-1", "platform")}
    assert all("quorum" in kind for kind in kept.values()), kept


async def test_a_node_that_is_killed_under_load_costs_nothing_and_doubles_nothing(
    cluster: Cluster, platform: Platform, tmp_path: Path
) -> None:
    async with running_terminal(
        tmp_path, platform.authority, Endpoint(address(1), PORT), 0, fallbacks=FALLBACKS, keepalive_s=5
    ) as terminal:
        await until(lambda: drained(terminal.outbox))
        for victim in [1] if ROUNDS <= SHORT_ROUNDS else [1, 2, 3] * (ROUNDS // 20):
            deciding = asyncio.create_task(asyncio.to_thread(decide_all_the_while, terminal))
            await asyncio.to_thread(cluster.kill, victim)
            await deciding
            async with asyncio.timeout(120):
                while not drained(terminal.outbox):  # noqa: ASYNC110 - the condition is in a database
                    await asyncio.sleep(0.1)
            assert terminal.sync.status.link.phase is LinkPhase.UP
            assert is_whole(platform, terminal)
            await asyncio.to_thread(cluster.start, victim)


def decide_all_the_while(terminal: Running) -> None:
    for _ in range(40):
        terminal.decide(25)


def test_a_certificate_opens_no_other_terminals_session(cluster: Cluster, directory: Path) -> None:
    endpoint = Endpoint(address(3), PORT)
    topic = Address("gate-2").topic(Channel.ACK)
    with MqttClient(endpoint, context_of(directory / "gate-1"), "gate-2", version_5=False) as thief:
        assert not thief.may_subscribe(topic)
    with MqttClient(endpoint, context_of(directory / "gate-2"), "gate-2", version_5=False) as owner:
        assert owner.may_subscribe(topic)
    assert cluster.terminals


async def test_a_thief_under_a_terminals_client_id_interrupts_it_and_takes_nothing_of_its_session(
    cluster: Cluster, platform: Platform, directory: Path, tmp_path: Path
) -> None:
    endpoint = Endpoint(address(3), PORT)
    async with running_terminal(tmp_path, platform.authority, endpoint, PASSAGES) as terminal:
        await until(lambda: drained(terminal.outbox))
        await asyncio.to_thread(knock, endpoint, directory / "gate-2", "gate-1")
        queues = await asyncio.to_thread(cluster.control, 1, "list_queues", "name")
        assert "mqtt-subscription-gate-1qos1" in queues.split()
        terminal.decide(25)
        await until(lambda: drained(terminal.outbox))
        assert terminal.sync.status.link.phase is LinkPhase.UP
        assert is_whole(platform, terminal)


def knock(endpoint: Endpoint, keys: Path, client_id: str) -> None:
    """Ask for a clean session, which would delete the owner's."""
    with MqttClient(endpoint, context_of(keys), client_id, version_5=False) as thief:
        assert not thief.may_subscribe(Address(client_id).topic(Channel.ACK))


def test_a_terminal_writes_its_own_topics_and_no_others(cluster: Cluster, directory: Path) -> None:
    endpoint = Endpoint(address(3), PORT)
    for topic, allowed in (
        (Address("gate-1").topic(Channel.ALARM), True),
        (Address("gate-2").topic(Channel.ALARM), False),
        (Address("gate-1").topic(Channel.ACK), False),
        ("onecard/1/bundle/trust/manifest", False),
    ):
        with MqttClient(endpoint, context_of(directory / "gate-1"), "gate-1", version_5=False) as gate:
            assert gate.may_publish(topic) is allowed, topic
    assert cluster.terminals


def test_the_largest_batch_passes_and_a_message_of_more_than_twice_its_size_does_not(
    cluster: Cluster, directory: Path
) -> None:
    topic = Address("gate-1").topic(Channel.ALARM)
    endpoint, gate = Endpoint(address(3), PORT), context_of(directory / "gate-1")
    platform = worker_context(cluster.authority, WORKER)
    with MqttClient(endpoint, platform, worker_name(WORKER), version_5=False) as reader:
        reader.subscribe(topic)
        for size in (2 * MAX_BATCH_BYTES + 1, MAX_BATCH_BYTES):
            with MqttClient(endpoint, gate, "gate-1", version_5=False) as terminal:
                terminal.mention(topic, bytes(size))
        assert len(reader.receive()[1]) == MAX_BATCH_BYTES


def test_a_revoked_certificate_is_refused_by_every_node_and_the_others_are_not(
    cluster: Cluster, directory: Path
) -> None:
    stolen, sound = context_of(directory / "gate-3"), context_of(directory / "gate-2")
    assert connects(1, stolen, "gate-3")
    revoke(cluster.authority, "gate-3")
    cluster.tell_revoked()
    for node in NODES:
        deadline_s = time.monotonic() + PATIENCE_S
        while connects(node, stolen, "gate-3"):
            assert time.monotonic() < deadline_s, f"node {node} lets it in"
        assert connects(node, sound, "gate-2")


def connects(node: int, context: ssl.SSLContext, client_id: str) -> bool:
    """Whether a node takes a CONNECT of MQTT 3.1.1: under TLS 1.3 it judges the certificate after the handshake."""
    body = b"\x00\x04MQTT\x04\x02\x00\x0a" + len(client_id).to_bytes(2, "big") + client_id.encode()
    try:
        with (
            socket.create_connection((address(node), PORT), PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname=address(node)) as link,
        ):
            link.sendall(bytes([0x10, len(body)]) + body)
            return link.recv(4) == b"\x20\x02\x00\x00"
    except OSError:
        return False


def test_the_shipped_rights_name_every_terminal_and_no_password(directory: Path, cluster: Cluster) -> None:
    target = directory / "shipped"
    done = CliRunner().invoke(command, ["rabbitmq", str(target), "--dir", str(directory / "platform")])
    assert done.exit_code == 0, done.output
    shipped = json.loads((target / "definitions.json").read_text())
    assert {"gate-1", "gate-2", "platform", "platform.1"} <= {user["name"] for user in shipped["users"]}
    again = json.loads(definitions(TERMINALS))
    assert {user["password_hash"] for user in again["users"]}.isdisjoint(
        user["password_hash"] for user in shipped["users"]
    )
    assert "durable_queue_type = quorum" in (target / "rabbitmq.conf").read_text()
    assert f'{{dir, "{target}/revoked"}}' in (target / "advanced.config").read_text()
    cluster.control(1, "import_definitions", str(target / "definitions.json"))
