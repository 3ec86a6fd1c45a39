"""``onecard library reconcile``: every item once, in the words of a librarian, and what is left to a person marked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from offline_store.journal import Append, Journal
from offline_store.loans import Loan, LoanSettled
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock
from tools.cli.main import cli


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    journal = Journal.open(directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    rows = [("checkout", "send"), ("checkout", "send"), ("checkin", "look"), ("checkout", "withdraw")]
    loans = tuple(
        Loan(bytes([number]) * 16, "desk", "library", act, mode, f"31{number}", f"reader-{number}", START_MS)
        for number, (act, mode) in enumerate(rows)
    )
    settled = (
        LoanSettled(loans[0].id, "loan-told", START_MS + 5),
        LoanSettled(loans[1].id, "loan-refused", START_MS + 6, open_to_people=True),
    )
    journal.append([Append(loans=(*loans, *settled))])
    journal.close()
    return directory


def run(*arguments: str) -> list[str]:
    result = CliRunner(env={"LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8"}).invoke(cli, ["library", *arguments])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_each_item_has_a_line_and_the_last_one_counts_them(state_dir: Path) -> None:
    told, refused, look, withdraw, total = run("reconcile", "--state-dir", str(state_dir))
    assert told.startswith("  ")
    assert told.endswith("loan  310  the library was told afterwards and took it"), "whose it was is forgotten"
    assert refused.startswith("! ")
    assert "loan  311  reader-1  the library does not take what happened here" in refused
    assert look.endswith("return  312  reader-2  waits to be looked up")
    assert withdraw.endswith("waits to be withdrawn")
    assert total == "4 in all: 2 wait to be told, 1 for a person to settle"


def test_what_is_settled_can_be_left_out_and_the_list_bounded(state_dir: Path) -> None:
    assert [
        line.split()[-3:] for line in run("reconcile", "--open", "--limit", "1", "--state-dir", str(state_dir))
    ] == [
        ["to", "be", "withdrawn"],
        ["person", "to", "settle"],
    ]
    assert len(run("reconcile", "--open", "--state-dir", str(state_dir))) == 4


def test_a_machine_gets_every_field(state_dir: Path) -> None:
    rows = [json.loads(line) for line in run("reconcile", "--json", "--state-dir", str(state_dir))]
    assert [(row["item"], row["result"], row["patron"]) for row in rows][:2] == [
        ("310", "loan-told", None),
        ("311", "loan-refused", "reader-1"),
    ]
    assert rows[0]["settled_ms"] == START_MS + 5


def test_a_terminal_that_never_lent_anything_says_so(tmp_path: Path) -> None:
    Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1)).close()
    (said,) = run("reconcile", "--state-dir", str(tmp_path))
    assert said == "this terminal has no loans or returns to tell a library of"
