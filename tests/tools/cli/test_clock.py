"""``onecard clock``: what a terminal knows of the time, and a floor that was raised by a lie."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from agent.clock import SystemClock, SystemRandom
from agent.kernel_time import KernelTime, boot_id
from agent.timekeeper import SAVED_KEY
from agent.trusted_clock import STEADY_MS, TrustedClock
from offline_store.journal import Append, Journal
from offline_store.outbox import Outbox
from offline_store.record import Record
from tests.tools.cli import in_process

DAY_MS = 86_400_000
SIGNED_MS = 1_790_000_000_000
LIE_MS = SIGNED_MS + 4000 * DAY_MS


def onecard(*arguments: str, lang: str = "en", answer: str = "") -> tuple[int, str]:
    environment = {"ONECARD_LANG": lang}
    done = in_process.onecard(Path.cwd(), "clock", *arguments, stdin=answer, environment=environment)
    return done.exit_code, done.out + done.err


@pytest.fixture
def poisoned(tmp_path: Path) -> Path:
    """The state of a terminal whose daemon lied for a quarter of an hour; another boot, as after a long way home."""
    boot_ms = [0]
    clock = TrustedClock(lambda: KernelTime(LIE_MS + boot_ms[0], boot_ms[0], synchronised=True, max_error_ms=5))
    clock.signed_at(SIGNED_MS)
    clock.keep()
    boot_ms[0] = STEADY_MS
    clock.keep()
    assert clock.floor_ms > LIE_MS
    journal = Journal.open(tmp_path, boot_id(), clock=SystemClock(), random=SystemRandom())
    journal.append([Append(saves={SAVED_KEY: clock.saved(b"b" * 16)})])
    journal.close()
    return tmp_path


def known(state_dir: Path) -> dict[str, Any]:
    code, said = onecard("show", "--state-dir", str(state_dir), "--json")
    assert code == 0
    facts: dict[str, Any] = json.loads(said)
    return facts


def last_record(state_dir: Path) -> Record:
    outbox = Outbox.open(state_dir)
    try:
        return Record.from_bytes(outbox.batch(outbox.position().head_seq - 1, 1, 100_000)[0])
    finally:
        outbox.close()


def test_it_shows_time_floor_and_newest_signature(poisoned: Path) -> None:
    facts = known(poisoned)
    assert facts["floor_ms"] == LIE_MS + STEADY_MS - 5
    assert facts["signed_ms"] == SIGNED_MS
    assert facts["state"] == "untrusted"
    code, said = onecard("show", "--state-dir", str(poisoned), lang="zh")
    assert code == 0
    assert "不可信" in said
    assert "最新的签名：2026-" in said


def test_the_floor_goes_back_to_the_newest_signature_and_the_journal_keeps_it(poisoned: Path) -> None:
    code, said = onecard("reset-floor", "--state-dir", str(poisoned), "--yes")
    assert code == 0
    assert "back to 2026-" in said
    assert known(poisoned)["floor_ms"] == SIGNED_MS
    entry = last_record(poisoned).entry
    assert (entry.kind, entry.reason) == ("service", "floor-reset")
    assert entry.public == {"floor_ms": LIE_MS + STEADY_MS - 5, "new_floor_ms": SIGNED_MS}


def test_it_asks_first_and_a_no_changes_nothing(poisoned: Path) -> None:
    before = last_record(poisoned)
    assert onecard("reset-floor", "--state-dir", str(poisoned), answer="n\n")[0] == 1
    assert onecard("reset-floor", "--state-dir", str(poisoned), answer="")[0] == 1
    assert last_record(poisoned) == before


def test_a_floor_that_was_signed_stays_and_nothing_is_recorded(poisoned: Path) -> None:
    onecard("reset-floor", "--state-dir", str(poisoned), "--yes")
    before = last_record(poisoned)
    code, said = onecard("reset-floor", "--state-dir", str(poisoned), "--yes")
    assert code == 0
    assert "stays" in said
    assert last_record(poisoned) == before


def test_where_there_is_no_floor_nothing_is_reset(tmp_path: Path) -> None:
    Journal.open(tmp_path, boot_id(), clock=SystemClock(), random=SystemRandom()).close()
    code, said = onecard("reset-floor", "--state-dir", str(tmp_path), "--yes")
    assert (code, "no floor" in said) == (0, True), said


def test_a_running_terminal_keeps_its_floor(poisoned: Path) -> None:
    holder = Journal.open(poisoned, boot_id(), clock=SystemClock(), random=SystemRandom())
    try:
        code, said = onecard("reset-floor", "--state-dir", str(poisoned), "--yes")
    finally:
        holder.close()
    assert code == 1
    assert str(os.getpid()) in said
    assert known(poisoned)["floor_ms"] > LIE_MS


@pytest.mark.parametrize("command", ["show", "reset-floor"])
def test_a_directory_without_a_journal_is_named_and_stays_as_it_is(command: str, tmp_path: Path) -> None:
    code, said = onecard(command, "--state-dir", str(tmp_path / "typo"))
    assert code == 1
    assert "no terminal's journal" in said
    assert not (tmp_path / "typo").exists()


def test_damaged_knowledge_is_said_and_can_be_reset(poisoned: Path) -> None:
    journal = Journal.open(poisoned, boot_id(), clock=SystemClock(), random=SystemRandom())
    journal.append([Append(saves={SAVED_KEY: b"\xff"})])
    journal.close()
    code, said = onecard("show", "--state-dir", str(poisoned))
    assert code == 0
    assert "damaged" in said
