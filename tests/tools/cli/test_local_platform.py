"""A preset beside the local platform: where it is found, and what changes with its keys."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.config import parse
from agent.config_model import TerminalConfig
from agent.keys import FileKeyStore
from tools.cli import local_platform
from tools.cli.local_platform import enrol, follow, link_overrides, register
from tools.cli.place import state_home
from tools.cli.presets import preset_text
from tools.platform.registration_of import registration_of
from tools.platform.registrations import Registration, allow, registration
from tools.platform.service import Layout
from tools.platform.store import Store


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ONECARD_LANG", "en")


def test_the_platform_is_looked_for_where_it_ran_last() -> None:
    assert link_overrides() == ("platform.host=localhost", "platform.port=8883")
    layout = Layout(state_home() / "platform")
    layout.directory.mkdir(parents=True)
    layout.endpoint.write_text("mqtts://localhost:8893\n", encoding="utf-8")
    assert link_overrides() == ("platform.host=localhost", "platform.port=8893")


def test_a_terminal_begins_anew_once_the_platform_is_at_another_port(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local_platform, "LOOK_S", 0.001)
    endpoint = Layout(state_home() / "platform").endpoint
    endpoint.parent.mkdir(parents=True)

    async def move() -> list[str]:
        begun_again: list[str] = []
        following = asyncio.create_task(follow(link_overrides(), lambda: begun_again.append("again")))
        for text in ("mqtts://localhost:8883", ""):  # it is where it was, or nobody can tell
            endpoint.write_text(text, encoding="utf-8")
            done, _ = await asyncio.wait({following}, timeout=0.02)
            assert not done
        endpoint.write_text("mqtts://localhost:8893", encoding="utf-8")
        await asyncio.wait_for(following, 20)
        return begun_again

    assert asyncio.run(move()) == ["again"]
    assert "at another port" in capsys.readouterr().err


def test_a_terminal_begins_for_no_platform_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose directory is removed runs nowhere: least of all at the port where a new one would."""
    monkeypatch.setattr(local_platform, "LOOK_S", 0.001)
    endpoint = Layout(state_home() / "platform").endpoint
    endpoint.parent.mkdir(parents=True)
    endpoint.write_text("mqtts://localhost:8893", encoding="utf-8")

    async def vanish() -> bool:
        following = asyncio.create_task(follow(link_overrides(), lambda: None))
        endpoint.unlink()
        done, _ = await asyncio.wait({following}, timeout=0.05)
        following.cancel()
        return bool(done)

    assert not asyncio.run(vanish())


def test_it_is_said_once_that_cards_have_other_ids_from_now_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = TerminalConfig(id="gate-001", state_dir=tmp_path / "fresh")
    enrol(fresh)
    assert capsys.readouterr().err == ""
    known = TerminalConfig(id="gate-002", state_dir=tmp_path / "known")
    FileKeyStore.create(known.state_dir / "keys").install("medium-1.key", b"k" * 32)
    enrol(known)
    assert "read the cards again" in capsys.readouterr().err
    enrol(known)
    assert capsys.readouterr().err == ""


def test_a_preset_is_registered_for_what_it_asks_for_and_keeps_what_an_operator_said(tmp_path: Path) -> None:
    layout = Layout(state_home() / "platform")
    layout.directory.mkdir(parents=True)
    gate, canteen = (parse(preset_text(name), name, tmp_path) for name in ("gate", "canteen"))
    register(gate)
    assert not (layout.directory / "platform.db").exists(), "it asks for nothing"
    register(canteen)
    terminal, store = canteen.config.terminal.id, Store.open(layout.database_url)
    with store.transaction() as transaction:
        assert registration(transaction, terminal) == registration_of(canteen)
        allow(transaction, terminal, Registration(merchants=frozenset({"shop-2"}), holds=3))
    register(canteen)
    with store.transaction() as transaction:
        joined = registration(transaction, terminal)
    store.close()
    assert joined is not None
    assert joined.merchants == {"shop-2", "canteen-1"}
    assert joined.holds == 3
