"""Carries out the platform's signed commands: each at most once, over every kill and every replay.

In this order:

1. a key of the role *command* that is in force signed it for this terminal's topic, and it is well formed
   (``unverified``); it names this terminal and the chain of its journal (``foreign``). What fails is an alarm, once a
   minute and cause, and leaves no record: a broker that forges at speed fills no disk;
2. its number is above the last one of the key that signed it. One that is not was dealt with: of the very last the
   result is told again, which is what the platform wants that asks again; one whose id is not among the latest ones
   is an alarm (``passed-number``); nothing else happens. A new key begins anew: a thief's numbers end with his;
3. it was not issued in the future, has not ended, may live so long, is of a known act and a lane that has an opening;
4. the record of kind ``command`` is on the disk, in one transaction with its number. It is there for a refusal too;
5. the act; and another record, which refers to the first, says what became of it. If that is missing at a start, the
   outcome is unknown and recorded as such, but for an act that was to begin anew: that is what it did.

While nobody vouches for the clock a command waits: its end cannot be told. Of those that wait the newest few are kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from agent import cose
from agent.bundles.check import MAX_AHEAD_MS
from agent.clock import Clock, RecordIds
from agent.command_reasons import COMMAND, CommandReason, Unanswerable
from agent.disk_waits import durable
from agent.lane_orders import LaneOrders
from agent.latest_command import SAVED_COMMAND, Latest
from agent.logs import log
from agent.memory import Memory
from agent.sync.complaints import Complaints
from agent.sync.contract import Alarm
from agent.sync.contract.commands import Command, CommandAct, Result, open_command
from agent.sync.contract.errors import ContractError
from offline_store.journal import Append
from offline_store.record import Entry
from offline_store.writer import JournalWriter
from profiles.api import ClockState

MAX_WAITING = 16
CLOCK_LOOK_S = 0.5
_BEGINS_ANEW = frozenset({CommandAct.RESTART.value, CommandAct.RE_READ.value})


@dataclass(frozen=True)
class CommandPorts:
    """What the service reaches out to; each is called on the event loop."""

    writer: JournalWriter
    memory: Memory
    clock: Clock
    signed_at: Callable[[int], None]
    """Told when something that is genuine was signed."""
    ids: RecordIds
    keys: Callable[[], Mapping[bytes, cose.VerifyKey]]
    """The platform's keys of the role *command* that are in force."""
    chain: Callable[[], Awaitable[bytes]]
    orders: LaneOrders
    reread: Callable[[], Awaitable[CommandReason]]
    """``DONE`` if the configuration is valid and another than the one in force, else why nothing need begin anew."""
    again: Callable[[], None]
    """Ends this process in good order, and begins anew."""
    report: Callable[[], bytes]
    tell: Callable[[Result], None]
    alarm: Callable[[Alarm], None]
    recorded: Callable[[int], None]


