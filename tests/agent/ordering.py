"""Commands, a key to sign them, and the service beside a lane in simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.clock import RecordIds
from agent.command_reasons import COMMAND, CommandReason
from agent.commands import CommandPorts, Commands
from agent.lane import Lane
from agent.lane_orders import LaneOrders
from agent.sync.contract import Alarm
from agent.sync.contract.commands import Command, Result, sign_command
from profiles.direction import Direction
from profiles.orders import OpenOnce
from tests.agent.seeded import SeededRandom
from tests.agent.simulated import SimulatedClock
from tests.agent.site import Site

TERMINAL = "gate-7"
SIGNER = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
KEYS = cose.keyring([cose.VerifyKey.of(SIGNER.key.public_key())])
COMMANDING = [
    Command(
        terminal=TERMINAL,
        chain_id=b"c" * 16,
        id=b"i" * 16,
        number=2**53 - 1,
        issued_ms=5,
        expires_ms=6,
        act="open",
        lane="north",
    ),
    Command(
        terminal=TERMINAL,
        chain_id=b"c" * 16,
        id=b"i" * 16,
        number=1,
        issued_ms=5,
        expires_ms=6,
        act="open",
        lane="north",
        direction=Direction.OUT,
    ),
    Command(terminal=TERMINAL, chain_id=b"c" * 16, id=b"i" * 16, number=1, issued_ms=5, expires_ms=6, act="restart"),
    Result(id=b"i" * 16, reason="command-done", at_ms=7),
    Result(id=b"i" * 16, reason="command-done", at_ms=7, report=b"r" * 12_288),
]


class Ordered:
    """A terminal of one gate that hears commands."""

    def __init__(self, directory: Path, start: int = 0) -> None:
        """``start`` counts those on one directory: time has gone on between them, and no id comes twice."""
        self.site = Site(directory, clock=SimulatedClock(1_795_406_400_000 + 5_000 * start))
        self.results: list[Result] = []
        self.alarms: list[Alarm] = []
        self.signed_at: list[int] = []
        self.begun_anew = 0
        self.keys = KEYS
        self.reread = CommandReason.DONE
        site = self.site
        self.orders = LaneOrders({"north"}, self._order, {"till"})
        ports = CommandPorts(
            writer=site.writer,
            memory=site.ports.memory,
            clock=site.clock,
            signed_at=self.signed_at.append,
            ids=RecordIds(site.clock, SeededRandom(2)),
            keys=lambda: self.keys,
            chain=self._chain,
            orders=self.orders,
            reread=self._reread,
            again=self._again,
            report=lambda: b"report",
            tell=self.results.append,
            alarm=self.alarms.append,
            recorded=lambda seq: None,
        )
        self.commands = Commands(TERMINAL, ports)
        site.ports = replace(site.ports, obeyed=self.orders.obeyed)
        self.lane: Lane = site.lane()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.lane.run()), asyncio.create_task(self.commands.run())]
        await asyncio.sleep(0.01)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def command(self, number: int = 1, act: str = "open", life_ms: int = 60_000, **changes: object) -> Command:
        now_ms = self.site.clock.now_ms()
        fields: dict[str, object] = {
            "terminal": TERMINAL,
            "chain_id": self.site.journal.head.chain_id,
            "id": number.to_bytes(16, "big"),
            "number": number,
            "issued_ms": now_ms,
            "expires_ms": now_ms + life_ms,
            "act": act,
            "lane": "north" if act == "open" else None,
        }
        return Command.model_validate(fields | changes)

    async def given(self, payload: bytes | Command, signer: cose.Es256Signer = SIGNER) -> None:
        """Have it heard, and time pass until all is over."""
        self.commands.heard(payload if isinstance(payload, bytes) else sign_command(payload, signer))
        await asyncio.sleep(1)

    @property
    def opened(self) -> int:
        return len(self.site.outputs.pulses)

    @property
    def told(self) -> list[str]:
        return [result.reason for result in self.results]

    def recorded(self) -> list[str]:
        return [record.entry.reason or "" for record in self.site.records() if record.entry.kind == COMMAND]

    async def _chain(self) -> bytes:
        return self.site.journal.head.chain_id

    def _order(self, lane: str, order: OpenOnce) -> None:
        self.lane.offer(order)

    async def _reread(self) -> CommandReason:
        return self.reread

    def _again(self) -> None:
        self.begun_anew += 1
