"""A terminal's own questions over a real broker, and what its lanes hear: a balance, a renewal, whose a code is."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from agent.buffer import BufferState
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Manifest
from agent.clock import SystemRandom
from agent.questions import Questions
from agent.standing import standing
from agent.sync.link import LinkSettings
from agent.trusted_clock import TrustedClock
from agent.upward import Upward
from offline_store.journal import Journal
from offline_store.writer import Writer
from profiles.api import Ask, Subject
from profiles.questions import Answered, Balance, Declined, QueryBalance, Question, Renew, Renewed, Resolve, Resolved
from tests.tools.platform.terminals import PATIENCE_S, until
from tests.tools.platform.tills import LI
from tools.platform import foreign_codes, loans
from tools.platform.ledger import enter
from tools.platform.loans import DAY_MS
from tools.platform.register import Known, Register
from tools.platform.registrations import Registration, allow
from tools.platform.service import Platform

TERMINAL, CODE, ITEM = "library-1", "2" * 28, "31415926"
DEADLINE_MS = 10_000
READER, MEDIUM = Subject(*LI), b"m" * 16


def no_bundles(_envelope: bytes) -> Manifest:
    raise BundleError(BundleFault.SIGNATURE)


@contextlib.asynccontextmanager
async def questions(platform: Platform, directory: Path) -> AsyncIterator[Questions]:
    """The questions of a terminal that this platform enrolled, its link up."""
    random, clock = SystemRandom(), TrustedClock()
    writer = Writer(Journal.open(directory / "state", random.token(16), clock=clock, random=random))
    values = {"host": platform.endpoint.host, "port": platform.endpoint.port}
    upward = Upward(
        terminal=TERMINAL,
        settings=LinkSettings.model_validate(values),
        state_dir=directory / "state",
        writer=writer,
        keys=platform.authority.provision(TERMINAL, directory / "keys"),
        standing=lambda: standing(TERMINAL, "c0ffee", clock.moment(), (), BufferState(4096, 37), 0, (), None, {}),
        rings=lambda: None,
        judge=no_bundles,
        clock=clock,
        random=random,
    )
    running = asyncio.create_task(upward.run())
    try:
        await until(lambda: _greeted(upward))
        yield upward.questions
    finally:
        upward.stop()
        await running
        assert writer.close(PATIENCE_S)


def _greeted(upward: Upward) -> bool:
    """The platform has answered the hello: its subscriptions stand, and so do ours."""
    metrics = upward.metrics()
    return metrics is not None and metrics.round_trip_ms is not None


async def ask(asked: Questions, question: Question) -> object:
    """What a lane hears of it."""
    heard: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    asked.ask(Ask(question, DEADLINE_MS, b"a" * 16, MEDIUM, READER), heard.set_result)
    said = await heard
    assert isinstance(said, Answered), said
    return said.answer


async def test_a_terminal_asks_for_a_balance_a_renewal_and_a_codes_holder(platform: Platform, tmp_path: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    with platform.store.transaction() as transaction:
        enter(transaction, LI, 1250, now_ms)
        loans.add(transaction, ITEM, LI, now_ms + DAY_MS, 30, 1)
        foreign_codes.add(transaction, CODE, LI, now_ms + DAY_MS)
        Register(transaction).put(Known(MEDIUM, LI), now_ms)
        allow(transaction, TERMINAL, Registration(balances_by_card=True))
    async with questions(platform, tmp_path) as asked:
        assert await ask(asked, QueryBalance()) == Balance(1250)
        assert await ask(asked, Renew(ITEM)) == Renewed(now_ms + 31 * DAY_MS)
        assert await ask(asked, Renew("2718")) == Declined("loan-unknown")
        assert await ask(asked, Resolve(CODE)) == Resolved(*LI)
        assert await ask(asked, Resolve("1" * 28)) == Declined("code-unknown")
