"""What an operator types about codes while others act: each act counts for what is true when it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.enrolment import code as enrol_code
from agent.keys import FileKeyStore
from agent.sync.contract import Address, Channel
from agent.sync.contract.enrol import Certify, EnrolGranted, EnrolRefused, EnrolWaits, fingerprint, sign_certify
from tests.tools.platform.enrolling import Registry, box
from tools.platform import enrolments, revocation
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.enrolments import MAX_LISTED, Stage, enrolment_table
from tools.platform.file_lock import locked
from tools.platform.registrations import Registration, registrations
from tools.platform.service import Layout
from tools.platform.store import Store

CERTIFY = Address("gate-7").topic(Channel.CERTIFY)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("ONECARD_LANG", "en")
    return Layout(tmp_path / "platform")


@pytest.fixture
def registry(layout: Layout) -> Iterator[Registry]:
    """The desk beside which the commands are typed, on the same database and keys."""
    authority = Authority.init(layout.keys)
    store = Store.open(layout.database_url)
    yield Registry(store, authority)
    store.close()


def typed(layout: Layout, *arguments: str) -> Result:
    return CliRunner().invoke(platform, [*arguments, "--dir", str(layout.directory)])


def registrations_of(registry: Registry) -> Mapping[str, Registration]:
    with registry.store.transaction() as transaction:
        return registrations(transaction)


def test_a_code_that_is_revoked_while_its_fingerprint_is_asked_for_stays_revoked(
    layout: Layout, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pending = box(tmp_path / "box", registry.code(confirms=True))
    assert isinstance(registry.ask(pending), EnrolWaits)

    def late(_question: str) -> str:
        assert typed(layout, "enrol", "revoke", pending.code.id).exit_code == 0
        return fingerprint(pending.asked.encode())

    monkeypatch.setattr(click, "prompt", late)
    confirmed = typed(layout, "enrol", "confirm", pending.code.id)
    assert (confirmed.exit_code, "revoked" in confirmed.output) == (1, True)
    assert registry.row(pending.code.id).stage == Stage.REVOKED
    refused = registry.ask(pending)
    assert isinstance(refused, EnrolRefused)
    assert (refused.code, registry.authority.given("gate-7")) == ("revoked", [])


def test_a_fingerprint_that_nobody_types_is_asked_for_as_an_option(
    layout: Layout, registry: Registry, tmp_path: Path
) -> None:
    _, pending = box(tmp_path / "box", registry.code(confirms=True))
    assert isinstance(registry.ask(pending), EnrolWaits)
    nobody = typed(layout, "enrol", "confirm", "gate-7")
    assert (nobody.exit_code, "give it with --fingerprint" in nobody.stderr) == (2, True), nobody.output
    told = fingerprint(pending.asked.encode())
    command = ["enrol", "confirm", "gate-7", "--dir", str(layout.directory)]
    piped = CliRunner().invoke(platform, command, input=f"{told}\n")
    assert piped.exit_code == 0, piped.output
    assert "\nConfirmed: gate-7 gets its certificate.\n" in piped.stdout


def test_a_terminals_code_is_found_by_its_name_however_many_others_were_made_since(
    layout: Layout, registry: Registry, tmp_path: Path
) -> None:
    _, pending = box(tmp_path / "box", registry.code(confirms=True))
    assert isinstance(registry.ask(pending), EnrolWaits)
    usual = registry.row(pending.code.id)._asdict() | {"stage": Stage.OPEN.value, "asked": None}
    others = [
        usual | {"id": f"{number:016x}", "terminal": f"other-{number}", "created_ms": usual["created_ms"] + 1}
        for number in range(MAX_LISTED)
    ]
    with registry.store.transaction() as transaction:
        transaction.connection.execute(enrolment_table.insert(), others)
        assert len(enrolments.listed(transaction)) == MAX_LISTED
    told = fingerprint(pending.asked.encode())
    confirmed = typed(layout, "enrol", "confirm", "gate-7", "--fingerprint", told)
    assert confirmed.exit_code == 0, confirmed.output
    assert isinstance(registry.ask(pending), EnrolGranted)


def test_a_retired_terminals_codes_bring_back_neither_certificate_nor_registration(
    layout: Layout, registry: Registry, tmp_path: Path
) -> None:
    registry.ask(box(tmp_path / "till", registry.code("till-1", profile="canteen"))[1])
    assert registrations_of(registry) == {
        "till-1": Registration(merchants=frozenset({"canteen-1"}), funds=frozenset({"subsidy"}))
    }
    _, open_one = box(tmp_path / "next", registry.code("till-1", profile="canteen", replaces=True))
    assert typed(layout, "terminal", "retire", "till-1").exit_code == 0
    refused = registry.ask(open_one)
    assert isinstance(refused, EnrolRefused)
    assert (refused.code, len(registry.authority.given("till-1")), registrations_of(registry)) == ("revoked", 1, {})


def test_what_an_operator_forbade_comes_back_with_no_new_certificate(
    layout: Layout, registry: Registry, tmp_path: Path
) -> None:
    registry.ask(box(tmp_path / "till", registry.code("till-1", profile="canteen"))[1])
    assert typed(layout, "terminal", "forbid", "till-1").exit_code == 0
    again = registry.code("till-1", profile="canteen", replaces=True)
    assert isinstance(registry.ask(box(tmp_path / "again", again)[1]), EnrolGranted)
    assert registrations_of(registry) == {}
    assert typed(layout, "terminal", "allow", "till-1", "--merchant", "canteen-1").exit_code == 0
    assert registrations_of(registry) == {"till-1": Registration(merchants=frozenset({"canteen-1"}))}


def test_an_operators_limits_outlive_a_new_certificate(layout: Layout, registry: Registry, tmp_path: Path) -> None:
    registry.ask(box(tmp_path / "till", registry.code("till-1", profile="canteen"))[1])
    limits = ["--merchant", "canteen-1", "--holds", "2", "--holds-yuan", "50"]
    assert typed(layout, "terminal", "allow", "till-1", *limits).exit_code == 0
    again = registry.code("till-1", profile="canteen", replaces=True)
    assert isinstance(registry.ask(box(tmp_path / "again", again)[1]), EnrolGranted)
    assert registrations_of(registry) == {
        "till-1": Registration(merchants=frozenset({"canteen-1"}), holds=2, holds_fen=5_000)
    }


def renewal(keys: FileKeyStore) -> bytes:
    """What the box asks for its next certificate."""
    point = keys.checkpoint_public().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    certify = Certify(nonce=b"n" * 16, request=keys.certificate_request("gate-7"), checkpoint=point)
    return sign_certify(certify, keys.checkpoint_signer(), "gate-7")


def enrolled(registry: Registry, directory: Path, *, replaces: bool = False) -> tuple[str, FileKeyStore]:
    """A box that came by a code of its own: the code's id, and its keys."""
    registry.now_ms += 1
    journey, pending = box(directory, registry.code(replaces=replaces))
    granted = registry.ask(pending)
    assert isinstance(granted, EnrolGranted)
    journey.install(journey.open(pending, granted), granted.issued_ms, pending.code.id)
    journey.end()
    return pending.code.id, FileKeyStore(directory)


