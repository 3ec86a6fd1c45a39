"""Workers side by side on one PostgreSQL: each record once, whoever dies, and every terminal served."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from agent.sync.contract import Address
from offline_store.outbox import Outbox
from tests.tools.platform.terminals import drained, terminal, until
from tools.platform import shards as sharding
from tools.platform.errors import PlatformError
from tools.platform.service import Platform, Settings
from tools.platform.shards import EVERY, Served
from tools.platform.store import Store

ROOT = Path(__file__).parents[3]
PASSAGES = 1_000
HALVES = ("00-7f", "80-ff")


def names() -> list[str]:
    """Two terminals of each half of the shards."""
    known = [f"gate-{number}" for number in range(40)]
    lower = [name for name in known if Address(name).shard < "80"]
    return [*lower[:2], *[name for name in known if name not in lower][:2]]


@contextmanager
def worker(directory: Path, url: str, number: int, shards: str) -> Iterator[subprocess.Popen[str]]:
    """`onecard platform worker` as a process of its own, ready."""
    program = "from tools.platform.commands import platform; platform()"
    arguments = ["worker", "--number", str(number), "--shards", shards, "--database", url, "--dir", str(directory)]
    environment = os.environ | {"ONECARD_LANG": "en", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == f"worker {number} is ready\n"
            yield process
        finally:
            process.terminate()
            process.wait(20)


def committed(url: str) -> dict[str, list[bytes]]:
    store = Store.open_for_reading(url)
    try:
        with store.transaction() as transaction:
            chains = transaction.chains()
            return {each.terminal: [row.body for row in transaction.records(each.chain_id)] for each in chains}
    finally:
        store.close()


def alarms(url: str) -> set[str]:
    store = Store.open_for_reading(url)
    try:
        with store.transaction() as transaction:
            return {row.code for row in transaction.alarms()}
    finally:
        store.close()


def journal_of(outbox: Outbox) -> list[bytes]:
    return outbox.batch(0, 5_000, 100_000_000)


@contextmanager
def platform_of(directory: Path, url: str) -> Iterator[Platform]:
    """A platform whose own worker serves nobody in these tests: shard ff holds none of the terminals."""
    assert all(Address(name).shard != "ff" for name in names())
    with Platform.start(directory, Settings(database=url, shards=("ff",))) as running:
        yield running


async def test_two_workers_share_the_shards_and_the_result_equals_the_journals(
    tmp_path: Path, postgres_url: str
) -> None:
    with (
        platform_of(tmp_path / "platform", postgres_url) as platform,
        worker(tmp_path / "platform", postgres_url, 1, HALVES[0]),
        worker(tmp_path / "platform", postgres_url, 2, HALVES[1]),
    ):
        async with AsyncExitStack() as stack:
            outboxes = {}
            for name in names():
                one = terminal(tmp_path / name, platform.authority, platform.endpoint, PASSAGES, name)
                outboxes[name] = await stack.enter_async_context(one)
            await until(lambda: all(map(drained, outboxes.values())))
            assert committed(postgres_url) == {name: journal_of(outbox) for name, outbox in outboxes.items()}
    assert alarms(postgres_url) == set()


async def test_a_worker_that_is_killed_loses_nothing_and_one_that_overlaps_doubles_nothing(
    tmp_path: Path, postgres_url: str
) -> None:
    with (
        platform_of(tmp_path / "platform", postgres_url) as platform,
        worker(tmp_path / "platform", postgres_url, 1, "00-ff") as victim,
        worker(tmp_path / "platform", postgres_url, 2, "00-ff"),
    ):
        async with AsyncExitStack() as stack:
            outboxes = {}
            for name in names():
                one = terminal(tmp_path / name, platform.authority, platform.endpoint, PASSAGES, name)
                outboxes[name] = await stack.enter_async_context(one)
            await until(lambda: len(committed(postgres_url)) > 1)
            await asyncio.to_thread(victim.kill)
            await until(lambda: all(map(drained, outboxes.values())))
            assert committed(postgres_url) == {name: journal_of(outbox) for name, outbox in outboxes.items()}
    assert alarms(postgres_url) == set()


def test_shards_are_written_as_ranges() -> None:
    assert sharding.parse("00-01, fe") == ("00", "01", "fe")
    assert sharding.parse("00-FF") == EVERY
    for text in ("", "0", "00-", "10-0f", "gg", "00-100", "-"):
        with pytest.raises(PlatformError):
            sharding.parse(text)


def test_a_worker_knows_which_shards_it_serves_no_more(tmp_path: Path) -> None:
    served = Served(tmp_path / "workers", 3)
    assert served.former(("00",)) == ()
    served.note(("00", "01", "02"))
    assert Served(tmp_path / "workers", 3).former(("01", "05")) == ("00", "02")
    assert served.former(EVERY) == ("00", "01", "02")
