"""Adding terminals and saying what they may ask for, as an operator types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding

from agent.cose import Es256Signer, VerifyKey
from agent.keys import FileKeyStore
from tests.tools.platform.chains import Desk, make_chain
from tools.cli.presets import preset_text
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.registrations import MAX_HOLDS, MAX_HOLDS_FEN
from tools.platform.revocation import is_revoked
from tools.platform.service import Layout
from tools.platform.store import Store


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONECARD_LANG", "en")
    assert typed(tmp_path, "init").exit_code == 0
    return tmp_path


def typed(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(platform, [*arguments, "--dir", str(directory)])


def registrations(directory: Path) -> dict[str, Any]:
    rows = json.loads(typed(directory, "terminal", "registrations", "--json").output)
    return {row.pop("terminal"): row for row in rows}


def certificates_that_count(directory: Path) -> list[bytes]:
    authority = Authority.at(Layout(directory).keys)
    return [each.public_bytes(Encoding.PEM) for each in authority.given("gate-1") if not is_revoked(authority, each)]


def test_a_terminal_is_registered_shown_and_forbidden(directory: Path) -> None:
    allowed = typed(directory, "terminal", "allow", "till-1", "--merchant", "canteen-1", "--fund", "subsidy",
                    "--account", "medical", "--holds", "5", "--holds-yuan", "99.50", "--balances-by-card")  # fmt: skip
    assert allowed.exit_code == 0, allowed.output
    assert "merchants canteen-1" in allowed.output
    assert registrations(directory) == {
        "till-1": {"merchants": ["canteen-1"], "funds": ["subsidy"], "accounts": ["medical"], "lines": [],
                   "subsidies": False,
                   "balances_by_card": True, "holds": 5, "holds_fen": 9950}
    }  # fmt: skip
    assert "canteen-1" in typed(directory, "terminal", "registrations").output
    assert typed(directory, "terminal", "forbid", "till-1").exit_code == 0
    gone = typed(directory, "terminal", "forbid", "till-1")
    assert (gone.exit_code, "not registered" in gone.output) == (1, True)
    assert registrations(directory) == {}


def test_what_a_terminal_may_ask_for_is_read_from_its_own_configuration(directory: Path) -> None:
    config = directory / "canteen.yaml"
    config.write_text(preset_text("canteen"), encoding="utf-8")
    assert typed(directory, "terminal", "allow", "till-1", "--config", str(config)).exit_code == 0
    found = registrations(directory)["till-1"]
    assert (found["merchants"], found["funds"]) == (["canteen-1"], ["subsidy"])
    assert (found["holds"], found["holds_fen"]) == (MAX_HOLDS, MAX_HOLDS_FEN)
    config.write_text("lanes: {}", encoding="utf-8")
    wrong = typed(directory, "terminal", "allow", "till-1", "--config", str(config))
    assert (wrong.exit_code, "terminal" in wrong.output) == (1, True)


def test_a_name_that_is_too_long_is_a_sentence(directory: Path) -> None:
    wrong = typed(directory, "terminal", "allow", "till-1", "--merchant", "m" * 65)
    assert (wrong.exit_code, "1 to 64 characters" in wrong.output) == (1, True)


def test_a_terminal_that_was_added_gets_no_second_set_of_keys_unasked(directory: Path) -> None:
    first, second = directory / "first", directory / "second"
    assert typed(directory, "terminal", "add", "till-1", "--to", str(first)).exit_code == 0
    refused = typed(directory, "terminal", "add", "till-1", "--to", str(second))
    assert (refused.exit_code, "added already" in refused.output) == (1, True)
    assert not second.exists()
    assert typed(directory, "terminal", "add", "till-1", "--to", str(second), "--replace").exit_code == 0
    assert (first / "tls.pem").read_bytes() != (second / "tls.pem").read_bytes()


@pytest.mark.parametrize(("how", "closed"), [("--replace", 1), ("--again", 0)])
def test_a_box_that_gets_anothers_place_by_hand_ends_the_former_one(directory: Path, how: str, closed: int) -> None:
    first, second = directory / "first", directory / "second"
    assert typed(directory, "terminal", "add", "gate-1", "--to", str(first)).exit_code == 0
    store, authority = Store.open(Layout(directory).database_url), Authority.at(Layout(directory).keys)
    desk, records = Desk(store, Es256Signer(authority.load_ack_key())), make_chain(6)
    desk.hello(records)
    desk.batch(records, 1, 3)
    done = typed(directory, "terminal", "add", "gate-1", "--to", str(second), how)
    assert done.exit_code == 0, done.output
    assert f"1 certificate revoked, {closed} chain" in done.output
    assert ("1 chain left open, as the same box's" in done.output) is not bool(closed)
    assert certificates_that_count(directory) == [(second / "tls.pem").read_bytes()]
    assert (desk.batch(records, 4, 6) is None) is bool(closed), (
        "the chain of another box is over, the same one's goes on"
    )
    store.close()


def test_another_box_gets_no_keys_while_the_former_one_cannot_be_ended(directory: Path) -> None:
    first, second = directory / "first", directory / "second"
    replace = ("terminal", "add", "gate-1", "--to", str(second), "--replace")
    assert typed(directory, "terminal", "add", "gate-1", "--to", str(first)).exit_code == 0
    failed = typed(directory, *replace, "--database", f"sqlite:///{directory}/nowhere/platform.db")
    assert (failed.exit_code, second.exists()) == (1, False), failed.output
    assert certificates_that_count(directory) == [(first / "tls.pem").read_bytes()]
    again = typed(directory, *replace)
    assert again.exit_code == 0, again.output
    assert certificates_that_count(directory) == [(second / "tls.pem").read_bytes()]


def test_a_replacement_that_was_cut_is_finished_in_the_same_words(directory: Path) -> None:
    first, second = directory / "first", directory / "second"
    replace = ("terminal", "add", "gate-1", "--to", str(second), "--replace")
    assert typed(directory, "terminal", "add", "gate-1", "--to", str(first)).exit_code == 0
    known = Authority.at(Layout(directory).keys).terminals / "gate-1.pem"
    former = known.read_bytes()
    assert typed(directory, *replace).exit_code == 0
    given = (second / "tls.pem").read_bytes()
    known.write_bytes(former)  # the last file that it writes is as before
    again = typed(directory, *replace)
    assert again.exit_code == 0, again.output
    assert certificates_that_count(directory) == [(second / "tls.pem").read_bytes()] != [given]
    authority = Authority.at(Layout(directory).keys)
    own = VerifyKey.of(FileKeyStore(second).checkpoint_public())
    assert authority.current_kid("gate-1") == own.kid
    complete = typed(directory, *replace)
    assert (complete.exit_code, "choose another directory for another box" in complete.output) == (1, True)
    old = typed(directory, "terminal", "add", "gate-1", "--to", str(first), "--replace")
    assert (old.exit_code, "choose another directory for another box" in old.output) == (1, True)


def test_another_box_is_no_box_that_is_there_and_none_that_never_was(directory: Path) -> None:
    first = directory / "first"
    unknown = typed(directory, "terminal", "add", "till-1", "--to", str(first), "--replace")
    assert (unknown.exit_code, "There is no terminal till-1 yet" in unknown.output) == (1, True)
    assert typed(directory, "terminal", "add", "till-1", "--to", str(first)).exit_code == 0
    before = (first / "tls.pem").read_bytes()
    same = typed(directory, "terminal", "add", "till-1", "--to", str(first), "--replace")
    assert (same.exit_code, "--again for new keys of the same box" in same.output) == (1, True)
    assert (first / "tls.pem").read_bytes() == before
    again = typed(directory, "terminal", "add", "till-1", "--to", str(first), "--again")
    assert again.exit_code == 0, again.output
    assert (first / "tls.pem").read_bytes() != before


@pytest.mark.parametrize(
    ("amount", "why"),
    [("-5", "below nothing"), ("0", "above 0"), ("0.00", "above 0"), ("12.345", "like 12.50"), ("-x", "like 12.50")],
)
def test_what_is_no_amount_to_pay_in_is_said_by_its_reason(directory: Path, amount: str, why: str) -> None:
    result = typed(directory, "account", "pay-in", f"city:{'0' * 32}", amount)
    assert result.exit_code == 2
    assert why in result.output
    assert not (directory / "platform.db").exists()


@pytest.mark.parametrize("came", [6, 4])
def test_a_retired_terminal_reads_as_retired_with_what_came_of_its_records(directory: Path, came: int) -> None:
    assert typed(directory, "terminal", "add", "gate-1", "--to", str(directory / "first")).exit_code == 0
    authority = Authority.at(Layout(directory).keys)
    store = Store.open(Layout(directory).database_url)
    desk, records = Desk(store, Es256Signer(authority.load_ack_key())), make_chain(6)
    desk.hello(records)
    desk.batch(records, 1, came)
    store.close()
    assert typed(directory, "terminal", "retire", "gate-1").exit_code == 0
    (row,) = json.loads(typed(directory, "status", "--json").output)["terminals"]
    assert (row["retired"], row["committed"], row["behind"]) == (True, came, 6 - came)
    assert "retired" in typed(directory, "status").output
    reconciled = typed(directory, "reconcile", "--json")
    assert (reconciled.exit_code, json.loads(reconciled.output)["behind"]) == (int(came < 6), {"gate-1": 6 - came})


def test_where_the_keys_are_elsewhere_nobody_is_taken_for_retired(directory: Path) -> None:
    store = Store.open(f"sqlite:///{directory}/elsewhere.db")
    with store.transaction() as transaction:
        transaction.seen("gate-1", 1)
    store.close()
    shown = typed(directory / "none", "status", "--json", "--database", f"sqlite:///{directory}/elsewhere.db")
    assert [row["retired"] for row in json.loads(shown.output)["terminals"]] == [False]
