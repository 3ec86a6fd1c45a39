"""What others of this kind lose: a backlog at a broker, in memory, or by a change of the configuration."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise
from pathlib import Path

import yaml

from tests.faults import ROUNDS
from tests.faults.invariants import platform_has_it_all, resident_kb, whole_journal
from tests.faults.site import faulty_gate, tap
from tests.tools.platform.terminals import drained, running_terminal, until
from tools.platform.service import Platform

BACKLOG = 3_000
"""What a bridge with its default queue kept 1,000 of, and after a kill none."""
WARM_UP, TAPS = 20, 8 * ROUNDS
GROWTH_KB = 4_096


async def test_a_backlog_survives_a_broker_that_forgets_it_and_is_not_held_in_memory(
    platform: Platform, tmp_path: Path
) -> None:
    assert platform.broker is not None
    async with running_terminal(tmp_path, platform.authority, platform.endpoint, BACKLOG) as terminal:
        await until(lambda: terminal.outbox.position().acked_seq > 0)
        before_kb = resident_kb(os.getpid())
        platform.broker.kill()
        (tmp_path / "platform/broker/mosquitto.db").unlink(missing_ok=True)
        await asyncio.to_thread(terminal.decide, BACKLOG // 2)
        await asyncio.to_thread(platform.broker.start)
        await until(lambda: drained(terminal.outbox))
        assert resident_kb(os.getpid()) - before_kb < 10 * GROWTH_KB
        platform_has_it_all(platform.store, tmp_path / "journal")


def test_a_changed_configuration_keeps_the_backlog(tmp_path: Path) -> None:
    with faulty_gate(tmp_path) as site:
        assert tap(site)
        assert site.terminal.stop() == 0
        before = whole_journal(site.state_dir)
        document = yaml.safe_load(site.config.read_text())
        document["lanes"]["south"] = document["lanes"].pop("north-in")
        document["journal"] = {"retention_days": 0, "size_limit_mb": 64}
        site.config.write_text(yaml.safe_dump(document, allow_unicode=True))
        site.start()
        site.expect("ready")
        assert tap(site)
        assert site.terminal.stop() == 0
        assert whole_journal(site.state_dir)[: len(before)] == before


def test_memory_stays_flat_while_people_tap(tmp_path: Path) -> None:
    with faulty_gate(tmp_path) as site:
        sizes_kb = []
        for count in (WARM_UP, TAPS):
            assert all(tap(site) for _ in range(count))
            sizes_kb.append(resident_kb(site.terminal.pid))
        assert all(after - before < GROWTH_KB for before, after in pairwise(sizes_kb)), sizes_kb
