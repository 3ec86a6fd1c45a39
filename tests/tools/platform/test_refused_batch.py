"""A terminal's batch that the platform refuses: shown, inspected, and taken after the mend, with the real parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from offline_store.record import Record
from tests.tools.platform.terminals import TERMINAL, drained, running_terminal, until
from tools.platform.broker import Endpoint
from tools.platform.commands import platform as command
from tools.platform.service import Platform
from tools.platform.store import record_table

NOWHERE = Endpoint("localhost", 1)
FOREIGN = b"f" * 16
"""The chain of a terminal that claimed a record which is not its own."""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONECARD_LANG", "en")
    return tmp_path / "platform"


def typed(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["dead-letters", *arguments, "--dir", str(directory)])


def letters(directory: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(typed(directory, "list", "--json").output)
    return found


async def test_a_refused_batch_is_shown_inspected_and_taken_after_the_mend(
    platform: Platform, directory: Path, tmp_path: Path
) -> None:
    async with running_terminal(tmp_path, platform.authority, NOWHERE, 50) as away:
        second = Record.from_bytes(away.outbox.batch(1, 1, 1 << 20)[0])
    with platform.store.transaction() as transaction:
        claimed = {"chain_id": FOREIGN, "seq": 1, "id": second.entry.id, "hash": bytes(32), "kind": "passage",
                   "time_ms": 1, "received_ms": 1, "body": b"-"}  # fmt: skip
        transaction.connection.execute(sa.insert(record_table).values(claimed))
    async with running_terminal(tmp_path, platform.authority, platform.endpoint, 0) as terminal:
        await until(lambda: bool(letters(directory)))
        (letter,) = letters(directory)
        assert (letter["terminal"], letter["reason"]) == (TERMINAL, "duplicate-id")
        assert TERMINAL in typed(directory, "list").output
        shown = typed(directory, "show", str(letter["id"])[:12])
        assert shown.exit_code == 0
        assert "bears the id of another" in shown.output
        assert "content: {" in shown.output
        early = typed(directory, "replay", "--all")
        assert (early.exit_code, early.output.strip()) == (1, "0 taken, 1 stay.")
        assert terminal.outbox.position().acked_seq == 0, "the terminal keeps what was not acknowledged"
        with platform.store.transaction() as transaction:
            transaction.connection.execute(sa.delete(record_table).where(record_table.c.chain_id == FOREIGN))
        replayed = typed(directory, "replay", str(letter["id"])[:12])
        assert (replayed.exit_code, replayed.output.strip()) == (0, "1 taken (51 new records), 0 stay.")
        await until(lambda: drained(terminal.outbox))
        assert letters(directory) == []
    with platform.store.transaction() as transaction:
        (chain,) = transaction.chains(TERMINAL)
        assert chain.seq == 51
