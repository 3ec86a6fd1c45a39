"""A printed code, and the next one, which ends it by the issuer's status list; the token stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.bundles.manifest import Kind
from agent.bundles.people import CardRegister
from agent.bundles.table import Table
from agent.credentials.ec1 import parse
from tools import bundles
from tools.cli.main import cli
from tools.platform.bundle_store import BundleStore, Latest
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.service import Layout

ZHANG, LI = "city:" + "1a" * 16, "city:" + "2b" * 16
ISSUER = 77


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONECARD_LANG", "en")
    Authority.init(Layout(tmp_path / "platform").keys)
    return tmp_path / "platform"


def issuer(home: Path, *more: str) -> str:
    (home / "school.key").unlink(missing_ok=True)
    (home / "school.row").unlink(missing_ok=True)
    row = ("--row", str(home / "school.row"))
    made = CliRunner().invoke(cli, ["code", "keygen", str(home / "school.key"), "--issuer", str(ISSUER), *more, *row])
    assert made.exit_code == 0, made.output
    return str(home / "school.key")


def run(home: Path, who: str, key: str, *more: str) -> Result:
    return CliRunner().invoke(platform, ["school", "code", who, "--by", key, "--dir", str(home), "--json", *more])


def printed(home: Path, who: str, key: str) -> dict[str, Any]:
    result = run(home, who, key)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.output))


def given(home: Path) -> dict[str, Latest]:
    return {each.name: each for each in BundleStore(Layout(home).bundles).latest()}


def content(latest: Latest) -> bytes:
    (full,) = [form for form in latest.forms if form.manifest.previous_version is None]
    return bundles.read_full(full.path).content


def revoked(home: Path) -> set[int]:
    bits = content(given(home)[f"status-{ISSUER}"])
    return {8 * place + bit for place, byte in enumerate(bits) for bit in range(8) if byte >> bit & 1}


def test_a_first_print_is_registered_and_the_next_ends_it_and_keeps_the_token(home: Path) -> None:
    key = issuer(home, "--static")
    first, other = printed(home, ZHANG, key), printed(home, LI, key)
    register = CardRegister(Table.open(content(given(home)["register-city"])), lambda _bits: frozenset())
    (holder,) = register.holders(bytes.fromhex(first["token"]))
    assert (holder.subject.id.hex(), holder.lost) == ("1a" * 16, False)
    assert revoked(home) == set()
    again = printed(home, ZHANG, key)
    assert (first["replaced"], again["replaced"]) == (False, True)
    assert again["token"] == first["token"] != other["token"]
    old, new = parse(first["text"]).issued, parse(again["text"]).issued
    assert (old.iat_h, old.status_index) < (new.iat_h, new.status_index)
    assert revoked(home) == {old.status_index}
    assert given(home)["register-city"].version == 2  # nobody new: nothing to tell
    assert {form.manifest.kind for form in given(home)[f"status-{ISSUER}"].forms} == {Kind.STATUS}


def test_an_issuer_that_may_not_print_and_one_of_another_namespace_print_nothing(home: Path) -> None:
    assert "may not issue static codes" in run(home, ZHANG, issuer(home)).output
    other = run(home, ZHANG, issuer(home, "--static", "--namespace", "school"))
    assert "speaks for school alone" in other.output
    assert (
        "at most 24" in run(home, ZHANG, issuer(home, "--static", "--max-ttl-hours", "24"), "--ttl-hours", "25").output
    )
    assert given(home) == {}


def test_a_picture_is_written(home: Path) -> None:
    picture = home / "code.png"
    assert run(home, ZHANG, issuer(home, "--static"), "--png", str(picture)).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