class Commands:
    """One task on the event loop; :meth:`heard` is called there."""

    def __init__(self, terminal: str, ports: CommandPorts) -> None:
        self._terminal = terminal
        self._ports = ports
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._arrived = asyncio.Event()
        self._complaints = Complaints(ports.clock)
        self._latest = Latest()
        self._log = log(terminal=terminal)

    def heard(self, payload: bytes) -> None:
        """Something came on ``down/command``."""
        self._waiting.append(payload)
        self._arrived.set()

    async def run(self) -> None:
        """Until cancelled. Raises ``StoreError`` for what the disk does not take; run again, it ends what was open."""
        await self._ports.memory.reload()
        self._latest = Latest.of(self._ports.memory.saved(SAVED_COMMAND)).counted_for(self._ports.keys())
        if self._latest.number and not self._latest.reason:
            began = self._latest.act in _BEGINS_ANEW
            await self._end(CommandReason.DONE if began else CommandReason.OUTCOME_UNKNOWN)
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            while self._ports.clock.state() is ClockState.UNTRUSTED:  # noqa: ASYNC110 - a clock tells nobody
                await asyncio.sleep(CLOCK_LOOK_S)
            await self._take(self._waiting.popleft())

    async def _take(self, payload: bytes) -> None:
        keys = self._ports.keys()
        try:
            command, kid = open_command(payload, keys, self._terminal)
        except ContractError:
            self._complain(Unanswerable.UNVERIFIED)
            return
        if command.terminal != self._terminal or command.chain_id != await self._ports.chain():
            self._complain(Unanswerable.FOREIGN)
            return
        self._latest = self._latest.counted_for(keys)
        if command.number <= self._latest.of_key(kid):
            if command.id == self._latest.id:
                self._tell()
            elif command.id not in self._latest.known:
                self._complain(Unanswerable.PASSED_NUMBER)
            return
        refusal = self._refusal(command)
        if refusal is not CommandReason.AHEAD:
            self._ports.signed_at(command.issued_ms)
        reason = refusal or CommandReason.ACCEPTED
        record_id = self._ports.ids.new()
        await self._begin(command, reason, self._latest.followed_by(command, kid, keys, record_id, reason))
        if refusal is not None:
            self._tell()
            return
        await self._end(await self._carry_out(command, record_id))

    def _refusal(self, command: Command) -> CommandReason | None:
        moment = self._ports.clock.moment()
        opens = command.act == CommandAct.OPEN
        latest_ms = moment.now_ms + moment.uncertainty_ms + MAX_AHEAD_MS
        checks = (
            (command.issued_ms <= latest_ms, CommandReason.AHEAD),
            (moment.now_ms - moment.uncertainty_ms < command.expires_ms, CommandReason.EXPIRED),
            (not command.lives_too_long, CommandReason.TOO_LONG),
            (command.act in set(CommandAct), CommandReason.NOT_KNOWN),
        )
        refusal = next((reason for holds, reason in checks if not holds), None)
        return self._ports.orders.refusal(command.lane) if refusal is None and opens else refusal

    async def _carry_out(self, command: Command, record_id: bytes) -> CommandReason:
        match command.act:
            case CommandAct.OPEN:
                return await self._ports.orders.open(command.lane or "", record_id, command.direction)
            case CommandAct.RESTART | CommandAct.RE_READ:
                return await self._begin_anew(always=command.act == CommandAct.RESTART)
        return CommandReason.DONE

    async def _begin_anew(self, *, always: bool) -> CommandReason:
        """A configuration with which it could not begin leaves it as it is."""
        reason = await self._ports.reread()
        if reason is CommandReason.DONE or (always and reason is CommandReason.UNCHANGED):
            self._ports.again()
            await asyncio.Event().wait()
        return reason

    async def _begin(self, command: Command, reason: CommandReason, latest: Latest) -> None:
        """The record that precedes the act, or refuses it."""
        public: dict[str, str | int] = {
            "command": command.id.hex(),
            "number": command.number,
            "act": command.act,
        }
        public |= {} if command.lane is None else {"lane": command.lane}
        public |= {} if command.direction is None else {"direction": command.direction.value}
        await self._record(latest.record_id, reason, public, latest)

    async def _end(self, reason: CommandReason) -> None:
        """What became of the last one."""
        latest = replace(self._latest, reason=reason.code)
        public: dict[str, str | int] = {"command": latest.id.hex(), "number": latest.number, "act": latest.act}
        await self._record(self._ports.ids.new(), reason, public, latest, latest.record_id)
        self._tell()

    async def _record(
        self,
        record_id: bytes,
        reason: CommandReason,
        public: Mapping[str, str | int],
        latest: Latest,
        refers_to: bytes | None = None,
    ) -> None:
        clock = self._ports.clock
        entry = Entry(
            id=record_id,
            kind=COMMAND,
            reason=reason.code,
            time_ms=clock.now_ms(),
            time_quality=clock.state().value,
            monotonic_ms=clock.monotonic_ms(),
            refers_to=refers_to,
            public=public,
        )
        appended = await durable(self._ports.writer.submit(Append((entry,), {SAVED_COMMAND: latest.saved()})))
        self._latest = latest
        self._log.info("command", reason=reason.code, seq=appended.records[-1].seq)
        self._ports.recorded(appended.records[-1].seq)

    def _tell(self) -> None:
        latest = self._latest
        reported = latest.act == CommandAct.REPORT and latest.reason == CommandReason.DONE.code
        report = self._ports.report() if reported else None
        self._ports.tell(Result(id=latest.id, reason=latest.reason, at_ms=self._ports.clock.now_ms(), report=report))

    def _complain(self, cause: Unanswerable) -> None:
        if (alarm := self._complaints.about("command-refused", cause.value)) is not None:
            self._log.warning("command refused", reason=cause.value)
            self._ports.alarm(alarm)
