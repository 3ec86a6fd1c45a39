"""A terminal in simulated time: lanes, profiles, verifier, journal and uplink are those of the real one.

What it leaves out is threads, devices and the broker: readings are handed to the lanes, pulses are noted and confirmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, cast

from agent import cose
from agent.backoff import Backoff
from agent.clock import RecordIds
from agent.command_reasons import COMMAND, CommandReason
from agent.config import Resolved, profile_type
from agent.credentials.register import SiteRegister
from agent.credentials.verify import Verifier
from agent.day_keys import DayKeys
from agent.devices import Conditions
from agent.facts import Marks, TerminalFacts
from agent.handover import IdentityBox
from agent.lane import Lane
from agent.lane_ports import LanePorts
from agent.memory import Memory
from agent.screen import NoScreen
from agent.sip2.library import Library
from agent.sip2.ports import NoLibrary
from agent.sip2.upload import Uploader
from agent.store_health import JournalCondition
from agent.sync.contract.commands import CommandAct
from drivers.api import Pulse
from offline_store.checkpoint import Signatory
from offline_store.journal import Append, Journal
from offline_store.loans import Loan, latest, waiting
from offline_store.outbox import Outbox
from offline_store.record import Entry, Record
from offline_store.writer import InlineWriter
from profiles.api import Profile, Show, Tone
from profiles.direction import Direction
from profiles.handover import Undelivered
from profiles.orders import OpenOnce
from profiles.reasons import ReasonEnum, Sentence
from tools.days.shelf import Shelf
from tools.days.simulated import SeededRandom, SimulatedClock
from tools.days.town import Bank, Town, mac
from tools.days.wire import Wire

Wrap = Callable[[Profile[Any]], Profile[Any]]
"""Puts something around each lane's profile; a bench counts there."""
CONFIRMS_S = 0.02
COUNTER_WAITS_S = 20.0
MAX_LOANS = 10_000
_PORTION = 500
_PORTION_BYTES = 1_000_000


@dataclass
class Noted:
    """What people saw and heard since it was taken last."""

    pulses: list[str] = field(default_factory=list)
    shown: list[Show] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)

    def show(self, shown: Show) -> None:
        """Something stands on the screen."""
        self.shown.append(shown)

    def take(self) -> Noted:
        """All of it, and begin anew."""
        taken = Noted(self.pulses, self.shown, self.alarms)
        self.pulses, self.shown, self.alarms = [], [], []
        return taken


@dataclass(frozen=True)
class Place:
    """What outlives a power cut: the disk, the keys, the town around."""

    directory: Path
    resolved: Resolved
    town: Town
    bank: Bank
    clock: SimulatedClock
    signer: cose.Signer
    shelf: Shelf
    random: SeededRandom = field(default_factory=SeededRandom)
    noted: Noted = field(default_factory=Noted)


