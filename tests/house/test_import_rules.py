"""The rules of who may import whom bite: each is broken once, in a house of one-line modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import PACKAGES, ROOT

_LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
_ALLOWED = {
    "agent.lane": "import drivers.pcsc, offline_store.journal, profiles.gate",
    "agent.sync.link": "import paho",
    "drivers.pcsc": "import serial, smartcard, pymodbus, time, threading",
    "offline_store.journal": "import sqlite3, sqlite_utils",
    "profiles.gate": "import enum, dataclasses, datetime, profiles.rules",
    "profiles.rules": "import pydantic",
    "tools.bench.raw_drain": "import paho",
    "tools.cli": "import agent.lane",
    "tools.platform.store": "import sqlalchemy, paho",
}


def _build(house: Path, modules: dict[str, str]) -> None:
    for package in (*PACKAGES, "tests"):
        (house / package).mkdir()
        (house / package / "__init__.py").touch()
    for module, source in modules.items():
        *parents, name = module.split(".")
        folder = house.joinpath(*parents)
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
        (folder / f"{name}.py").write_text(source + "\n")


def _lint(house: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [_LINT_IMPORTS, "--config", ROOT / "pyproject.toml", "--no-cache", *options]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)


def test_a_house_that_keeps_the_rules_passes(tmp_path: Path) -> None:
    _build(tmp_path, _ALLOWED)
    result = _lint(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        ("house", "agent.terminal", "import tools.cli"),
        ("house", "drivers.relay", "import agent.lane"),
        ("house", "drivers.relay", "import profiles.gate"),
        ("house", "profiles.canteen", "import offline_store.journal"),
        ("house", "offline_store.outbox", "import drivers.pcsc"),
        ("house", "offline_store.outbox", "import tools.cli"),
        ("house", "tools.bench.tap", "import tests"),
        ("pure-profiles", "profiles.canteen", "from time import time"),
        ("pure-profiles", "profiles.canteen", "import random"),
        ("pure-profiles", "profiles.rules", "from pathlib import Path"),
        ("hardware", "agent.lane", "import serial.tools"),
        ("hardware", "tools.bench.tap", "from smartcard.System import readers"),
        ("sqlite", "agent.facts", "import sqlite3"),
        ("sqlite", "drivers.relay", "import sqlite_utils"),
        ("mqtt", "agent.lane", "import paho.mqtt.client"),
        ("mqtt", "tools.cli", "import paho.mqtt.client"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, rule: str, module: str, source: str) -> None:
    _build(tmp_path, {**_ALLOWED, module: source})
    result = _lint(tmp_path, "--contract", rule)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout, result.stdout + result.stderr
