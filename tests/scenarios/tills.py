"""A till as its users have it, and a platform whose replies a test can hold back and forge."""

from __future__ import annotations

import itertools
import os
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from agent.bundles.incoming import Incoming
from agent.config import load
from agent.cose import Es256Signer
from drivers.virtual.bench import Press, Scan
from offline_store.outbox import Outbox
from offline_store.record import Record
from tests.scenarios.site import DEADLINE_S, Site, started
from tests.tools.platform.mqtt_client import MqttClient
from tests.tools.platform.terminals import register
from tests.tools.platform.verdicts import verdict_of
from tools.cli.bench_process import running_devices
from tools.cli.presets import preset_text
from tools.platform.broker import Broker, Endpoint
from tools.platform.ca import Authority
from tools.platform.consumer import Consumer, Share
from tools.platform.evidence import Verdict
from tools.platform.holds import Holds
from tools.platform.ingest import Ingest, Message, Reply
from tools.platform.intents import Intent, State, intents
from tools.platform.ledger import Owner, accounts, enter
from tools.platform.service import _now_ms, ingest_of
from tools.platform.store import Store, sqlite_url

CARD = "gen3-chen"
_numbers = itertools.count()


class Valve(Ingest):
    """The platform's own ingest; while it is shut, replies to questions are kept back."""

    def __init__(self, behind: Ingest) -> None:
        self.__dict__ |= behind.__dict__
        self.shut = False
        self.kept: list[Reply] = []
        self.questions: list[bytes] = []
        self._changed = threading.Condition()

    def handle_all(self, messages: Sequence[Message]) -> list[Reply | None]:
        return [
            self._pass(message, reply) for message, reply in zip(messages, super().handle_all(messages), strict=True)
        ]

    def _pass(self, message: Message, reply: Reply | None) -> Reply | None:
        if reply is None or not reply.topic.endswith("/down/answer"):
            return reply
        with self._changed:
            self.questions.append(message.payload)
            self.kept.append(reply)
            self._changed.notify_all()
        return None if self.shut else reply

    def wait_for_questions(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.kept) >= count, DEADLINE_S), "no question came"


class City:
    """Broker, platform and database, each the real one."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority.init(directory / "keys")
        self.broker = Broker(directory / "broker", self.authority)
        self.broker.start()
        self._url = sqlite_url(directory / "platform.db")
        self.store = Store.open(self._url)
        self.valve = Valve(ingest_of(self.store, self.authority))
        self.signer = Es256Signer(self.authority.load_ack_key())
        self._consumer = Consumer((self.broker.endpoint,), self.authority, self.valve, Share())
        self._consumer.start()
        assert self._consumer.wait_until_ready(DEADLINE_S)

    @property
    def endpoint(self) -> Endpoint:
        return self.broker.endpoint

    def close(self) -> None:
        self._consumer.stop()
        self.broker.stop()
        self.store.close()

    def publish(self, topic: str, *payloads: bytes) -> None:
        """Say something in the platform's place, as whoever owns the broker can."""
        pair = self.authority.worker(1)
        context = ssl.create_default_context(cafile=self.authority.ca.certificate)
        context.load_cert_chain(pair.certificate, pair.key)
        with MqttClient(self.endpoint, context) as client:
            for payload in payloads:
                client.publish(topic, payload)

    def pay_in(self, owner: Owner, amount_fen: int) -> None:
        with self.store.transaction() as transaction:
            enter(transaction, owner, amount_fen, _now_ms())

    def balance(self, owner: Owner) -> int:
        with self.store.transaction() as transaction:
            balances = {(row.namespace, row.subject): int(row.balance_fen) for row in accounts(transaction)}
        return balances[owner]

    def intents(self) -> dict[bytes, Intent]:
        with self.store.transaction() as transaction:
            return {each.intent_id: each for each in intents(transaction, _now_ms())}

    def capture_contested(self) -> None:
        """Somebody has looked at what the platform would not capture by itself, and it was paid."""
        with self.store.transaction() as transaction:
            for each in intents(transaction, _now_ms()):
                if each.state is State.CONTESTED:
                    Holds(transaction, each.terminal, _now_ms()).decide(each.intent_id, capture=True)

    def verdict(self, record_id: bytes) -> Verdict | None:
        with self.store.transaction() as transaction:
            return verdict_of(transaction, record_id)

    def alarms(self) -> dict[str, str | None]:
        with self.store.transaction() as transaction:
            return {row.code: row.source for row in transaction.alarms()}


class TillSite(Site):
    """One till."""

    def present(self, yuan: str, card: str = CARD) -> None:
        """The cashier types, the citizen presents."""
        self.devices.ask(Press(amount=yuan))
        self.expect("show", en=f"Please pay {yuan} yuan")
        self.insert(card)
        self.expect("asked")

    def show_code(self, text: str) -> None:
        self.devices.ask(Scan(do="show", text=text))

    def install(self, name: str, bundle: bytes) -> None:
        """Bring a signed bundle on a stick, and wait until it is in force."""
        file = self.config.with_name(name)
        file.write_bytes(bundle)
        Incoming(self.state_dir).drop(file, name)
        self.expect("bundle installed")

    def money(self) -> list[Record]:
        """The records that move money."""
        outbox = Outbox.open(self.state_dir)
        try:
            records = [Record.from_bytes(body) for body in outbox.batch(0, 100_000, 10**8)]
        finally:
            outbox.close()
        return [record for record in records if record.entry.money is not None]

    def kinds(self) -> list[tuple[str, str | None]]:
        return [(record.entry.kind, record.entry.reason) for record in self.money()]


@contextmanager
def city(directory: Path) -> Iterator[City]:
    """A platform of the test's own."""
    running = City(directory / "city")
    try:
        yield running
    finally:
        running.close()


@contextmanager
def till(
    directory: Path, authority: Authority, endpoint: Endpoint, preset: str = "till", **settings: Any
) -> Iterator[TillSite]:
    """A preset with a till, enrolled, running and connected."""
    document = yaml.safe_load(preset_text(preset))
    (lane,) = document["lanes"].values()
    terminal = f"till-{os.getpid()}-{next(_numbers)}"
    state_dir = directory / "state"
    document["terminal"] |= {"id": terminal, "state_dir": str(state_dir)}
    document["platform"] = {"host": "localhost", "port": endpoint.port, "backoff_first_ms": 50, "backoff_cap_ms": 200}
    lane["settings"] |= settings
    # A machine that stalls is not a disk or a reader that is lost.
    lane["append_deadline_ms"] = 10_000
    document["devices"]["card-field"]["ack_timeout_ms"] = 1000
    authority.provision(terminal, state_dir / "keys")
    config = directory / "till.yaml"
    config.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    register(authority, load(config))
    with running_devices(load(config)) as devices, started(config, devices) as process:
        site = TillSite(config, state_dir, devices, process)
        connected(site)
        yield site


def connected(site: Site) -> None:
    """Wait until the till serves and the platform has acknowledged what it had to say."""
    site.seen = 0
    site.expect("ready")
    site.seen = 0
    site.expect("acknowledged")


def with_account(site: TillSite, running: City, amount_fen: int) -> Owner:
    """The citizen presents before there is an amount: so the card's pseudonym is known, and is given an account."""
    site.insert(CARD)
    site.expect("decision", reason="no-amount")
    site.remove()
    site.expect("removed")
    (owner,) = {record.entry.subject for record in site.records() if record.entry.reason == "no-amount"}
    assert owner is not None
    running.pay_in(owner, amount_fen)
    return owner
