"""The broker where boxes enrol: what somebody without a certificate reaches there, and whom a box believes to be it."""

from __future__ import annotations

import asyncio
import gc
import queue
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.clock import SystemRandom
from agent.cose import Es256Signer
from agent.enrolment import code as enrol_code
from agent.enrolment.errors import EnrolError, EnrolFault
from agent.enrolment.exchange import CONNECT_TRIES, exchange
from agent.enrolment.journey import Journey, Pending
from agent.sync.bootstrap import Bootstrap
from agent.sync.contract import Address, Channel
from agent.sync.contract.enrol import EnrolGranted, EnrolRefused, asked_hash, enrol_request, sign_enrol_answer
from agent.sync.contract.topics import enrol_down, enrol_up
from tests.faults.proxy import Proxy, served
from tests.tools.platform.enrolling import BROKERS, HOUR_MS, Registry
from tests.tools.platform.mqtt_client import MqttClient
from tools.platform import enrolments
from tools.platform.broker import Broker
from tools.platform.ca import REGISTRAR, Authority
from tools.platform.enrol_codes import Wanted, new_row, text_of
from tools.platform.ingest import Reply
from tools.platform.registrar import ENROLLING, Registrar
from tools.platform.store import Store, sqlite_url

NOT_AUTHORISED = 0x87
MINE, ANOTHERS = "0" * 16, "1" * 16


@pytest.fixture
def broker(authority: Authority, tmp_path: Path) -> Iterator[Broker]:
    started = Broker(tmp_path / "broker", authority, enrols=True)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def registry(authority: Authority, tmp_path: Path) -> Iterator[Registry]:
    store = Store.open(sqlite_url(tmp_path / "platform.db"))
    yield Registry(store, authority)
    store.close()


def stranger(broker: Broker, authority: Authority, enrol_id: str) -> MqttClient:
    """Somebody without a certificate, who says which code he has."""
    context = ssl.create_default_context(cafile=authority.ca.certificate)
    return MqttClient(broker.endpoint, context, username=enrol_id)


def registrar_client(broker: Broker, authority: Authority) -> MqttClient:
    pair = authority.worker(REGISTRAR)
    context = ssl.create_default_context(cafile=authority.ca.certificate)
    context.load_cert_chain(pair.certificate, pair.key)
    return MqttClient(broker.inner, context)


def test_a_code_reaches_its_own_two_topics_and_nothing_else(broker: Broker, authority: Authority) -> None:
    with registrar_client(broker, authority) as platform, stranger(broker, authority, MINE) as box:
        platform.subscribe("onecard/1/enrol/+/up")
        box.subscribe("#")
        for topic in (enrol_up(ANOTHERS), enrol_down(MINE), Address("gate-1").topic(Channel.JOURNAL), "onecard/1/x"):
            assert box.publish(topic, b"forged").value == NOT_AUTHORISED
        assert not box.publish(enrol_up(MINE), b"asked").is_failure
        assert platform.receive() == (enrol_up(MINE), b"asked")
        for enrol_id in (ANOTHERS, MINE):
            platform.publish(enrol_down(enrol_id), enrol_id.encode())
        platform.publish("onecard/1/bundle/trust/manifest", b"offer")
        assert box.receive() == (enrol_down(MINE), MINE.encode())
        with pytest.raises(queue.Empty):
            box.got.get_nowait()


def test_without_a_name_nothing_is_reached_at_all(broker: Broker, authority: Authority) -> None:
    with stranger(broker, authority, "") as box:
        assert box.publish(enrol_up(MINE), b"asked").value == NOT_AUTHORISED


def test_the_platforms_way_in_wants_its_certificate(broker: Broker, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.ca.certificate)
    with (
        socket.create_connection((broker.inner.host, broker.inner.port)) as bare,
        pytest.raises(ssl.SSLError),
        context.wrap_socket(bare, server_hostname="127.0.0.1") as link,
    ):
        link.recv(1)  # in TLS 1.3 the refusal comes with the first read


@dataclass
class HostileDesk:
    """A broker in the wrong hands: before each true answer it gives what it could make, keep or take from others."""

    registry: Registry
    lies: list[Reply]
    told: int = 0

    def take(self, topic: str, payload: bytes) -> Reply | None:
        """One lie a question, and the truth when there are no more."""
        if self.told < len(self.lies):
            self.told += 1
            return self.lies[self.told - 1]
        return self.registry.desk.take(topic, payload)


def pending_at(
    registry: Registry, broker: Broker, directory: Path, terminal: str = "gate-7"
) -> tuple[Journey, Pending]:
    row = new_row(
        Wanted(terminal, None, None, None, HOUR_MS, confirms=False, replaces=False, closes=False),
        BROKERS,
        registry.now_ms,
    )
    with registry.store.transaction() as transaction:
        enrolments.add(transaction, row)
    text = text_of(row, registry.authority, broker.endpoint)
    journey = Journey(directory)
    return journey, journey.begin(text, enrol_code.read(text), SystemRandom())


def serving(registry: Registry, broker: Broker, lies: list[Reply]) -> Registrar:
    desk = HostileDesk(registry, lies)
    return Registrar((broker.inner,), registry.authority, desk, ENROLLING)  # type: ignore[arg-type]


