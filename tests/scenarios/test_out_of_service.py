"""Keys that cannot be used: the fire line works, nobody is accepted, and mending the files is enough."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.composition import MEDIUM_KEY
from tests.scenarios.site import gate, started

Damage = Callable[[Path], None]


def loosen(key: Path) -> None:
    key.chmod(0o644)


def tighten(key: Path) -> None:
    key.chmod(0o600)


def take_away(key: Path) -> None:
    key.rename(key.with_suffix(".away"))


def bring_back(key: Path) -> None:
    key.with_suffix(".away").rename(key)


def cut(key: Path) -> None:
    key.with_suffix(".whole").write_bytes(key.read_bytes())
    key.write_bytes(key.read_bytes()[:-1])


def make_whole(key: Path) -> None:
    key.write_bytes(key.with_suffix(".whole").read_bytes())


def open_the_directory(key: Path) -> None:
    key.parent.chmod(0o755)


def shut_the_directory(key: Path) -> None:
    key.parent.chmod(0o700)


@pytest.mark.parametrize(
    ("damage", "mend"),
    [(loosen, tighten), (take_away, bring_back), (cut, make_whole), (open_the_directory, shut_the_directory)],
    ids=["loose", "missing", "short", "loose directory"],
)
def test_with_unusable_keys_fire_opens_nobody_is_accepted_and_service_begins_when_they_are_mended(
    tmp_path: Path, damage: Damage, mend: Damage
) -> None:
    with gate(tmp_path, double_tap_ms=0) as site:  # the same card comes again, as soon as the restart is over
        site.insert("gen3-chen")
        site.expect("decision", reason="granted")
        medium = site.records()[-1].entry.medium
        site.remove()
        assert site.terminal.stop() == 0
        opened = sum(change.on for change in site.relay().history)
        key = site.state_dir / "keys" / f"{MEDIUM_KEY}.key"
        damage(key)
        with started(site.config, site.devices) as again:
            site.terminal, site.seen = again, 0
            assert str(site.state_dir / "keys") in site.expect("out of service")["detail"]
            site.expect("device", device="card-field", state="ready")
            site.insert("gen3-chen")
            site.expect("show", en="Out of service; please use the next lane")
            site.remove()
            assert sum(change.on for change in site.relay().history) == opened
            site.press("fire", active=True)
            site.expect_relay("gate", on=True)
            site.expect("life-safety", reason="fire")
            site.press("fire", active=False)
            site.press("fire-reset", active=True)
            site.expect("life-safety", reason="fire-cleared")
            mend(key)
            site.expect("in service again")
            site.expect("ready")
            site.insert("gen3-chen")
            site.expect("decision", reason="granted")
            assert site.records()[-1].entry.medium == medium
            said = json.dumps(again.lines)
            assert "out-of-service" in said
            assert "Traceback" not in said
            assert again.stop() == 0


def test_a_terminal_that_nobody_enrolled_makes_its_keys_once_and_never_again(tmp_path: Path) -> None:
    with gate(tmp_path) as site:
        assert site.terminal.stop() == 0
        key = site.state_dir / "keys" / f"{MEDIUM_KEY}.key"
        key.unlink()
        with started(site.config, site.devices) as again:
            site.terminal, site.seen = again, 0
            site.expect("out of service")
            assert again.stop() == 0
        assert not key.exists()
