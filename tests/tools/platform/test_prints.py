"""A printed code, and the next one, which ends it by the issuer's status list; the token stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from agent.bundles.manifest import Kind
from agent.bundles.people import CardRegister
from agent.bundles.table import Table
from agent.credentials.ec1 import parse
from agent.keys import Role
from tools import bundles
from tools.cli.main import cli
from tools.platform.bundle_store import BundleStore, Latest
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.errors import PlatformError
from tools.platform.give_out import DAY_MS
from tools.platform.service import Layout

ZHANG, LI = "city:" + "1a" * 16, "city:" + "2b" * 16
ISSUER = 77
ROOT = Path(__file__).parents[3]


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


def test_a_print_that_cannot_be_written_leaves_the_old_code_and_takes_no_entry(home: Path) -> None:
    key = issuer(home, "--static")
    old = parse(printed(home, ZHANG, key)["text"]).issued
    for _ in range(2):
        failed = run(home, ZHANG, key, "--png", str(home / "missing" / "x.png"))
        assert failed.exit_code != 0
        assert revoked(home) == set()
    again = parse(printed(home, ZHANG, key)["text"]).issued
    assert again.status_index == old.status_index + 1
    assert revoked(home) == {old.status_index}


def test_a_code_is_neither_said_nor_drawn_before_the_database_has_it(home: Path) -> None:
    key, picture = issuer(home, "--static"), home / "code.png"
    assert run(home, ZHANG, key, "--png", str(picture)).exit_code == 0
    before = picture.read_bytes()

    def breaks(connection: sa.Connection) -> None:
        if connection.exec_driver_sql("SELECT count(*) FROM printed_code").scalar_one() == 2:
            raise OSError("the disk is gone")

    sa.event.listen(sa.Engine, "commit", breaks)
    try:
        failed = run(home, ZHANG, key, "--png", str(picture))
    finally:
        sa.event.remove(sa.Engine, "commit", breaks)
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert picture.read_bytes() == before
    assert run(home, ZHANG, key, "--png", str(picture)).exit_code == 0
    assert picture.read_bytes() != before
    assert not list(home.glob(".code*"))


def test_prints_side_by_side_leave_every_old_code_ended_and_every_version_its_own(home: Path) -> None:
    key = issuer(home, "--static")
    old = [parse(printed(home, who, key)["text"]).issued.status_index for who in (ZHANG, LI)]
    command = [sys.executable, "-P", "-c", "from tools.platform.commands import platform; platform()", "school", "code"]
    both = [
        subprocess.Popen(
            [*command, who, "--by", key, "--dir", str(home)],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL,
        )
        for who in (ZHANG, LI)
    ]  # fmt: skip
    assert [each.wait(60) for each in both] == [0, 0]
    assert revoked(home) == set(old)
    assert given(home)[f"status-{ISSUER}"].version == 4


def test_a_version_is_given_out_once(home: Path) -> None:
    key = issuer(home, "--static")
    printed(home, ZHANG, key)
    (form,) = given(home)[f"status-{ISSUER}"].forms
    store, first = BundleStore(Layout(home).bundles), form.path.read_bytes()
    store.add(form.path)
    signer = bundles.signer_of(Authority.at(Layout(home).keys).role_keys[Role.BUNDLE][0])
    issue = bundles.Issue(Kind.STATUS, f"status-{ISSUER}", 1, 1, 2, 0, "all")
    other = home / "other"
    other.write_bytes(bundles.full_bundle(issue, bundles.status_content(8, [1]), signer))
    with pytest.raises(PlatformError, match="other content"):
        store.add(other)
    assert form.path.read_bytes() == first


def test_the_term_that_the_operator_chose_stays(home: Path) -> None:
    key = issuer(home, "--static")
    printed(home, ZHANG, key)
    publish = ("register", "publish", "--dir", str(home), "--days", "90", "--grace-days", "5")
    assert CliRunner().invoke(platform, publish).exit_code == 0
    printed(home, LI, key)
    latest = given(home)["register-city"]
    term = latest.forms[0].manifest.term
    assert (latest.version, term.expires_ms - term.issued_ms, term.grace_ms) == (3, 90 * DAY_MS, 5 * DAY_MS)


def test_a_picture_is_written(home: Path) -> None:
    picture = home / "code.png"
    assert run(home, ZHANG, issuer(home, "--static"), "--png", str(picture)).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
