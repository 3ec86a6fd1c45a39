"""A running terminal's socket for acts of technicians: it asks for permits, records them, and then acts.

``<state>/service.sock``, mode 0600: the terminal's own user and root, asked of the kernel for each who connects. One
conversation at a time, of lines of JSON; an opening may name a ``"direction"``, ``"in"`` or ``"out"``:

=====================================================  ===============================================================
says who connects                                      says the terminal
=====================================================  ===============================================================
``{"act": "service-open", "lane": "north-in"}``        ``{"terminal", "challenge", "people"}``; or ``{"asked": false}``
``{"texts": ["ONECARD-ACT:…"]}``, where it is asked    ``{"record": hex, "became": code or null}``, or ``{"refusal"}``
=====================================================  ===============================================================

The record of the act is on the disk before the second answer, and before anything opens; the challenge ends with the
conversation. A terminal that was never told whose permits count records the act without a name.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from agent import cose
from agent.bundles.check import Place
from agent.clock import Clock, Random, RecordIds
from agent.disk_waits import durable
from agent.facts import Marks
from agent.lane_orders import LaneOrders
from agent.memory import Memory
from agent.permits import tries
from agent.permits.acts import NEEDS, ServiceAct
from agent.permits.desk import Answer, Now, answer, are_asked_for
from agent.permits.entries import unnamed_entry
from agent.permits.judge import Believed, Question, Span
from agent.permits.text import CHALLENGE_BYTES, MAX_TEXT_CHARS, challenge_text
from agent.threads import in_thread
from agent.unix_peers import bound, peer_uid
from offline_store.errors import StoreError
from offline_store.marks import Mark as StoredMark
from offline_store.writer import JournalWriter
from profiles.api import Mark
from profiles.direction import Direction

NAME = "service.sock"
MAX_LINE_BYTES = 4 * MAX_TEXT_CHARS
ANSWERED_S = 300.0
"""For this long a challenge waits: somebody walks to another device, and a second person to theirs."""
TALK_S = ANSWERED_S + 30.0
"""After the command that asks has given up by itself, and said so."""
AGAIN_S = 5.0
_ROOT = 0


@dataclass(frozen=True)
class ServicePorts:
    """What the socket reaches out to; each is called on the event loop."""

    writer: JournalWriter
    memory: Memory
    marks: Marks
    clock: Clock
    signed_ms: Callable[[], int]
    """The newest moment that anything signed carried."""
    ids: RecordIds
    random: Random
    place: Place
    keys: Path
    issuers: Callable[[], Mapping[bytes, cose.VerifyKey]]
    is_revoked: Callable[[bytes], bool]
    orders: LaneOrders
    recorded: Callable[[int], None]


class ServiceSocket:
    """One task on the event loop."""

    def __init__(self, state_dir: Path, ports: ServicePorts) -> None:
        self._state_dir = state_dir
        self._ports = ports
        self._busy = False

    async def run(self) -> None:
        """Serve until cancelled; where the socket cannot be made it is tried again."""
        while True:
            try:
                listening = await in_thread(partial(bound, self._state_dir / NAME, 0o600), "listen")
            except OSError:
                await asyncio.sleep(AGAIN_S)
                continue
            server = await asyncio.start_unix_server(self._talk, sock=listening, limit=MAX_LINE_BYTES)
            try:
                await asyncio.Event().wait()
            finally:
                server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._busy or peer_uid(writer.get_extra_info("socket")) not in (_ROOT, os.geteuid()):
            writer.close()
            return
        self._busy = True
        try:
            async with asyncio.timeout(TALK_S):
                await self._act(reader, writer)
        except (OSError, TimeoutError, ValueError, RecursionError, StoreError):
            writer.transport.abort()  # of whoever says what is no act, and where the disk does not take its record
        finally:
            self._busy = False
            writer.close()

    async def _act(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await _heard(reader)
        act, lane = _act_of(asked.get("act")), asked.get("lane")
        opens = act is ServiceAct.OPEN
        direction = _way_of(asked.get("direction"))
        if opens and (held := self._ports.orders.refusal(str(lane))) is not None:
            await _say(writer, {"refusal": held.code})
            return
        settled = await self._permitted(act, reader, writer)
        if settled.entry is not None and settled.refusal is None and opens:
            way = {} if direction is None else {"direction": direction.value}
            settled = settled.about({"lane": str(lane)} | way)
        if settled.entry is not None:
            appended = await durable(self._ports.writer.submit(settled.append))
            self._remember(settled.marks)
            self._ports.recorded(appended.records[-1].seq)
        if settled.refusal is not None or settled.entry is None:
            await _say(writer, {"refusal": None if settled.refusal is None else settled.refusal.code})
            return
        became = await self._ports.orders.open(str(lane), settled.entry.id, direction) if opens else None
        await _say(writer, {"record": settled.entry.id.hex(), "became": None if became is None else became.code})

    async def _permitted(self, act: ServiceAct, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
        ports = self._ports
        issuers = ports.issuers()
        if not are_asked_for(issuers, ports.keys):
            await _say(writer, {"asked": False})
            now = self._now()
            return Answer(None, unnamed_entry(act, now.record_id, now.moment, now.monotonic_ms))
        challenge = ports.random.token(CHALLENGE_BYTES)
        shown = {"challenge": challenge_text(challenge), "people": NEEDS[act].people}
        await _say(writer, {"terminal": ports.place.terminal, **shown})
        texts = (await _heard(reader)).get("texts")
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError("no texts")
        await ports.memory.settled()
        now = self._now()
        question = Question(act, ports.place, challenge, Span.of(now.moment, ports.signed_ms()))
        tally = ports.marks.get(tries.SCOPE, tries.KEY, now.moment.now_ms)
        return answer(texts, question, Believed(issuers, ports.is_revoked), tally, now)

    def _remember(self, marks: Iterable[StoredMark]) -> None:
        """What the disk has: nobody else is asked meanwhile."""
        kept = [Mark(m.scope, m.key, m.value, m.expires_ms) for m in marks if not isinstance(m.value, bytes)]
        self._ports.marks.put(kept, self._ports.clock.now_ms())

    def _now(self) -> Now:
        clock = self._ports.clock
        return Now(clock.moment(), clock.monotonic_ms(), self._ports.ids.new())


def _act_of(code: object) -> ServiceAct:
    """Raises ``ValueError`` for what is no act."""
    for act in ServiceAct:
        if act.code == code:
            return act
    raise ValueError("no such act")


def _way_of(name: object) -> Direction | None:
    """Raises ``ValueError`` for what is no direction."""
    return None if name is None else Direction(str(name))


async def _heard(reader: asyncio.StreamReader) -> dict[str, Any]:
    """A line. Raises ``ValueError`` for what is none."""
    said = json.loads(await reader.readline())
    if not isinstance(said, dict):
        raise ValueError("not an object")
    return said


async def _say(writer: asyncio.StreamWriter, said: Mapping[str, object]) -> None:
    writer.write(json.dumps(said).encode() + b"\n")
    await writer.drain()
