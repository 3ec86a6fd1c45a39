"""A terminal or a lane that is mistyped is refused at once, where the platform can know it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from agent.bundles.manifest import Kind
from agent.keys import Role
from agent.sync.contract import Configured, Presence, Report, State
from tests.tools.platform.chains import make_chain
from tools import bundles
from tools.platform.arrived import Arrived
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.closed_chains import close_all
from tools.platform.commands import platform as command
from tools.platform.revocation import revoke
from tools.platform.service import Layout
from tools.platform.store import Store

NOW_MS = 1_795_406_400_000
PARK = {"lanes": {"in": {"profile": "parking"}, "till": {"profile": "till"}, "own": {"profile": "of-another-package"}}}


class City:
    """A platform that is not running, and one car park that has said hello to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        layout = Layout(directory)
        self.authority = Authority.init(layout.keys)
        self.given = BundleStore(layout.bundles)
        self.store = Store.open(layout.database_url)
        with self.store.transaction() as transaction:
            transaction.seen("park-1", NOW_MS)
            transaction.greeted("park-1", b"c" * 16, b"n" * 16, 1, 1)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(command, ["command", *words, "--dir", str(self.directory)])

    def said(self, *words: str) -> str:
        """What is refused, its lines joined."""
        done = self.run(*words)
        assert done.exit_code == 1, done.output
        return " ".join(done.output.split())

    def configure(self, version: int, in_force: int, document: Any = PARK) -> None:
        term = (NOW_MS, NOW_MS + 86_400_000, 0)
        issue = bundles.Issue(Kind.CONFIGURATION, Kind.CONFIGURATION.value, version, *term, audience="terminal:park-1")
        signer = bundles.signer_of(self.authority.role_keys[Role.BUNDLE][0])
        file = self.directory / "full"
        file.write_bytes(bundles.full_bundle(issue, yaml.safe_dump(document).encode(), signer))
        self.given.add(file)
        report = Report(software="1", configured=Configured(issue=in_force))
        state = State(presence=Presence.ONLINE, since_ms=NOW_MS, report=report)
        with self.store.transaction() as transaction:
            transaction.set_state("park-1", "online", NOW_MS, state.encode(), NOW_MS)


@pytest.fixture
def city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[City]:
    monkeypatch.setenv("ONECARD_LANG", "en")
    city = City(tmp_path)
    with closing(city.store):
        yield city


@pytest.mark.parametrize("words", [("open", "park-2", "in"), ("restart", "PARK-1"), ("list", "nosuch")])
def test_an_unknown_terminal_is_refused_at_once_and_known_ones_are_named(city: City, words: tuple[str, ...]) -> None:
    city.authority.provision("gate-1", city.directory / "gate-1")
    assert f"knows no terminal {words[1]}. It knows gate-1, park-1: see `onecard platform status`" in city.said(*words)
    assert city.run("list", "park-1").exit_code == 0
    assert "has never connected" in city.said("restart", "gate-1")


def test_a_terminal_without_a_box_is_said_to_be_retired_or_replaced(city: City) -> None:
    for seed, name in enumerate(("gate-1", "gate-2")):
        city.authority.provision(name, city.directory / name)
        with city.store.transaction() as transaction:
            transaction.seen(name, NOW_MS)
            transaction.append(name, name.encode() * 2, [Arrived.of(make_chain(1, seed=seed)[0].to_bytes())], NOW_MS)
            close_all(transaction, name, NOW_MS)
    revoke(city.authority, "gate-1")
    assert "gate-1 is retired: it takes no command any more." in city.said("restart", "gate-1")
    assert "gate-2 has not connected since its box was replaced" in city.said("restart", "gate-2")


def test_a_lane_that_the_configuration_in_force_has_not_or_that_has_nothing_to_open_is_refused(city: City) -> None:
    city.configure(1, in_force=1)
    assert "park-1 has no lane out: configuration 1, by which it goes, has in, own, till." in city.said(
        "open", "park-1", "out"
    )
    assert "Lane till of park-1 is a till: it has no door" in city.said("open", "park-1", "till")
    for lane in ("in", "own"):
        assert json.loads(city.run("open", "park-1", lane, "--json").output)["lane_checked"] is True
    assert len(json.loads(city.run("list", "--json").output)) == 2


@pytest.mark.parametrize("in_force", [0, 1, 9])
def test_where_another_configuration_is_in_force_a_lane_is_not_refused_and_that_it_was_not_checked_is_said(
    city: City, in_force: int
) -> None:
    city.configure(1, in_force)
    city.configure(2, in_force)
    assert "Lane out could not be checked" in " ".join(city.run("open", "park-1", "out").output.split())
    assert json.loads(city.run("open", "park-1", "out", "--json").output)["lane_checked"] is False


def test_a_damaged_configuration_says_nothing_of_lanes(city: City) -> None:
    city.configure(1, 1, ["no", "mapping"])
    assert "could not be checked" in " ".join(city.run("open", "park-1", "in").output.split())


@pytest.mark.parametrize(
    ("lang", "lines"),
    [
        ("en", ["terminal: park-1", "act: open a lane once", "lane: in", "direction: out", "given: 20"]),
        ("zh", ["终端：park-1", "操作：开放通道一次", "通道：in", "方向：出", "下达：20", "失效：20"]),
    ],
)
def test_a_command_is_shown_in_words_with_local_times(
    city: City, monkeypatch: pytest.MonkeyPatch, lang: str, lines: list[str]
) -> None:
    issued = json.loads(city.run("open", "park-1", "in", "--direction", "out", "--json").output)["id"]
    monkeypatch.setenv("ONECARD_LANG", lang)
    shown = city.run("show", issued[:8]).output
    for line in lines:
        assert f"\n{line}" in shown
    assert "_ms" not in shown
    assert shown.count("+08:00") == 2
    assert json.loads(city.run("show", issued, "--json").output)["act"] == "open"
