"""The inventory of what is known about people is whole: what the code keeps stands there, and nothing that is gone."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from types import ModuleType

import agent.credentials
import agent.permits
import profiles
import tools.platform
from agent.permits.acts import SERVICE_ACT
from agent.records import CONTEXT, SERVICE
from agent.sync.contract.topics import Channel
from offline_store.checkpoint import CHECKPOINT
from offline_store.figures import UNRECORDED
from offline_store.genesis import GENESIS
from offline_store.record import CARRIED
from offline_store.rescue import DAMAGE
from offline_store.sealing import SEALING_KEY
from profiles.kinds import Kind
from profiles.rules.pin_tries import NOT_BEFORE
from tests.house import ROOT
from tools.platform.store import metadata

_OWN_KINDS = {CARRIED, CHECKPOINT, CONTEXT, DAMAGE, GENESIS, SEALING_KEY, SERVICE, SERVICE_ACT, UNRECORDED}


@cache
def _named() -> frozenset[str]:
    return frozenset(re.findall(r"`([^`]+)`", (ROOT / "docs/privacy.md").read_text(encoding="utf-8")))


def _modules(package: ModuleType) -> list[ModuleType]:
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [importlib.import_module(module.name) for module in found]


def _kept() -> dict[str, set[str]]:
    """Everything under which something is kept, by where it lies."""
    schema = "".join(path.read_text() for path in (ROOT / "offline_store/schema").glob("*.sql"))
    _modules(tools.platform)  # each file of it brings its tables
    scopes = {
        value
        for module in (*_modules(profiles), *_modules(agent.credentials), *_modules(agent.permits))
        for name, value in vars(module).items()
        if "SCOPE" in name and isinstance(value, str)
    }
    return {
        "tables of the terminal": set(re.findall(r"^CREATE TABLE (\w+)", schema, flags=re.MULTILINE)),
        "tables of the platform": set(metadata.tables),
        "kinds of records": {kind.value for kind in Kind} | _OWN_KINDS,
        "marks": scopes | {NOT_BEFORE},
        "messages": {channel.value for channel in Channel},
    }


def test_everything_that_is_kept_is_in_the_inventory() -> None:
    kept = _kept()
    assert all(kept.values())
    missing = {where: sorted(names - _named()) for where, names in kept.items()}
    assert {where: names for where, names in missing.items() if names} == {}, "tell of it in docs/privacy.md"


def test_the_inventory_names_no_table_that_is_gone() -> None:
    page = (ROOT / "docs/privacy.md").read_text(encoding="utf-8")
    table = page[page.index("| tables | what | how long |") :].split("\n\n", 1)[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(metadata.tables)