def test_a_code_is_revoked_with_every_certificate_that_its_box_was_given_since(
    layout: Layout, registry: Registry, tmp_path: Path
) -> None:
    code, keys = enrolled(registry, tmp_path / "box")
    assert registry.desk.take(CERTIFY, renewal(keys)) is not None
    assert len(registry.authority.given("gate-7")) == 2
    assert typed(layout, "enrol", "revoke", code).exit_code == 0
    assert revocation.is_out(registry.authority, "gate-7")
    crl = x509.load_pem_x509_crl(registry.authority.revoked_list.read_bytes())
    given = registry.authority.given("gate-7")
    assert {each.serial_number for each in crl} == {each.serial_number for each in given}
    assert registry.desk.take(CERTIFY, renewal(keys)) is not None
    assert (len(registry.authority.given("gate-7")), registry.alarms()) == (2, {"certify-revoked": "gate-7"})


def test_revoking_a_former_boxs_code_leaves_the_present_box_what_it_has(
    layout: Layout, registry: Registry, tmp_path: Path
) -> None:
    former, _ = enrolled(registry, tmp_path / "former")
    _, keys = enrolled(registry, tmp_path / "present", replaces=True)
    assert registry.desk.take(CERTIFY, renewal(keys)) is not None
    assert typed(layout, "enrol", "revoke", former).exit_code == 0
    given = registry.authority.given("gate-7")
    assert [revocation.is_revoked(registry.authority, each) for each in given].count(False) == 2
    assert registry.alarms() == {}


