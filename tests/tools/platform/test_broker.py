"""The private mosquitto: who may connect, and what each may do."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.sync.contract import Address, Channel
from tests.tools.platform.mqtt_client import MqttClient, context_of, wait_until
from tools.platform import broker as broker_module
from tools.platform.broker import Broker, Endpoint
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError

NOT_AUTHORISED = 0x87
NOBODY_LISTENS = 0x10


@pytest.fixture
def broker(authority: Authority, tmp_path: Path) -> Iterator[Broker]:
    started = Broker(tmp_path / "broker", authority)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def terminals(authority: Authority, tmp_path: Path) -> dict[str, ssl.SSLContext]:
    for name in ("gate-1", "gate-2"):
        authority.provision(name, tmp_path / name)
    return {name: context_of(tmp_path / name) for name in ("gate-1", "gate-2")}


def platform_client(broker: Broker, authority: Authority) -> MqttClient:
    context = ssl.create_default_context(cafile=authority.ca.certificate)
    context.load_cert_chain(authority.client.certificate, authority.client.key)
    return MqttClient(broker.endpoint, context)


def test_without_a_client_certificate_nobody_gets_in(broker: Broker, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.ca.certificate)
    with (
        socket.create_connection((broker.endpoint.host, broker.endpoint.port)) as bare,
        pytest.raises(ssl.SSLError),
        context.wrap_socket(bare, server_hostname="localhost") as link,
    ):
        link.recv(1)  # in TLS 1.3 the refusal comes with the first read


def test_a_certificate_of_another_authority_is_refused(broker: Broker, authority: Authority, tmp_path: Path) -> None:
    foreign = Authority.init(tmp_path / "foreign")
    context = ssl.create_default_context(cafile=authority.ca.certificate)
    context.load_cert_chain(foreign.client.certificate, foreign.client.key)
    with (
        socket.create_connection((broker.endpoint.host, broker.endpoint.port)) as bare,
        pytest.raises(ssl.SSLError),
        context.wrap_socket(bare, server_hostname="localhost") as link,
    ):
        link.recv(1)


def test_a_terminal_publishes_under_its_own_name_only(
    broker: Broker, authority: Authority, terminals: dict[str, ssl.SSLContext]
) -> None:
    own, other = (Address(name).topic(Channel.JOURNAL) for name in ("gate-1", "gate-2"))
    with platform_client(broker, authority) as platform, MqttClient(broker.endpoint, terminals["gate-1"]) as terminal:
        platform.subscribe("onecard/1/#")
        assert terminal.publish(other, b"forged").value == NOT_AUTHORISED
        assert terminal.publish(Address("gate-1").topic(Channel.ACK), b"forged").value == NOT_AUTHORISED
        assert not terminal.publish(own, b"true").is_failure
        assert platform.receive() == (own, b"true")


def test_a_terminal_reads_what_is_sent_to_itself_only(
    broker: Broker, authority: Authority, terminals: dict[str, ssl.SSLContext]
) -> None:
    own, other = (Address(name).topic(Channel.ACK) for name in ("gate-1", "gate-2"))
    with platform_client(broker, authority) as platform, MqttClient(broker.endpoint, terminals["gate-1"]) as terminal:
        terminal.subscribe("#")
        terminal.subscribe("onecard/1/+/+/down/#")
        terminal.subscribe(other)
        platform.publish(other, b"for gate-2")
        platform.publish(Address("gate-2").topic(Channel.JOURNAL), b"of gate-2")
        platform.publish(own, b"for gate-1")
        assert terminal.receive() == (own, b"for gate-1")


def test_a_terminal_cannot_take_over_anothers_session(broker: Broker, terminals: dict[str, ssl.SSLContext]) -> None:
    with MqttClient(broker.endpoint, terminals["gate-2"], "gate-2") as victim:
        with MqttClient(broker.endpoint, terminals["gate-1"], "gate-2") as thief:
            assert thief.publish(Address("gate-1").topic(Channel.STATE), b"").value == NOBODY_LISTENS
            assert victim.publish(Address("gate-2").topic(Channel.STATE), b"").value == NOBODY_LISTENS
        assert victim.is_connected()


def test_a_restart_keeps_the_port(broker: Broker) -> None:
    endpoint, first = broker.endpoint, broker.pid
    broker.kill()
    assert broker.pid is None
    broker.start()
    assert broker.endpoint == endpoint
    assert broker.pid not in {None, first}


def test_a_broker_that_died_is_revived_and_one_that_was_stopped_is_not(broker: Broker) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    wait_until(lambda: broker.pid is None, "mosquitto outlived SIGKILL")
    assert broker.revive()
    assert broker.pid is not None
    broker.stop()
    assert not broker.revive()


def test_the_broker_that_a_killed_platform_left_behind_is_replaced(
    broker: Broker, authority: Authority, tmp_path: Path
) -> None:
    successor = Broker(tmp_path / "broker", authority, broker.endpoint.port)
    successor.start()
    try:
        assert broker.pid is None
        assert successor.pid is not None
    finally:
        successor.stop()


def test_a_port_in_use_is_a_sentence(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PlatformError, match=f"Port {port} is in use"):
            Broker(tmp_path / "broker", authority, port).start()


@pytest.mark.parametrize(("language", "words"), [("en", "apt install mosquitto"), ("zh_CN.UTF-8", "请先安装")])
def test_a_missing_mosquitto_is_a_sentence(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, words: str
) -> None:
    monkeypatch.setenv("ONECARD_LANG", language)
    monkeypatch.setattr(broker_module, "_SEARCH_PATH", str(tmp_path))
    with pytest.raises(PlatformError, match=words):
        Broker(tmp_path / "broker", authority).start()


@pytest.mark.parametrize("url", ["localhost", "mqtt://localhost", "mqtts://", "mqtts://host:port", "mqtts://h/x"])
def test_a_broker_address_that_cannot_be_used_is_a_sentence(url: str) -> None:
    with pytest.raises(PlatformError):
        Endpoint.parse(url)


def test_a_broker_address_has_a_default_port_and_may_be_ipv6() -> None:
    assert Endpoint.parse("mqtts://city.example") == Endpoint("city.example", 8883)
    assert str(Endpoint.parse("mqtts://[::1]:1234")) == "mqtts://[::1]:1234"
