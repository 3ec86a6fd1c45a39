"""``onecard outbox``: what waits, beside a writer at work, and what the platform has."""

from __future__ import annotations

import json
from pathlib import Path

from offline_store.journal import Journal
from offline_store.outbox import Outbox
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill
from tests.tools.cli.test_journal import onecard, told


def test_it_tells_what_waits_beside_the_writer_and_what_the_platform_has(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    fill(journal, 40, first=1)
    facts = told("outbox", "--state-dir", tmp_path)
    outbox = Outbox.open(tmp_path)
    bodies = outbox.batch(0, 100, 1 << 20)
    assert (facts["waiting_records"], facts["waiting_bytes"]) == (41, sum(map(len, bodies)))
    assert (facts["acknowledged"], facts["acknowledged_made_ms"], facts["running"]) == (0, None, False)
    assert "acknowledged nothing yet" in onecard("outbox", "--state-dir", tmp_path).stdout

    hash_of_30 = outbox.hash_at(30)
    assert hash_of_30 is not None
    journal.acknowledge(outbox.position().chain_id, 30, hash_of_30)
    facts = told("outbox", "--state-dir", tmp_path)
    assert (facts["waiting_records"], facts["acknowledged"], facts["head"]) == (11, 30, 41)
    assert facts["waiting_bytes"] == sum(map(len, bodies[30:]))
    assert facts["acknowledged_made_ms"] <= facts["oldest_ms"]
    said = onecard("outbox", "--state-dir", tmp_path, lang="zh").stdout
    assert "待确认条数：11" in said
    assert "平台已确认到第 30 条" in said
    outbox.close()
    journal.close()


def test_a_directory_without_a_journal_is_one_sentence(tmp_path: Path) -> None:
    for state_dir, words in ((tmp_path, "there is no journal"), (tmp_path / "typo", "does not exist")):
        done = onecard("outbox", "--state-dir", state_dir)
        assert (done.returncode, words in done.stderr) == (1, True)


def test_what_waits_is_counted_over_several_portions(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    for first in range(1, 5_200, 100):
        fill(journal, 100, first=first)
    outbox = Outbox.open(tmp_path)
    waiting, numbers = outbox.waiting(), outbox.numbers()
    assert (waiting.records, waiting.body_bytes) == (numbers.records, numbers.body_bytes)
    assert (waiting.records > 5_000, waiting.oldest_ms) == (True, numbers.first_ms)
    outbox.close()
    journal.close()
    assert json.loads(onecard("outbox", "--state-dir", tmp_path, "--json").stdout)["waiting_records"] == waiting.records