def test_nothing_is_revoked_between_the_look_at_what_counts_and_the_certificate(
    layout: Layout, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, keys = enrolled(registry, tmp_path / "box")
    seen: dict[str, bool] = {}

    def noted(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any) -> Any:
            with locked(registry.authority.revoked / "issue-lock", wait=False) as is_free:
                seen[name] = not is_free
            return act(*arguments)

        return noting

    monkeypatch.setattr(revocation, "is_out", noted("is_out", revocation.is_out))
    monkeypatch.setattr(Authority, "certify", noted("certify", Authority.certify))
    monkeypatch.setattr(revocation, "revoke_one", noted("revoke_one", revocation.revoke_one))
    registry.desk.take(CERTIFY, renewal(keys))
    assert seen == {"is_out": True, "certify": True}
    assert typed(layout, "terminal", "retire", "gate-7").exit_code == 0
    assert seen.pop("revoke_one")
    code, _ = enrolled(registry, tmp_path / "again", replaces=True)
    seen.clear()
    assert typed(layout, "enrol", "revoke", code).exit_code == 0
    assert seen == {"revoke_one": True}


def _ordered(layout: Layout, *arguments: str, as_json: bool = True) -> Result:
    """What an operator gets who orders a code where the platform ran before."""
    layout.endpoint.write_text("mqtts://broker.city.example:8883", encoding="utf-8")
    layout.enrol_endpoint.write_text("mqtts://broker.city.example:8884", encoding="utf-8")
    return typed(layout, "enrol", "new", "gate-7", *arguments, *(["--json"] if as_json else []))


def test_a_box_in_anothers_place_has_its_site_and_its_configuration_unless_told_otherwise(
    layout: Layout, registry: Registry, tmp_path: Path
) -> None:
    _, former = box(tmp_path / "box", registry.code(site="east-hall", profile="turnstile"))
    assert isinstance(registry.ask(former), EnrolGranted)
    before = registry.row(former.code.id)
    orders: tuple[tuple[tuple[str, ...], str, str | None, bool], ...] = (
        (("--replace",), "east-hall", "turnstile", True),
        (("--replace", "--profile", "gate"), "east-hall", "gate", False),
        (("--replace", "--site", "west-hall"), "west-hall", "turnstile", False),
        (("--again",), "east-hall", None, False),  # the same box keeps the configuration that it has
    )
    for arguments, site, profile, same in orders:
        ordered = _ordered(layout, *arguments)
        assert ordered.exit_code == 0, ordered.output
        made = json.loads(ordered.stdout)
        row = registry.row(made["id"])
        code = enrol_code.read(made["code"])
        assert (row.site, row.profile, code.site) == (site, profile, site), arguments
        assert (row.configuration == before.configuration) is same, arguments
        assert row.configuration is None or yaml.safe_load(row.configuration)["terminal"]["site"] == site


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--replace",), "as the former box: site east-hall, its configuration\n"),
        (("--replace", "--profile", "gate"), "as the former box: site east-hall\n"),
        (("--replace", "--site", "west-hall", "--profile", "gate"), None),
    ],
)
def test_the_operator_is_told_what_is_as_it_was(
    layout: Layout, registry: Registry, tmp_path: Path, arguments: tuple[str, ...], said: str | None
) -> None:
    registry.ask(box(tmp_path / "box", registry.code(site="east-hall", profile="turnstile"))[1])
    ordered = _ordered(layout, *arguments, as_json=False)
    assert ordered.exit_code == 0, ordered.output
    assert ("as the former box" in ordered.stderr) is (said is not None)
    assert said is None or said in ordered.stderr


def test_a_former_box_counts_by_the_code_that_made_it_a_terminal(
    layout: Layout, registry: Registry, tmp_path: Path
) -> None:
    registry.ask(box(tmp_path / "box", registry.code(site="east-hall", profile="gate"))[1])
    registry.code(site="never-came", profile="till", replaces=True, closes=True)
    row = registry.row(json.loads(_ordered(layout, "--replace").stdout)["id"])
    assert (row.site, row.profile) == ("east-hall", "gate")
