"""The next certificate: asked for in time, given once, and taken from the platform alone."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent import cose
from agent.clock import SystemClock, SystemRandom
from agent.keys import FileKeyStore, Own, Role
from agent.renewal import Renewal
from agent.sync.contract import Address, Channel
from agent.sync.contract.enrol import (
    Certified,
    Certify,
    CertifyRefused,
    asked_hash,
    open_certify_answer,
    sign_certify,
    sign_certify_answer,
)
from profiles.api import ClockState
from tests.tools.platform.enrolling import Registry
from tests.tools.platform.mqtt_client import PATIENCE_S, MqttClient, context_of, wait_until
from tools.cli.presets import preset_text
from tools.cli.terminal_process import TerminalProcess
from tools.platform import revocation
from tools.platform.ca import Authority
from tools.platform.service import Platform
from tools.platform.store import Store, sqlite_url

DAY_MS = 86_400_000
CERTIFY = Address("gate-7").topic(Channel.CERTIFY)
Lies = list[Callable[[bytes], bytes]]


class LaterClock(SystemClock):
    """So many days from now, vouched for or not."""

    def __init__(self, days: int, state: ClockState = ClockState.SYNCHRONISED) -> None:
        super().__init__()
        self._days = days
        self._said = state

    def now_ms(self) -> int:
        return super().now_ms() + self._days * DAY_MS

    def state(self) -> ClockState:
        return self._said


class Site:
    """A terminal that the platform knows, and the platform's desk at the other end of a wire that may lie."""

    def __init__(self, directory: Path) -> None:
        self.registry = Registry(Store.open(sqlite_url(directory / "platform.db")), Authority.init(directory / "keys"))
        self.registry.authority.provision("gate-7", directory / "box")
        self.keys = FileKeyStore(directory / "box")
        self.keys.protect()
        self.renewed = 0
        self.asked: list[bytes] = []

    def renewal(self, clock: SystemClock, lies: Lies | None = None) -> Renewal:
        def publish(payload: bytes) -> bool:
            self.asked.append(payload)
            reply = self.registry.desk.take(CERTIFY, payload)
            assert reply is not None
            for said in (*(lie(payload) for lie in lies or []), reply.payload):
                asyncio.get_running_loop().call_soon(made.answered, said)
            return True

        made = Renewal("gate-7", self.keys, self._answer_keys, clock, SystemRandom(), publish, self._count)
        return made

    @property
    def serial(self) -> int:
        return x509.load_pem_x509_certificate(self.keys.tls_files().certificate.read_bytes()).serial_number

    def _answer_keys(self) -> dict[bytes, cose.VerifyKey]:
        return dict(self.keys.platform_keys(Role.ACKNOWLEDGEMENT))

    def _count(self) -> None:
        self.renewed += 1


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    with closing(site.registry.store):
        yield site


async def test_two_thirds_of_its_life_a_certificate_is_left_alone(site: Site) -> None:
    assert not await site.renewal(LaterClock(700)).once()
    assert site.asked == []


async def test_when_it_ends_is_known_whatever_the_clock_is_worth(site: Site) -> None:
    renewal = site.renewal(LaterClock(0, ClockState.UNTRUSTED))
    assert renewal.ends_ms is None, "nobody has looked"
    assert not await renewal.once()
    held = x509.load_pem_x509_certificate(site.keys.tls_files().certificate.read_bytes())
    assert renewal.ends_ms == held.not_valid_after_utc.timestamp() * 1000


async def test_in_the_last_third_the_next_one_is_asked_for_and_in_force(site: Site) -> None:
    before = site.serial
    assert await site.renewal(LaterClock(800)).once()
    assert site.renewed == 1
    assert site.serial != before
    site.keys.tls_files().load_into(ssl.create_default_context())
    former, current = sorted(site.registry.authority.given("gate-7"), key=lambda held: held.serial_number != before)
    assert (former.serial_number, current.serial_number) == (before, site.serial)
    assert former.public_key() != current.public_key()
    assert not revocation.is_revoked(site.registry.authority, former), "the one before is good until it ends"


async def test_by_a_clock_that_nobody_vouches_for_nothing_is_asked(site: Site) -> None:
    assert not await site.renewal(LaterClock(800, ClockState.UNTRUSTED)).once()


