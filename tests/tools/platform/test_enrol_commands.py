"""What an operator types about codes while others act: each act counts for what is true when it is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from agent.sync.contract.enrol import EnrolGranted, EnrolRefused, EnrolWaits, fingerprint
from tests.tools.platform.enrolling import Registry, box
from tools.platform import enrolments
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.enrolments import MAX_LISTED, Stage, enrolment_table
from tools.platform.service import Layout
from tools.platform.store import Store


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
