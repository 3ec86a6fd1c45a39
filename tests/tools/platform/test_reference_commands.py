"""Reference loans and foreign codes by hand, in the reader's language."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from tests.tools.platform.tills import LI
from tools.platform.commands import platform

READER = f"city:{LI[1].hex()}"


def run(directory: Path, *arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(platform, [*arguments, "--dir", str(directory)], input=text)


def test_a_loan_is_added_listed_and_taken_back(tmp_path: Path) -> None:
    assert run(tmp_path, "loans", "add", "31415926", READER, "--renewals", "2").exit_code == 0
    (loan,) = json.loads(run(tmp_path, "loans", "list", "--json").output)
    assert (loan["item"], loan["owner"], loan["renewals_left"]) == ("31415926", READER, 2)
    assert "31415926" in run(tmp_path, "loans", "list").output
    assert run(tmp_path, "loans", "add", "31415926", READER).exit_code == 1
    assert run(tmp_path, "loans", "return", "31415926").exit_code == 0
    assert run(tmp_path, "loans", "return", "31415926").exit_code == 1


def test_what_is_no_item_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for item in ("", "x" * 65, "a\tb"):
        refused = run(tmp_path, "loans", "add", item, READER)
        assert refused.exit_code == 1
        assert len(refused.output.splitlines()) == 1


def test_a_foreign_code_is_listed_by_its_digest_and_never_by_its_text(tmp_path: Path) -> None:
    code = "7" * 28
    assert run(tmp_path, "foreign-codes", "add", READER, "-", text=code + "\n").exit_code == 0
    assert run(tmp_path, "foreign-codes", "add", READER, "-", text=code).exit_code == 0
    listed = run(tmp_path, "foreign-codes", "list", "--json").output
    (row,) = json.loads(listed)
    assert row["owner"] == READER
    assert code not in listed + run(tmp_path, "foreign-codes", "list").output


def test_what_is_no_code_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for text in ("", "\n", "x" * 8_193):
        refused = run(tmp_path, "foreign-codes", "add", READER, "-", text=text)
        assert refused.exit_code == 1
        assert len(refused.output.splitlines()) == 1