async def test_an_answer_that_was_lost_is_given_again_and_no_second_certificate(site: Site) -> None:
    renewal = site.renewal(LaterClock(800))
    lost = Renewal("gate-7", site.keys, dict, LaterClock(800), SystemRandom(), _lost_on(site), lambda: None)
    assert not await lost.once()
    assert await renewal.once()
    assert len(site.registry.authority.given("gate-7")) == 2


def _lost_on(site: Site) -> Callable[[bytes], bool]:
    def publish(payload: bytes) -> bool:
        site.registry.desk.take(CERTIFY, payload)
        return False

    return publish


async def test_what_is_forged_replayed_or_for_another_key_changes_nothing(site: Site, tmp_path: Path) -> None:
    attacker = Registry(site.registry.store, Authority.init(tmp_path / "attacker"))
    ours = cose.Es256Signer(site.registry.authority.load_ack_key())
    (held,) = site.registry.authority.given("gate-7")
    der = held.public_bytes(Encoding.DER)
    replayed = Certified(terminal="gate-7", asked=b"h" * 32, issued_ms=1, certificate=der)

    def forged(payload: bytes) -> bytes:
        reply = attacker.desk.take(CERTIFY, payload)
        return b"" if reply is None else reply.payload

    lies: Lies = [lambda _: b"nonsense", forged, lambda _: sign_certify_answer(replayed, ours)]
    assert await site.renewal(LaterClock(800), lies).once()
    assert site.serial != held.serial_number


async def test_a_certificate_for_another_key_is_not_adopted(site: Site) -> None:
    (held,) = site.registry.authority.given("gate-7")
    ours = cose.Es256Signer(site.registry.authority.load_ack_key())

    def old_one(payload: bytes) -> bytes:
        der = held.public_bytes(Encoding.DER)
        answer = Certified(terminal="gate-7", asked=asked_hash(payload), issued_ms=1, certificate=der)
        return sign_certify_answer(answer, ours)

    assert not await site.renewal(LaterClock(800), [old_one]).once()
    assert site.serial == held.serial_number
    site.keys.tls_files().load_into(ssl.create_default_context())


