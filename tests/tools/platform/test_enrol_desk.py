"""What the platform does when a box asks to be enrolled: one certificate a code, and an alarm for what it refuses."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509

from agent import cose
from agent.bundles import trust_list
from agent.enrolment import code as enrol_code
from agent.enrolment.errors import EnrolError, EnrolFault
from agent.keys import FileKeyStore, Role
from agent.sync.contract.enrol import (
    EnrolAsked,
    EnrolGranted,
    EnrolRefused,
    EnrolRequest,
    EnrolWaits,
    enrol_request,
    fingerprint,
)
from agent.sync.contract.topics import enrol_up
from tests.tools.platform.enrolling import HOUR_MS, Registry, box
from tools import bundles
from tools.cli.main import cli
from tools.platform import issuers, revocation
from tools.platform.broker import Endpoint
from tools.platform.ca import Authority
from tools.platform.enrol_codes import Brokers, Wanted, new_row
from tools.platform.enrolments import Stage
from tools.platform.errors import PlatformError
from tools.platform.store import Store, sqlite_url


@pytest.fixture
def registry(authority: Authority, tmp_path: Path) -> Iterator[Registry]:
    """On SQLite alone: of the database nothing is asked here that another would answer differently."""
    store = Store.open(sqlite_url(tmp_path / "platform.db"))
    yield Registry(store, authority)
    store.close()


def test_what_is_granted_makes_the_box_a_terminal(registry: Registry, tmp_path: Path) -> None:
    journey, pending = box(tmp_path / "box", registry.code(site="east"))
    granted = registry.ask(pending)
    assert isinstance(granted, EnrolGranted)
    enrolment = journey.open(pending, granted)
    journey.install(enrolment, granted.issued_ms, pending.code.id)
    journey.end()
    keys = FileKeyStore(tmp_path / "box")
    keys.tls_files().load_into(ssl.create_default_context())
    assert keys.checkpoint_signer().kid in registry.authority.checkpoint_keys("gate-7")
    assert set(keys.platform_keys(Role.ROOT)) == {enrol_code.key_of(pending.code.root).kid}
    assert keys.mac("medium-1", b"") == FileKeyStore(tmp_path / "box").mac("medium-1", b"")
    assert enrolment.site == "east"
    assert not list((tmp_path / "box").glob("enrol-*"))
    assert registry.alarms() == {}


def test_the_box_gets_a_trust_list_that_it_alone_can_read(registry: Registry, tmp_path: Path) -> None:
    keygen = ["code", "keygen", str(tmp_path / "city.key"), "--row", str(tmp_path / "city.row")]
    assert CliRunner().invoke(cli, keygen).exit_code == 0
    issuers.add(registry.authority.issuers, tmp_path / "city.row")
    journey, pending = box(tmp_path / "box", registry.code())
    granted = registry.ask(pending)
    assert isinstance(granted, EnrolGranted)
    (bundle,) = journey.open(pending, granted).bundles
    (tmp_path / "trust.bundle").write_bytes(bundle)
    full = bundles.read_full(tmp_path / "trust.bundle")
    assert full.manifest.audience == "terminal:gate-7"
    recipient = cose.key_id(journey.store.sealing_public())
    (row,) = trust_list.in_force(full.content, full.manifest, recipient, journey.store.unseal).rows.values()
    assert row.reading_key == issuers.known(registry.authority.issuers)[0].row().reading_key


def test_whoever_asks_again_gets_the_same_certificate_also_after_its_end(registry: Registry, tmp_path: Path) -> None:
    journey, pending = box(tmp_path / "box", registry.code())
    first = registry.ask(pending)
    registry.now_ms += 30 * HOUR_MS
    again = registry.ask(pending)
    assert isinstance(first, EnrolGranted)
    assert isinstance(again, EnrolGranted)
    assert journey.open(pending, first).certificate == journey.open(pending, again).certificate
    assert len(registry.authority.given("gate-7")) == 1
    assert registry.alarms() == {}


def test_a_person_compares_the_fingerprint_first(registry: Registry, tmp_path: Path) -> None:
    _, pending = box(tmp_path / "box", registry.code(confirms=True))
    assert isinstance(registry.ask(pending), EnrolWaits)
    assert registry.authority.given("gate-7") == []
    row = registry.row(pending.code.id)
    assert fingerprint(row.asked) == fingerprint(pending.asked.encode())
    registry.change(row.id, stage=Stage.CONFIRMED.value)
    assert isinstance(registry.ask(pending), EnrolGranted)


def test_a_second_box_is_refused_and_alarms_and_the_first_goes_on(registry: Registry, tmp_path: Path) -> None:
    text = registry.code(confirms=True)
    _, first = box(tmp_path / "first", text)
    _, second = box(tmp_path / "second", text)
    assert isinstance(registry.ask(first), EnrolWaits)
    refused = registry.ask(second)
    assert isinstance(refused, EnrolRefused)
    assert refused.code == "used"
    assert registry.alarms() == {"enrol-used": "gate-7"}
    assert isinstance(registry.ask(first), EnrolWaits)


def test_of_two_codes_for_one_terminal_the_second_gives_nothing(registry: Registry, tmp_path: Path) -> None:
    _, first = box(tmp_path / "first", registry.code())
    _, second = box(tmp_path / "second", registry.code())
    refused = registry.ask(first)
    assert isinstance(refused, EnrolRefused)
    assert refused.code == "revoked", "the second was made in its place"
    registry.change(first.code.id, stage=Stage.OPEN.value)  # as if both had been made in the same moment
    assert isinstance(registry.ask(first), EnrolGranted)
    late = registry.ask(second)
    assert isinstance(late, EnrolRefused)
    assert (late.code, registry.alarms()) == ("revoked", {"enrol-revoked": "gate-7"})
    assert len(registry.authority.given("gate-7")) == 1
    assert isinstance(registry.ask(first), EnrolGranted)


def test_a_code_for_a_new_terminal_gives_nothing_once_another_box_has_the_name(
    registry: Registry, tmp_path: Path
) -> None:
    _, pending = box(tmp_path / "box", registry.code())
    registry.authority.provision("gate-7", tmp_path / "other")
    refused = registry.ask(pending)
    assert isinstance(refused, EnrolRefused)
    assert (refused.code, registry.alarms()) == ("used", {"enrol-used": "gate-7"})
    assert len(registry.authority.given("gate-7")) == 1


def test_what_a_power_cut_left_of_a_grant_is_granted_again(registry: Registry, tmp_path: Path) -> None:
    _, pending = box(tmp_path / "box", registry.code())
    before = registry.row(pending.code.id)._asdict()
    registry.ask(pending)
    registry.change(pending.code.id, **before)  # the files were written, and the commit did not come about
    assert isinstance(registry.ask(pending), EnrolGranted)
    assert len(registry.authority.given("gate-7")) == 1


def test_an_expired_code_is_refused_and_alarms(registry: Registry, tmp_path: Path) -> None:
    _, pending = box(tmp_path / "box", registry.code())
    registry.now_ms += HOUR_MS + 1
    refused = registry.ask(pending)
    assert isinstance(refused, EnrolRefused)
    assert (refused.code, registry.alarms()) == ("expired", {"enrol-expired": "gate-7"})


def test_a_revoked_code_is_refused_and_alarms(registry: Registry, tmp_path: Path) -> None:
    _, pending = box(tmp_path / "box", registry.code())
    registry.change(pending.code.id, stage=Stage.REVOKED.value)
    refused = registry.ask(pending)
    assert isinstance(refused, EnrolRefused)
    assert (refused.code, registry.alarms()) == ("revoked", {"enrol-revoked": "gate-7"})


def test_whoever_only_heard_the_topic_proves_nothing(registry: Registry, tmp_path: Path) -> None:
    _, pending = box(tmp_path / "box", registry.code())
    refused = registry.ask(pending, enrol_request(pending.asked, bytes(16)))
    assert isinstance(refused, EnrolRefused)
    assert (refused.code, registry.alarms()) == ("forged", {"enrol-forged": "gate-7"})
    assert isinstance(registry.ask(pending), EnrolGranted), "a forger uses up nobody's code"


def test_another_platforms_code_is_unknown_here(registry: Registry, tmp_path: Path) -> None:
    foreign = Registry(registry.store, Authority.init(tmp_path / "foreign" / "keys"))
    _, pending = box(tmp_path / "box", foreign.code())
    registry.change(pending.code.id, id="0" * 16)  # the foreign platform has a database of its own
    reply = registry.desk.take(enrol_up(pending.code.id), enrol_request(pending.asked, pending.code.secret))
    assert reply is not None
    assert registry.alarms() == {"enrol-unknown": "unknown"}


@pytest.mark.parametrize("damage", ["request", "name", "point"])
def test_a_request_that_is_not_whole_is_refused(registry: Registry, tmp_path: Path, damage: str) -> None:
    _, pending = box(tmp_path / "box", registry.code())
    asked = pending.asked
    if damage == "request":
        asked = asked.model_copy(update={"request": asked.request[:-1] + bytes([asked.request[-1] ^ 1])})
    elif damage == "name":
        other = FileKeyStore.create(tmp_path / "other").certificate_request("gate-8")
        asked = asked.model_copy(update={"request": other})
    else:
        asked = asked.model_copy(update={"sealing": b"\2" + b"\xff" * 32})
    refused = registry.ask(pending, enrol_request(asked, pending.code.secret))
    assert isinstance(refused, EnrolRefused)
    assert (refused.code, registry.alarms()) == ("malformed", {"enrol-malformed": "gate-7"})
    assert registry.authority.given("gate-7") == []


@pytest.mark.parametrize("payload", [b"", b"\xa0", b"x" * 3000])
def test_nonsense_is_answered_by_nobody_and_alarms(registry: Registry, payload: bytes) -> None:
    assert registry.desk.take(enrol_up("0" * 16), payload) is None
    assert registry.alarms() == {"enrol-malformed": "unknown"}


def test_a_request_on_the_topic_of_another_code_is_nonsense(registry: Registry, tmp_path: Path) -> None:
    _, pending = box(tmp_path / "box", registry.code())
    assert registry.desk.take(enrol_up("0" * 16), enrol_request(pending.asked, pending.code.secret)) is None


def test_an_answer_to_another_box_opens_at_none(registry: Registry, tmp_path: Path) -> None:
    mine, pending = box(tmp_path / "mine", registry.code("gate-7"))
    _, other = box(tmp_path / "other", registry.code("gate-8"))
    foreign = registry.ask(other)
    assert isinstance(foreign, EnrolGranted)
    with pytest.raises(EnrolError) as caught:
        mine.open(pending, foreign)
    assert caught.value.fault is EnrolFault.CONTENT


def test_a_new_box_in_the_place_of_a_dead_one_ends_the_dead_ones_certificate(
    registry: Registry, tmp_path: Path
) -> None:
    _, dead = box(tmp_path / "dead", registry.code())
    registry.ask(dead)
    (former,) = registry.authority.given("gate-7")
    _, fresh = box(tmp_path / "fresh", registry.code(replaces=True))
    assert isinstance(registry.ask(fresh), EnrolGranted)
    (current,) = (each for each in registry.authority.given("gate-7") if each != former)
    assert revocation.is_revoked(registry.authority, former)
    assert not revocation.is_revoked(registry.authority, current)
    revoked = x509.load_pem_x509_crl(registry.authority.revoked_list.read_bytes())
    assert [row.serial_number for row in revoked] == [former.serial_number]
    assert len(registry.authority.checkpoint_keys("gate-7")) == 2, "the dead one's records still have to be proved"


def test_the_code_gives_the_secret_away_and_the_database_does_not(registry: Registry, tmp_path: Path) -> None:
    text = registry.code()
    code = enrol_code.read(text)
    row = registry.row(code.id)
    assert all(code.secret not in value for value in row if isinstance(value, bytes))
    assert registry.authority.secret_of(code.id) == code.secret
    asked = EnrolAsked.decode(EnrolRequest.decode(enrol_request(box(tmp_path / "box", text)[1].asked, b"")).asked)
    assert code.secret not in asked.encode()
    assert cose.VerifyKey.of(registry.authority.load_root().public_key()).kid == enrol_code.key_of(code.root).kid


@pytest.mark.parametrize("key", ["terminal", "platform"])
def test_a_configuration_with_a_word_in_place_of_a_section_is_a_sentence(tmp_path: Path, key: str) -> None:
    (tmp_path / "box.yaml").write_text(f"{key}: foo\n")
    wanted = Wanted("gate-7", None, None, tmp_path / "box.yaml", HOUR_MS, confirms=True, replaces=False, closes=False)
    endpoint = Endpoint("platform.example", 8883)
    with pytest.raises(PlatformError, match=key):
        new_row(wanted, Brokers(endpoint, endpoint), 0)
