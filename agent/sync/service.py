"""The terminal's sync: one link, one uplink, and the state topic, until it is stopped.

What comes down never waits for what goes up: the uplink reads and writes the disk, in a thread and one step at a time,
and a disk may hang. What the link tells it waits in a bounded queue; replies, commands, bundles and a new connection
pass it by.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from agent.clock import Clock, Random
from agent.keys import TlsFiles
from agent.sync.contract import BUNDLES, Address, Alarm, Channel, Presence, Report, State
from agent.sync.link import Down, Event, Link, LinkSettings, LinkStatus, Received, Up
from agent.sync.pace import Pace
from agent.sync.uplink import Acknowledgements, AnswerKeys, Outbox, Phase, PlatformTime, Publish, Uplink, UplinkSettings
from agent.threads import in_thread
from agent.words import say, tell
from offline_store.errors import Damaged, StoreError

MAX_ALARMS = 64
_MAX_ANSWERS = 16
"""So many answers on ``down/ack`` wait for the uplink; what is dropped is asked for again."""
_STATE_PAUSE_S = 5.0
_LOOK_S = 60.0
"""So often the journal is looked at where nobody says that it has grown: a disk that hung commits when nobody waits."""
_IN_VAIN = 3
_MANIFEST = "/manifest"

_UplinkStep = Callable[[], tuple[Publish, ...] | None]

StateSource = Callable[[], Report]
"""Says how the terminal is; called on the event loop, so it must not block."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """How the sync is; the counters only grow."""

    link: LinkStatus
    phase: Phase
    counters: Mapping[str, int]
    round_trip_ms: int | None
    alarms_waiting: int


class Replies(Protocol):
    """Who hears what the platform replies to questions; called on the event loop."""

    def answered(self, payload: bytes) -> None:
        """Something came on ``down/answer``."""

    def disconnected(self) -> None:
        """The link is down: no reply can come."""


class Wire(Protocol):
    """What a download may do on the link while it is up."""

    def ask(self, payload: bytes) -> bool:
        """Publish on ``up/ask``; whether it was taken."""

    def hear(self, topic_filter: str) -> None:
        """Subscribe to something below the bundles."""

    def hear_no_more(self, topic_filter: str) -> None:
        """Unsubscribe from it."""


class Downloads(Protocol):
    """Who hears of bundles; called on the event loop."""

    def connected(self, wire: Wire) -> None:
        """The link is up."""

    def disconnected(self) -> None:
        """The link is down."""

    def offered(self, payload: bytes) -> None:
        """An offer came."""

    def chunk(self, payload: bytes) -> None:
        """A chunk came."""


class Certificates(Protocol):
    """Who asks for the next certificate; called on the event loop."""

    def connected(self) -> None:
        """The link is up."""

    def answered(self, payload: bytes) -> None:
        """Something came on ``down/certified``."""


def _nobody_obeys(payload: bytes) -> None:
    """Nobody carries out commands."""


class _NobodyCertifies:
    def connected(self) -> None:
        """Nobody asks."""

    def answered(self, payload: bytes) -> None:
        """Nobody asked for it."""


class _NobodyDownloads:
    def connected(self, wire: Wire) -> None:
        """Nobody wants anything."""

    def disconnected(self) -> None:
        """Nobody waits."""

    def offered(self, payload: bytes) -> None:
        """Nobody takes it."""

    def chunk(self, payload: bytes) -> None:
        """Nobody asked for it."""


class _NobodyAsked:
    def answered(self, payload: bytes) -> None:
        """Nobody waits for it."""

    def disconnected(self) -> None:
        """Nobody waits."""


def _nobody_doubts() -> None:
    """Nobody looks at the journal."""


class Sync:
    """Brings the journal to the platform. Create and run it on one event loop.

    ``alarms`` are those that wait for the link, the latest 64: whoever keeps them hands them to the next sync.
    ``doubted`` is told that the platform goes on taking nothing of what it is sent: is it damaged?
    Raises :class:`~agent.sync.link.LinkError` if the terminal's own credentials cannot be used.
    """

    def __init__(
        self,
        terminal: str,
        settings: LinkSettings,
        tls: TlsFiles | None,
        keys: AnswerKeys,
        outbox: Outbox,
        acknowledgements: Acknowledgements,
        state_source: StateSource,
        platform_time: PlatformTime,
        clock: Clock,
        random: Random,
        uplink_settings: UplinkSettings | None = None,
        replies: Replies | None = None,
        downloads: Downloads | None = None,
        doubted: Callable[[], None] = _nobody_doubts,
        certificates: Certificates | None = None,
        commanded: Callable[[bytes], None] = _nobody_obeys,
        alarms: deque[Alarm] | None = None,
    ) -> None:
        self._clock = clock
        self._state_source = state_source
        self._link = Link(
            Address(terminal),
            settings,
            tls,
            lambda: self._absence(Presence.LOST),
            lambda: self._absence(Presence.STOPPED),
            clock,
            random,
        )
        self._pace = Pace(settings.bandwidth_kbit_s)
        fitting = self._pace.fitting(uplink_settings or UplinkSettings())
        self._uplink = Uplink(terminal, outbox, acknowledgements, keys, platform_time, clock, random, fitting)
        self._replies = replies or _NobodyAsked()
        self._downloads = downloads or _NobodyDownloads()
        self._doubted = doubted
        self._certificates = certificates or _NobodyCertifies()
        self._commanded = commanded
        self._commands = Address(terminal).topic(Channel.COMMAND)
        self._certified = Address(terminal).topic(Channel.CERTIFIED)
        self._answers = Address(terminal).topic(Channel.ANSWER)
        self._offers = Address(terminal).topic(Channel.OFFER)
        self._steps: deque[_UplinkStep] = deque()
        self._connection = 0
        self._joined = -1
        self._changed = asyncio.Event()
        self._grown = False
        self._exchanged = False
        self._up_since_ms: int | None = None
        self._held: asyncio.TimerHandle | None = None
        self._alarms = deque[Alarm](maxlen=MAX_ALARMS) if alarms is None else alarms

    @property
    def status(self) -> SyncStatus:
        """The present state, for faces and logs."""
        counters = dict(self._uplink.counters) | dict(self._link.counters)
        # The uplink may hang in the disk, and not know yet that its connection is gone.
        phase = self._uplink.state.phase if self._joined == self._connection else Phase.OFFLINE
        return SyncStatus(self._link.status, phase, counters, self._uplink.round_trip_ms, len(self._alarms))

    def wake(self) -> None:
        """Say that the journal has grown. Call it on the event loop."""
        self._grown = True
        self._changed.set()

    def exchange(self) -> None:
        """Say that the journal is another file. Call it on the event loop."""
        self._exchanged = True
        self._changed.set()

    def alarm(self, alarm: Alarm) -> None:
        """Send an alarm; while the link is down, or has no room, the latest 64 wait in memory.

        The journal holds what must last.
        """
        if not self._link.publish(Channel.ALARM, alarm.encode()):
            self._alarms.append(alarm)

    def _send_alarms(self) -> None:
        while self._alarms and self._link.publish(Channel.ALARM, self._alarms[0].encode()):
            self._alarms.popleft()

    def ask(self, payload: bytes) -> bool:
        """Publish a question; ``False`` while the link is down, since nobody would wait for its answer."""
        return self._link.publish(Channel.ASK, payload)

    def certify(self, payload: bytes) -> bool:
        """Publish a request for the next certificate; ``False`` while the link is down."""
        return self._link.publish(Channel.CERTIFY, payload)

    def tell_result(self, payload: bytes) -> bool:
        """Publish what became of a command; ``False`` while the link is down, when the journal alone says it."""
        return self._link.publish(Channel.RESULT, payload)

    def hear(self, topic_filter: str) -> None:
        """Subscribe to something below the bundles."""
        self._link.hear(topic_filter)

    def hear_no_more(self, topic_filter: str) -> None:
        """Unsubscribe from it."""
        self._link.hear_no_more(topic_filter)

    def stop(self) -> None:
        """Make :meth:`run` say goodbye to the platform and end, within two seconds."""
        self._link.stop()

    async def run(self) -> None:
        """Sync until :meth:`stop` or cancellation."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._drive()), group.create_task(self._tell_state())]
            await self._link.run(self._handle)
            for task in tasks:
                task.cancel()

    async def _handle(self, event: Event) -> None:
        match event:
            case Up():
                _log.info("link up", protocol=self._link.status.protocol, broker=self._link.status.broker)
                self._up_since_ms = self._clock.now_ms()
                self._publish_state(self._state_source())
                self._send_alarms()
                self._tell_uplink(partial(self._join, self._connection))
                self._downloads.connected(self)
                self._certificates.connected()
            case Down():
                fault = event.fault
                _log.warning("link down", fault=fault.code, zh=fault.zh, en=fault.en, detail=event.detail)
                self._up_since_ms = None
                if self._held is not None:
                    self._held.cancel()
                self._replies.disconnected()
                self._downloads.disconnected()
                self._connection += 1
                self._steps.clear()
                self._tell_uplink(self._uplink.disconnected)
            case Received() if event.topic == self._certified:
                self._certificates.answered(event.payload)
            case Received() if event.topic == self._commands:
                self._commanded(event.payload)
            case Received() if event.topic == self._answers:
                self._replies.answered(event.payload)
            case Received() if event.topic == self._offers or event.topic.endswith(_MANIFEST):
                self._downloads.offered(event.payload)
            case Received() if event.topic.startswith(f"{BUNDLES}/"):
                self._downloads.chunk(event.payload)
            case Received() if len(self._steps) >= _MAX_ANSWERS:
                self._link.counters["dropped"] += 1
            case Received():
                self._tell_uplink(partial(self._uplink.answered, event.payload))

    def _tell_uplink(self, step: _UplinkStep) -> None:
        self._steps.append(step)
        self._changed.set()

    def _join(self, connection: int) -> tuple[Publish, ...]:
        self._joined = connection
        return self._uplink.connected()

    async def _drive(self) -> None:
        """Tell the uplink what the link says, that the journal has grown, or that an answer is overdue."""
        while True:
            patience_s = self._patience_s()
            try:
                async with asyncio.timeout(_LOOK_S if patience_s is None else min(patience_s, _LOOK_S)):
                    await self._changed.wait()
            except TimeoutError:
                self._grown = True
            self._changed.clear()
            while self._steps:
                await self._step(self._steps.popleft())
            if self._exchanged:
                self._exchanged = False
                await self._step(self._uplink.exchanged)
            if self._grown:
                self._grown = False
                await self._step(self._uplink.wake)
            if self._patience_s() == 0:
                await self._step(self._uplink.tick)
                if self._uplink.in_vain >= _IN_VAIN:
                    self._doubted()

    def _patience_s(self) -> float | None:
        deadline_ms = self._uplink.state.deadline_ms
        return None if deadline_ms is None else max(0, deadline_ms - self._clock.monotonic_ms()) / 1000

    async def _step(self, step: _UplinkStep) -> None:
        """One step of the uplink in a thread: it reads the disk, compresses and checks signatures."""
        damaged, connection = False, self._connection
        try:
            published = await in_thread(step, "uplink")
            if published and connection == self._connection:
                for item in published:
                    self._publish(item)
                await in_thread(self._uplink.prepare, "uplink")
        except (StoreError, TimeoutError) as error:
            _log.error(
                "journal not readable for sync",
                detail=tell(error) if isinstance(error, StoreError) else say("超时", "timeout"),
            )
            self._uplink.stalled()
            damaged = isinstance(error, Damaged)
        if damaged and step != self._uplink.begin_anew:
            # The writer may not meet it for long: it knows pages that a reader must fetch.
            await self._step(self._uplink.begin_anew)

    def _publish(self, item: Publish) -> None:
        """At once, but for a batch that the cap holds back; one that waits goes with the connection that it was for."""
        loop = asyncio.get_running_loop()
        wait_s = self._pace.wait_s(len(item.payload), loop.time()) if item.channel is Channel.JOURNAL else 0.0
        if wait_s:
            self._held = loop.call_later(wait_s, self._link.publish, item.channel, item.payload)
        else:
            self._link.publish(item.channel, item.payload)

    async def _tell_state(self) -> None:
        """Every five seconds: the state again if it differs, and the alarms for which the link had no room."""
        told: Report | None = None
        while True:
            report = self._state_source()
            if report != told and self._publish_state(report):
                told = report
            self._send_alarms()
            await asyncio.sleep(_STATE_PAUSE_S)

    def _publish_state(self, report: Report) -> bool:
        if self._up_since_ms is None:
            return False
        state = State(presence=Presence.ONLINE, since_ms=self._up_since_ms, report=report)
        return self._link.publish(Channel.STATE, state.encode(), retain=True)

    def _absence(self, presence: Presence) -> bytes:
        return State(presence=presence, since_ms=self._clock.now_ms()).encode()