async def test_a_revoked_terminal_gets_none_and_alarms(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.renewal.ANSWER_S", 0.2)
    assert revocation.revoke(site.registry.authority, "gate-7") == 1
    assert not await site.renewal(LaterClock(800)).once()
    assert site.registry.alarms() == {"certify-revoked": "gate-7"}


async def test_who_has_the_certificate_and_not_the_checkpoint_key_gets_none(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.renewal.ANSWER_S", 0.2)
    thief = FileKeyStore.create(tmp_path / "thief")
    site.keys.install(Own.CHECKPOINT, thief.secret(Own.CHECKPOINT))
    assert not await site.renewal(LaterClock(800)).once()
    assert site.registry.alarms() == {"certify-forged": "gate-7"}
    assert len(site.registry.authority.given("gate-7")) == 1


async def test_a_box_that_was_replaced_is_renewed_no_more_and_alarms_and_the_new_one_is(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stolen = site.keys
    site.registry.authority.provision("gate-7", tmp_path / "next-box")
    monkeypatch.setattr("agent.renewal.ANSWER_S", 0.2)
    assert not await site.renewal(LaterClock(800)).once(), "its certificate counts yet, its key does not"
    assert site.registry.alarms() == {"certify-revoked": "gate-7"}
    site.keys = FileKeyStore(tmp_path / "next-box")
    assert await site.renewal(LaterClock(800)).once()
    site.registry.authority.provision("gate-7", tmp_path / "box")
    site.keys = stolen
    assert await site.renewal(LaterClock(800)).once(), "a box that came back is the present one again"


def test_what_hands_on_to_another_checkpoint_key_is_answered_the_same_again_and_opens_no_other_way(
    site: Site, tmp_path: Path
) -> None:
    authority, keys = site.registry.authority, dict(site.keys.platform_keys(Role.ACKNOWLEDGEMENT))
    nonce = SystemRandom().token(16)
    following, third = (FileKeyStore.create(tmp_path / name).checkpoint_public() for name in ("following", "third"))

    def question(checkpoint: ec.EllipticCurvePublicKey, request: bytes) -> bytes:
        point = checkpoint.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        certify = Certify(nonce=nonce, request=request, checkpoint=point)
        return sign_certify(certify, site.keys.checkpoint_signer(), "gate-7")

    def answer(payload: bytes) -> Certified | CertifyRefused:
        reply = site.registry.desk.take(CERTIFY, payload)
        assert reply is not None
        return open_certify_answer(reply.payload, keys, "gate-7")

    request = site.keys.certificate_request("gate-7")
    asked = question(following, request)
    first, second = answer(asked), answer(asked)
    assert isinstance(first, Certified)
    assert isinstance(second, Certified)
    assert second.certificate == first.certificate
    assert authority.current_kid("gate-7") == cose.VerifyKey.of(following).kid
    assert site.registry.alarms() == {}
    other = FileKeyStore.create(tmp_path / "other").certificate_request("gate-7")
    for payload in (question(third, request), question(following, other)):
        assert isinstance(answer(payload), CertifyRefused)
    assert site.registry.alarms() == {"certify-revoked": "gate-7"}
    assert authority.current_kid("gate-7") == cose.VerifyKey.of(following).kid
    assert len(authority.given("gate-7")) == 2


async def test_a_certificate_that_was_revoked_meanwhile_is_not_given_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.renewal.ANSWER_S", 0.2)
    (first,) = site.registry.authority.given("gate-7")
    lost = Renewal("gate-7", site.keys, dict, LaterClock(800), SystemRandom(), _lost_on(site), lambda: None)
    assert not await lost.once()
    (given,) = (each for each in site.registry.authority.given("gate-7") if each != first)
    revocation.revoke_one(site.registry.authority, given)
    assert not await site.renewal(LaterClock(800)).once()
    assert site.registry.alarms() == {"certify-revoked": "gate-7"}
    assert len(site.registry.authority.given("gate-7")) == 2


@pytest.mark.timeout(90)
def test_a_terminal_at_work_gets_its_next_certificate_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.platform.ca._CLIENT_LIFE", timedelta(hours=3))  # backdated by a day: its last third
    with Platform.start(tmp_path / "platform") as platform:
        platform.authority.provision("gate-001", tmp_path / "state" / "keys")
        monkeypatch.setattr("tools.platform.ca._CLIENT_LIFE", timedelta(days=900))
        text = preset_text("gate").replace("state/gate-001", "state")
        port = platform.endpoint.port
        (tmp_path / "gate.yaml").write_text(f"{text}\nplatform: {{host: localhost, port: {port}}}\n", encoding="utf-8")
        with TerminalProcess(tmp_path / "gate.yaml", os.environ) as terminal:
            renewed = terminal.wait_for(lambda line: line.get("event") == "certificate renewed", PATIENCE_S)
            assert renewed is not None
            again = terminal.wait_for(lambda line: line.get("event") == "link up", PATIENCE_S, renewed[0])
            assert again is not None
        assert len(platform.authority.given("gate-001")) == 2
        former, current = sorted(platform.authority.given("gate-001"), key=lambda held: held.not_valid_after_utc)
        held = x509.load_pem_x509_certificate((tmp_path / "state" / "keys" / "tls.pem").read_bytes())
        assert held == current != former


def test_a_revoked_terminal_is_thrown_out_within_moments_and_the_others_stay(tmp_path: Path) -> None:
    with Platform.start(tmp_path / "platform") as platform:
        contexts = {}
        for name in ("gate-1", "gate-2"):
            platform.authority.provision(name, tmp_path / name)
            contexts[name] = context_of(tmp_path / name)
        with MqttClient(platform.endpoint, contexts["gate-1"]) as revoked:
            revocation.revoke(platform.authority, "gate-1")
            wait_until(lambda: not revoked.is_connected(), "it is still connected")
        wait_until(lambda: not _gets_in(platform, contexts["gate-1"]), "it gets in again")
        wait_until(lambda: _gets_in(platform, contexts["gate-2"]), "the other one gets in no more")


def _gets_in(platform: Platform, context: ssl.SSLContext) -> bool:
    """Whether the broker speaks with who shows this certificate; in TLS 1.3 its refusal comes with the first read."""
    connect = b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id"
    try:
        with (
            socket.create_connection((platform.endpoint.host, platform.endpoint.port), 5) as bare,
            context.wrap_socket(bare, server_hostname="localhost") as link,
        ):
            link.sendall(connect)
            return bool(link.recv(4))
    except OSError:
        return False