class Terminal:
    """One life of a terminal, from a start to a stop or a power cut."""

    def __init__(self, place: Place, wrap: Wrap) -> None:
        self._place = place
        config, random = place.resolved.config, place.random
        ids, marks = RecordIds(place.clock, random), Marks()
        self._ids = ids
        journal = Journal.open(place.directory, random.token(16), clock=place.clock, random=random)
        journal.sign_with(Signatory(config.terminal.id, place.signer))
        journal.seal_with(DayKeys(config.terminal.id, lambda: place.bank.sealing, ids.new, random))
        self._writer = InlineWriter(journal)
        self._outbox = Outbox.open(place.directory)
        self.wire = Wire(config.terminal.id, self._outbox, self._writer, place.bank, place.clock, random)
        zone = timezone(timedelta(minutes=config.terminal.utc_offset_minutes))
        memory = Memory(self._writer, marks, place.clock, Backoff(random))
        library = self._library(ids, memory, zone)
        ports = LanePorts(
            # In a day's simulated time records reach the platform at once, as long as there is a network.
            facts=lambda: TerminalFacts(
                place.clock, ids, marks, zone, place.town.lists.person, place.town.lists, lambda: self.wire.is_up
            ),
            marks=marks,
            writer=self._writer,
            memory=memory,
            outputs=_Outputs(place.noted),
            journal=JournalCondition(Conditions(()), lambda reason: self._alarm("", reason, b""), lambda: 0),
            recorded=self.wire.recorded,
            alarm=self._alarm,
            asker=self.wire.questions,
            shown=place.noted.show,
            library=NoLibrary() if library is None else library,
            screen=_Screen(place.noted),
        )
        verifier = Verifier(mac, SiteRegister(()), lambda: place.town.lists, config.terminal.site or "")
        self.lanes: dict[str, Lane] = {}
        self.profiles: dict[str, Profile[Any]] = {}
        self._boxes: dict[str, IdentityBox] = {}
        self._takers: set[asyncio.Task[None]] = set()
        for name, settings in config.lanes.items():
            profile = wrap(cast("Any", profile_type(settings.profile))(place.resolved.profiles[name]))
            self.profiles[name] = profile
            if settings.counter is not None:
                self._boxes[name] = IdentityBox()
            own = ports if settings.counter is None else replace(ports, counter=self._boxes[name])
            self.lanes[name] = Lane(name, profile, own, settings.append_deadline_ms)
            self.lanes[name].begin_service(verifier)
        self._tasks = [asyncio.create_task(lane.run(), name=name) for name, lane in self.lanes.items()]
        self._lending = None if library is None else asyncio.create_task(library.run(), name="library")

    def _library(self, ids: RecordIds, memory: Memory, zone: tzinfo) -> Library | None:
        """The library's own system, where the scene has one."""
        place, settings = self._place, self._place.resolved.config.library
        if settings is None:
            return None
        uploader = Uploader(self._waiting, self._writer, place.clock, ids, self.wire.recorded, self._alarm)
        connect = place.shelf.connector(lambda: self.wire.is_up)
        pauses = Backoff(place.random)
        return Library(settings, zone, uploader, place.clock, pauses, lambda _: None, memory.reload, connect)

    def order(self, lane: str, direction: Direction) -> None:
        """The operator's command arrives: its record first, then the lane."""
        clock, record_id = self._place.clock, self._ids.new()
        entry = Entry(
            id=record_id,
            kind=COMMAND,
            reason=CommandReason.ACCEPTED.code,
            time_ms=clock.now_ms(),
            time_quality=clock.state().value,
            monotonic_ms=clock.monotonic_ms(),
            public={"act": CommandAct.OPEN.value, "lane": lane, "direction": direction.value},
        )
        appended = self._writer.submit(Append((entry,))).result()
        self.wire.recorded(appended.records[-1].seq)
        self.lanes[lane].offer(OpenOnce(record_id, direction))

    def counter_takes(self, lane: str, *, breaks: bool) -> None:
        """A counter's software asks, and waits a while; ``breaks``: it never says that it has what it got."""

        async def take() -> None:
            delivery = await self._boxes[lane].take(COUNTER_WAITS_S)
            if delivery is not None:
                delivery.ended(Undelivered.UNCONFIRMED if breaks else Undelivered.NONE)

        taker = asyncio.create_task(take())
        self._takers.add(taker)
        taker.add_done_callback(self._takers.discard)

    async def _waiting(self, most: int) -> list[Loan]:
        return waiting(self._place.directory, most)

    def loans(self) -> list[Loan]:
        """What the library was to be told, and what became of it."""
        return latest(self._place.directory, MAX_LOANS)

    def records(self, after_seq: int) -> list[Record]:
        """What the journal holds behind a number."""
        found: list[Record] = []
        while bodies := self._outbox.batch(after_seq + len(found), _PORTION, _PORTION_BYTES):
            found += map(Record.from_bytes, bodies)
        return found

    def verify(self) -> bool:
        """Whether the chain is whole."""
        return self._outbox.verify().broken is None

    def acknowledged(self) -> bool:
        """Whether the platform has all of it."""
        position = self._outbox.position()
        return position.acked_seq == position.head_seq

    async def end(self, *, power_cut: bool) -> None:
        """Stop in order, or die in the middle of whatever it does. Raises what a lane died of."""
        self.wire.disconnect()
        for taker in self._takers:
            taker.cancel()
        await asyncio.gather(*self._takers, return_exceptions=True)
        if self._lending is not None:
            self._lending.cancel()
            await asyncio.gather(self._lending, return_exceptions=True)
        for lane, task in zip(self.lanes.values(), self._tasks, strict=True):
            if power_cut:
                task.cancel()
            else:
                lane.stop()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        self._outbox.close()
        self._writer.close(0)

    def _alarm(self, _lane: str, reason: ReasonEnum, _about: bytes) -> None:
        self._place.noted.alarms.append(reason.code)


class _Screen(NoScreen):
    """Notes what is private as if it were shown to everybody: nothing in a day is secret."""

    def __init__(self, noted: Noted) -> None:
        self._noted = noted

    def show_privately(self, lines: tuple[Sentence, ...], keep_ms: int) -> None:  # noqa: ARG002 -- the profile's timer
        said = Sentence("\n".join(line.zh for line in lines), "\n".join(line.en for line in lines))
        self._noted.show(Show(said, Tone.OK))


class _Outputs:
    """Boards that confirm every pulse."""

    def __init__(self, noted: Noted) -> None:
        self._noted = noted

    def actuate(self, output: str, pulse_ms: int, done: Callable[[Pulse | None, str], None]) -> None:  # noqa: ARG002
        self._noted.pulses.append(output)
        asyncio.get_running_loop().call_later(CONFIRMS_S, done, Pulse(0, 0), "")