def test_forged_replayed_and_foreign_answers_change_nothing(registry: Registry, broker: Broker, tmp_path: Path) -> None:
    journey, pending = pending_at(registry, broker, tmp_path / "box")
    _, other = pending_at(registry, broker, tmp_path / "other", "gate-8")
    topic, attacker = enrol_down(pending.code.id), Authority.init(tmp_path / "attacker")
    to_other = registry.desk.take(enrol_up(other.code.id), _request(other))
    forger = Registry(registry.store, attacker)
    bound: Any = {"id": pending.code.id, "issued_ms": 1}
    stale = EnrolRefused(**bound, asked=asked_hash(b"what was asked before"), code="used")
    mine = EnrolGranted(**bound, asked=asked_hash(pending.asked.encode()), sealed=b"x")
    assert to_other is not None
    lies = [
        Reply(topic, b""),
        Reply(topic, b"x" * 60_000),
        Reply(topic, to_other.payload),
        Reply(topic, _signed(mine, forger)),
        Reply(topic, _signed(stale, registry)),
    ]
    registrar = serving(registry, broker, lies)
    registrar.start()
    try:
        granted = exchange(pending.code, pending.asked, 60, lambda: None)
    finally:
        registrar.stop()
    assert journey.open(pending, granted).terminal == "gate-7"


def test_a_refusal_of_the_platform_itself_counts(registry: Registry, broker: Broker, tmp_path: Path) -> None:
    _, pending = pending_at(registry, broker, tmp_path / "box")
    registry.now_ms += 2 * HOUR_MS
    registrar = serving(registry, broker, [])
    registrar.start()
    try:
        with pytest.raises(EnrolError) as caught:
            exchange(pending.code, pending.asked, 60, lambda: None)
    finally:
        registrar.stop()
    assert caught.value.fault is EnrolFault.EXPIRED


def test_a_box_speaks_to_nobody_but_the_broker_of_its_code(
    registry: Registry, authority: Authority, tmp_path: Path
) -> None:
    impostor = Broker(tmp_path / "impostor", Authority.init(tmp_path / "attacker"), enrols=True)
    impostor.start()
    try:
        _, pending = pending_at(registry, impostor, tmp_path / "box")
        with pytest.raises(EnrolError) as caught:
            exchange(pending.code, pending.asked, 60, lambda: None)
    finally:
        impostor.stop()
    assert caught.value.fault is EnrolFault.IMPOSTOR
    assert authority.given("gate-7") == []
    with pytest.raises(EnrolError) as caught:
        exchange(pending.code, pending.asked, 60, lambda: None)
    assert caught.value.fault is EnrolFault.UNREACHABLE


class Breaking(Proxy):
    """Ends the first ``broken`` connections in the middle of their handshakes."""

    def __init__(self, target: int, broken: int) -> None:
        super().__init__(target)
        self._broken = broken

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.taken > self._broken:
            await super()._serve(reader, writer)
        else:
            await reader.read(65_536)
            writer.close()


async def test_a_handshake_that_is_broken_off_is_tried_again_a_few_times(
    registry: Registry, broker: Broker, tmp_path: Path
) -> None:
    journey, pending = pending_at(registry, broker, tmp_path / "box")
    registrar = serving(registry, broker, [])
    registrar.start()

    async def asked_through(proxy: Proxy) -> EnrolGranted:
        async with served(proxy):
            code = pending.code.model_copy(update={"port": proxy.port})
            return await asyncio.to_thread(exchange, code, pending.asked, 60, lambda: None)

    try:
        granted = await asked_through(Breaking(broker.endpoint.port, CONNECT_TRIES - 1))
        never = Breaking(broker.endpoint.port, 1_000)
        with pytest.raises(EnrolError) as caught:
            await asked_through(never)
    finally:
        await asyncio.to_thread(registrar.stop)
    assert journey.open(pending, granted).terminal == "gate-7"
    assert (caught.value.fault, never.taken) == (EnrolFault.UNREACHABLE, CONNECT_TRIES)


def test_a_line_that_ended_leaves_no_socket_open(registry: Registry, broker: Broker, tmp_path: Path) -> None:
    _, pending = pending_at(registry, broker, tmp_path / "box")
    gc.disable()
    try:
        before = len(list(Path("/proc/self/fd").iterdir()))
        with Bootstrap(pending.code):
            pass
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    finally:
        gc.enable()


def test_who_waits_for_nobody_gives_up_and_says_why(registry: Registry, broker: Broker, tmp_path: Path) -> None:
    _, pending = pending_at(registry, broker, tmp_path / "box")
    with pytest.raises(EnrolError) as caught:
        exchange(pending.code, pending.asked, 0.5, lambda: None)
    assert caught.value.fault is EnrolFault.SILENT
    registry.change(pending.code.id, confirms=True)
    registrar = serving(registry, broker, [])
    registrar.start()
    told: list[str] = []
    try:
        with pytest.raises(EnrolError) as caught:
            exchange(pending.code, pending.asked, 1.5, lambda: told.append("waits"))
    finally:
        registrar.stop()
    assert caught.value.fault is EnrolFault.UNCONFIRMED
    assert told == ["waits"]


def _request(pending: Pending) -> bytes:
    return enrol_request(pending.asked, pending.code.secret)


def _signed(answer: EnrolGranted | EnrolRefused, registry: Registry) -> bytes:
    return sign_enrol_answer(answer, Es256Signer(registry.authority.load_ack_key()))
