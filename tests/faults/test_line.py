"""Lines that stall, lag, break and are narrow: nothing is lost, nothing doubled, and the link says what is wrong."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from agent.sync.contract import Alarm
from agent.sync.link import LinkPhase
from agent.sync.pace import LEAST_KBIT_S
from agent.sync.uplink import UplinkSettings
from tests.faults import ROUNDS, SEED, SHORT_ROUNDS
from tests.faults.proxy import proxy_to
from tests.tools.platform.terminals import Running, drained, running_terminal, until
from tools.platform.broker import Endpoint
from tools.platform.reconcile import reconcile
from tools.platform.service import Platform

NOTICED_S = 25.0
"""Twice the shortest keepalive, and room for a slow machine."""
PASSAGES = 500


def is_whole(platform: Platform, terminal: Running) -> bool:
    """The platform has what the journal has, byte for byte, and nothing is open."""
    with platform.store.transaction() as transaction:
        report = reconcile(transaction)
        bodies = [row.body for chain in transaction.chains() for row in transaction.records(chain.chain_id)]
    journal: list[bytes] = []
    while portion := terminal.outbox.batch(len(journal), 5_000, 1 << 30):
        journal += portion
    return not report.is_open and bodies == journal


@pytest.mark.parametrize("side", ["deaf", "mute"])
async def test_a_connection_that_is_dead_on_one_side_is_noticed_and_nothing_is_lost(
    platform: Platform, tmp_path: Path, side: str
) -> None:
    async with (
        proxy_to(platform.endpoint.port) as proxy,
        running_terminal(tmp_path, platform.authority, Endpoint("localhost", proxy.port), 0, keepalive_s=5) as terminal,
    ):
        await until(lambda: drained(terminal.outbox))
        setattr(proxy, side, True)
        terminal.decide(PASSAGES)
        async with asyncio.timeout(NOTICED_S):
            while terminal.sync.status.link.phase is LinkPhase.UP:  # noqa: ASYNC110 - a state, not an event
                await asyncio.sleep(0.05)
        setattr(proxy, side, False)
        await until(lambda: drained(terminal.outbox))
        assert is_whole(platform, terminal)


async def test_a_line_that_lags_longer_than_an_answer_is_waited_for_drains_all_the_same(
    platform: Platform, tmp_path: Path
) -> None:
    """The patience grows until answers come within it, and no batch is stored twice."""
    delay_s = 2.0 if ROUNDS > SHORT_ROUNDS else 0.4
    patience_ms = round(delay_s * 1_000)
    impatient = UplinkSettings(answer_timeout_ms=patience_ms, answer_timeout_cap_ms=20 * patience_ms)
    async with (
        proxy_to(platform.endpoint.port) as proxy,
        running_terminal(
            tmp_path, platform.authority, Endpoint("localhost", proxy.port), 0, uplink=impatient
        ) as terminal,
    ):
        await until(lambda: drained(terminal.outbox))
        proxy.delay_s = delay_s
        terminal.decide(PASSAGES)
        await until(lambda: terminal.sync.status.counters.get("overdue", 0) > 0)
        await until(lambda: drained(terminal.outbox))
        proxy.delay_s = 0.0
        assert is_whole(platform, terminal)


async def test_a_line_that_breaks_again_and_again_loses_and_doubles_nothing(platform: Platform, tmp_path: Path) -> None:
    dice = random.Random(SEED)
    async with (
        proxy_to(platform.endpoint.port) as proxy,
        running_terminal(tmp_path, platform.authority, Endpoint("localhost", proxy.port), 0) as terminal,
    ):
        for _ in range(ROUNDS):
            before = proxy.carried_bytes
            await asyncio.to_thread(terminal.decide, PASSAGES)
            goal = before + dice.randint(500, 60_000)
            await until(lambda goal=goal: proxy.carried_bytes >= goal or drained(terminal.outbox))  # type: ignore[misc]
            proxy.cut()
        await until(lambda: drained(terminal.outbox))
        assert is_whole(platform, terminal)


async def test_an_alarm_passes_by_a_backlog_that_the_cap_holds_back(platform: Platform, tmp_path: Path) -> None:
    """It is there while what takes some ten seconds at that rate waits its turn."""
    async with running_terminal(
        tmp_path, platform.authority, platform.endpoint, 0, bandwidth_kbit_s=LEAST_KBIT_S
    ) as terminal:
        await until(lambda: drained(terminal.outbox))
        await asyncio.to_thread(terminal.decide, 6 * PASSAGES)
        terminal.sync.alarm(Alarm(code="forced-open", at_ms=1))
        await until(lambda: "forced-open" in alarms_of(platform))
        assert not drained(terminal.outbox)


def alarms_of(platform: Platform) -> set[str]:
    with platform.store.transaction() as transaction:
        return {row.code for row in transaction.alarms()}


async def test_the_cap_holds_the_journal_back(platform: Platform, tmp_path: Path) -> None:
    kbit_s, passages = 512, 1_500
    async with (
        proxy_to(platform.endpoint.port) as proxy,
        running_terminal(
            tmp_path, platform.authority, Endpoint("localhost", proxy.port), 0, bandwidth_kbit_s=kbit_s
        ) as terminal,
    ):
        await until(lambda: drained(terminal.outbox))
        before, started_s = proxy.carried_bytes, time.monotonic()
        await asyncio.to_thread(terminal.decide, passages)
        await until(lambda: drained(terminal.outbox))
        carried_kbit = (proxy.carried_bytes - before) * 8 / 1000
        # The last batch may leave at once; the rest at the rate, and TLS adds a little to each.
        assert carried_kbit <= kbit_s * (time.monotonic() - started_s) * 1.1 + 100 * 8
        assert terminal.sync.status.counters["batches"] > 5
        assert is_whole(platform, terminal)
