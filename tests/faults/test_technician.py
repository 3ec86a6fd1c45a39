"""A technician's own tools on a running terminal's journal: locks that stay, reads that never end, a second agent."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from offline_store.database import DATABASE_NAME
from tests.faults.invariants import pulses_follow_their_records, whole_journal
from tests.faults.site import faulty_gate, tap, wait_until

READS = 12


@contextmanager
def sqlite3_shell(database: Path, *statements: str) -> Iterator[None]:
    """Debian's ``sqlite3`` with a transaction that it does not end."""
    with subprocess.Popen(
        ["sqlite3", str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write("".join(f"{statement};\n" for statement in (*statements, "SELECT 'done'")))
        shell.stdin.flush()
        while shell.stdout.readline().strip() != "done":
            assert shell.poll() is None
        try:
            yield
        finally:
            shell.stdin.close()
            shell.wait()


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_lock_that_a_tool_holds_opens_nothing_and_ends_with_it(tmp_path: Path, lock: str) -> None:
    with faulty_gate(tmp_path) as site:
        assert tap(site)
        opened = sum(change.on for change in site.relay().history)
        with sqlite3_shell(site.state_dir / DATABASE_NAME, lock):
            assert not tap(site)
            assert not tap(site)
            assert sum(change.on for change in site.relay().history) == opened
            said = site.terminal.wait_for(lambda line: line.get("event") == "append failed", 0)
            assert said is not None
            assert "sqlite3 -readonly" in said[1]["detail"]
        wait_until(lambda: tap(site), "the gate works again")
        assert site.terminal.stop() == 0
        assert pulses_follow_their_records(whole_journal(site.state_dir), site.relay()) > opened


def test_a_read_that_never_ends_hinders_nobody(tmp_path: Path) -> None:
    """The log grows behind it, within its bound (``tests/offline_store/test_wal.py``), and shrinks when it ends."""
    with faulty_gate(tmp_path) as site:
        assert tap(site)
        with sqlite3_shell(site.state_dir / DATABASE_NAME, "BEGIN", "SELECT count(*) FROM record"):
            for _ in range(READS):
                assert tap(site)
        assert tap(site)
        assert site.terminal.stop() == 0
        whole_journal(site.state_dir)


def test_a_second_agent_on_the_same_store_is_refused_with_a_sentence_and_harms_nothing(tmp_path: Path) -> None:
    with faulty_gate(tmp_path) as site:
        assert tap(site)
        first, pid = site.terminal, site.terminal.pid
        site.start()
        ended = site.terminal.wait_for(lambda line: False, 20)
        said = " ".join(str(line["event"]) for line in site.terminal.lines)
        assert ended is None
        assert f"process {pid}" in said or str(pid) in said
        assert "Traceback" not in said
        site.terminal = first
        assert tap(site)
        assert first.stop() == 0
        whole_journal(site.state_dir)
