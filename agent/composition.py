"""What one terminal is made of: its configuration in, its parts out, wired and not yet running.

The parts come to life in this order, each built on those before it: boards, journal, the way to the platform, lanes,
keys, readers. :mod:`agent.terminal` runs them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agent import cose, sm2
from agent.backoff import Backoff
from agent.buffer import BufferState, BufferWatch
from agent.bundles.check import Place
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Manifest
from agent.bundles.service import BundlePorts, Bundles, BundleStanding
from agent.clock import Random, RecordIds
from agent.config import Resolved, profile_type
from agent.config_model import HolderConfig
from agent.configuration.service import ConfigurationPorts, Configuring
from agent.credentials.lists import CurrentLists
from agent.credentials.register import SITE, Holder, SiteRegister
from agent.credentials.verify import Verifier
from agent.day_keys import DayKeys
from agent.devices import Conditions, Hearers, LaneOutputs, NoOutputs, SourceThread
from agent.disk_waits import durable
from agent.enrolment.note import enrolled
from agent.facts import IsDelivered, Marks, TerminalFacts, not_delivered
from agent.kernel_time import boot_id
from agent.keys import MEDIUM_KEY_BYTES, FileKeyStore, KeyStoreError, Role
from agent.lane import Lane
from agent.lane_ports import Alarm, LanePorts
from agent.latch_watch import Latched, LatchWatch
from agent.logs import log
from agent.memory import Memory
from agent.peripherals import PeripheralParts, Peripherals
from agent.permits.place import SAVED_PLACE, place_saved
from agent.questions import NobodyToAsk
from agent.records import CONTEXT, ConfigurationReason, StoreReason
from agent.sip2.ports import NoLibrary
from agent.standing import Standing, software_version
from agent.stick_acks import StickAcknowledgements
from agent.store_health import JOURNAL, JournalCondition, tell_store_health
from agent.threads import in_thread, post
from agent.timekeeper import SAVED_KEY, Timekeeper
from agent.trusted_clock import TrustedClock
from agent.upward import Upward
from agent.words import say
from drivers.api import Actuator, CardFault, CardReader, Device, Reading, Source
from drivers.cards.source import CardSource
from drivers.registry import driver
from offline_store.checkpoint import Signatory
from offline_store.database import os_error
from offline_store.figures import Instead
from offline_store.journal import Append, Journal
from offline_store.loans import Loan, waiting
from offline_store.record import Entry
from offline_store.rescue import Rescued, open_or_rescue
from offline_store.writer import JournalWriter, Writer
from profiles.api import ClockState, Subject
from profiles.orders import Obeyed
from profiles.person import Person

if TYPE_CHECKING:  # a terminal without a library never loads it
    from agent.sip2.library import Library

MEDIUM_KEY = "medium-1"
MIB = 1024**2
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Board:
    """One board: the thread that reads its inputs, and who hears them."""

    thread: SourceThread
    hearers: Hearers


@dataclass(frozen=True)
class BundleTellers:
    """Who hears what becomes of bundles: their age, their damage, and how far the journal grew with them."""

    aged: Callable[[BundleStanding], None]
    damaged: Callable[[str], None]
    recorded: Callable[[int], None]


class Composition:
    """Builds the parts of one terminal. Use it on the event loop that runs them.

    Raises :class:`~agent.sm2.Sm2Unavailable` where a lane takes codes and the machine's OpenSSL has no SM2.
    """

    def __init__(self, resolved: Resolved, clock: TrustedClock, random: Random) -> None:
        self.config = resolved.config
        self._resolved = resolved
        self._clock = clock
        self._random = random
        self.lists = CurrentLists()
        self._ids = RecordIds(clock, random)
        self.marks = Marks()
        self._zone = timezone(timedelta(minutes=self.config.terminal.utc_offset_minutes))
        self._people = {_subject_of(holder): holder.person.known() for holder in self.config.holders if holder.person}
        self._configuration = hashlib.sha256(self.config.model_dump_json().encode()).digest()[:8]
        lanes = self.config.lanes.values()
        used = {name for lane in lanes for name in lane.devices}
        self._devices = {name: self._device(name) for name in used}
        self.conditions = Conditions(used)
        self.configuring = Configuring(resolved)
        self._bundles: Bundles | None = None
        self._buffer: BufferWatch | None = None
        self._condition: JournalCondition | None = None
        self._delivered: IsDelivered = not_delivered
        self.rescued: Rescued | None = None
        """Of a journal that was found damaged when it was opened."""
        readers = {name for lane in self.config.lanes.values() for name in lane.readers}
        if any(not isinstance(self._devices[name], CardReader) for name in readers):
            sm2.require()

    @property
    def configuration(self) -> str:
        """The first 8 bytes of its SHA-256, in hex."""
        return self._configuration.hex()

    @property
    def buffer_state(self) -> BufferState:
        """How full the journal is, by the last look."""
        return BufferState() if self._buffer is None else self._buffer.state

    def boards(self) -> dict[str, Board]:
        """Every board that a lane names."""
        names = {lane.board for lane in self.config.lanes.values() if lane.board is not None}
        boards: dict[str, Board] = {}
        for name in names:
            hearers = Hearers()
            boards[name] = Board(self._thread(cast("Source", self._devices[name]), hearers.offer), hearers)
        return boards

    def journal(self) -> Journal:
        """Open the journal; waits for the disk. Raises :class:`~offline_store.errors.StoreError`."""
        journal, rescued = open_or_rescue(
            self.config.terminal.state_dir,
            boot_id(),
            clock=self._clock,
            random=self._random,
            size_limit_bytes=self.config.journal.size_limit_mb * MIB,
        )
        self.rescued = rescued or self.rescued
        try:
            self._recall_time(journal.load_saved().get(SAVED_KEY))
            if (note := enrolled(keys_dir(self.config.terminal.state_dir))) is not None:
                self._clock.signed_at(note.issued_ms)
        except BaseException:
            journal.close()
            raise
        return journal

    def writer(
        self,
        journal: Journal,
        rescued: Callable[[Rescued], None],
        settled: Callable[[int, int], None],
        signed: Callable[[int], None],
    ) -> Writer:
        """The thread that writes it; what is acknowledged leaves the disk when its time is over.

        On the event loop ``rescued`` is called when the file was found damaged, ``settled`` when what a full disk did
        not take is recorded, with the number of openings and the journal's last seq, and ``signed`` when the chain was
        signed by itself, with the checkpoint's.
        """
        loop = asyncio.get_running_loop()
        writer = Writer(
            journal,
            tell=tell_store_health,
            kept_since=self._kept_since,
            rescued=partial(post, loop, rescued),
            settled=partial(post, loop, self._settled, settled),
            signed=partial(post, loop, signed),
            reserve_bytes=self.config.journal.reserve_mb * MIB,
        )
        self._delivered = writer.is_delivered
        return writer

    def _settled(self, tell: Callable[[int, int], None], openings: int, seq: int) -> None:
        """Also where nobody passes: the disk takes records again."""
        if self._condition is not None:
            self._condition.works()
        tell(openings, seq)

    def memory(self, writer: JournalWriter) -> Memory:
        """What all lanes remember."""
        return Memory(writer, self.marks, self._clock, self.backoff())

    def timekeeper(self, writer: JournalWriter, memory: Memory, alarm: Callable[[], None]) -> Timekeeper:
        """What keeps the clock's knowledge on the disk; ``alarm`` hears that the clock stays untrusted."""
        return Timekeeper(self._clock, boot_id(), writer, memory.reload, alarm)

    def library(self, writer: JournalWriter, memory: Memory, alarm: Alarm, upward: Upward | None) -> Library | None:
        """The way to the library's own system; ``None`` for a terminal that has none."""
        if self.config.library is None:
            return None
        from agent.sip2.library import Library
        from agent.sip2.upload import Uploader

        recorded = upward.recorded if upward is not None else _nobody_follows
        directory = self.config.terminal.state_dir

        async def read(most: int) -> list[Loan]:
            return await in_thread(partial(waiting, directory, most), "loans")

        uploader = Uploader(read, writer, self._clock, self._ids, recorded, alarm)
        return Library(
            self.config.library,
            self._zone,
            uploader,
            self._clock,
            self.backoff(),
            self.conditions.report,
            memory.reload,
        )

    def upward(self, writer: Writer, standing: Callable[[], Standing]) -> Upward | None:
        """The way to the platform; ``None`` for a terminal that has none."""
        if self.config.platform is None:
            return None
        return Upward(
            terminal=self.config.terminal.id,
            settings=self.config.platform,
            state_dir=self.config.terminal.state_dir,
            writer=writer,
            keys=FileKeyStore(keys_dir(self.config.terminal.state_dir)),
            standing=standing,
            rings=lambda: None if self._bundles is None else self._bundles.keys(),
            judge=self._judge_bundle,
            clock=self._clock,
            random=self._random,
        )

    def configuration_ports(
        self, writer: Writer, upward: Upward | None, served: Callable[[], int], alarm: Alarm, again: Callable[[], None]
    ) -> ConfigurationPorts:
        """What puts the platform's configurations on trial."""
        recorded = upward.recorded if upward is not None else _nobody_follows

        async def record(public: Mapping[str, int | str]) -> None:
            appended = await durable(writer.submit(Append((self._entry(public),))))
            recorded(appended.records[-1].seq)

        return ConfigurationPorts(
            offered=lambda: None if self._bundles is None else self._bundles.configuration(),
            devices=self.conditions.states,
            follows=lambda: upward is not None and upward.follows(),
            served=served,
            record=record,
            withdrawn=lambda why: alarm(why.value, ConfigurationReason.WITHDRAWN, b""),
            again=again,
        )

    def _judge_bundle(self, envelope: bytes) -> Manifest:
        """Raises :class:`BundleError`; before bundles are loaded nothing counts."""
        if self._bundles is None:
            raise BundleError(BundleFault.SIGNATURE)
        return self._bundles.judge(envelope)

    def latches(self, alarm: Alarm) -> LatchWatch:
        """What says that a fire latch is not on the disk."""
        names = {lane.board for lane in self.config.lanes.values() if lane.board is not None}
        boards = {name: cast("Latched", self._devices[name]) for name in names}
        return LatchWatch(boards, lambda name: alarm(name, StoreReason.LATCH_UNSAVED, b""))

    def buffer(self, alarm: Alarm) -> BufferWatch:
        """What says how long the journal lasts."""
        low = partial(alarm, JOURNAL, StoreReason.JOURNAL_FILLING, b"")
        journal = self.config.journal
        limit_bytes, reserve_bytes = journal.size_limit_mb * MIB, journal.reserve_mb * MIB
        self._buffer = BufferWatch(self.config.terminal.state_dir, limit_bytes, low, reserve_bytes=reserve_bytes)
        return self._buffer

    def lanes(
        self,
        writer: JournalWriter,
        memory: Memory,
        alarm: Alarm,
        upward: Upward | None,
        library: Library | None,
        peripherals: Peripherals,
        obeyed: Callable[[Obeyed], None],
    ) -> dict[str, Lane]:
        """Every lane; none accepts anybody before its :meth:`~agent.lane.Lane.begin_service`."""
        loop = asyncio.get_running_loop()
        condition = JournalCondition(self.conditions, lambda reason: alarm(JOURNAL, reason, b""), self._clock.now_ms)
        self._condition = condition
        lanes: dict[str, Lane] = {}
        for name, settings in self.config.lanes.items():
            board = settings.board
            ports = LanePorts(
                facts=self._facts,
                marks=self.marks,
                writer=writer,
                memory=memory,
                outputs=NoOutputs(loop) if board is None else LaneOutputs(cast("Actuator", self._devices[board]), loop),
                journal=condition,
                recorded=upward.recorded if upward is not None else _nobody_follows,
                alarm=alarm,
                asker=NobodyToAsk() if upward is None else upward.questions,
                library=NoLibrary() if library is None else library,
                counter=peripherals.counter(name),
                paper=peripherals.paper(settings.printer),
                screen=peripherals.screen(settings.screen),
                voice=peripherals.voice(settings.voice),
                obeyed=obeyed,
            )
            profile = cast("Any", profile_type(settings.profile))(self._resolved.profiles[name])
            full_disk = self._resolved.profiles[name].on_full_disk()
            lanes[name] = Lane(name, profile, ports, settings.append_deadline_ms, full_disk)
        return lanes

    def peripherals(self) -> Peripherals:
        """Printers, and the local APIs of counters."""
        parts = PeripheralParts(self.conditions.report, self.backoff, self._clock.now_ms)
        return Peripherals(self.config.lanes, self._devices, parts)

    def connect(self, boards: dict[str, Board], lanes: dict[str, Lane]) -> None:
        """From now on every lane hears its board."""
        for board, part in boards.items():
            part.hearers.listen([lanes[name].offer for name, lane in self.config.lanes.items() if lane.board == board])

    def readers(self, lanes: dict[str, Lane]) -> list[SourceThread]:
        """The readers of every lane, each in its thread."""
        return [self._reader(name, lane) for lane in lanes.values() for name in self.config.lanes[lane.name].readers]

    def keys(self, *, first_start: bool) -> FileKeyStore:
        """The terminal's keys; waits for the disk. Raises :class:`~agent.keys.KeyStoreError`."""
        keys = open_keys(self.config.terminal.state_dir, self._random, make=first_start)
        try:
            keys.protect()
        except KeyStoreError as error:  # a full disk must not keep a door shut; what is plain is read as it is
            log().error("keys could not be encrypted", detail=say(error.zh, error.en))
        return keys

    def bundles(self, keys: FileKeyStore, writer: JournalWriter, memory: Memory, tell: BundleTellers) -> Bundles:
        """The signed lists in force; waits for the disk. Raises ``KeyStoreError`` and ``StoreError``."""
        terminal = self.config.terminal
        ports = BundlePorts(
            writer=writer,
            keys=keys,
            clock=self._clock,
            ids=self._ids,
            recover=memory.reload,
            aged=tell.aged,
            signed_at=self._clock.signed_at,
            damaged=tell.damaged,
            recorded=tell.recorded,
        )
        bundles = Bundles(terminal.state_dir, Place(terminal.id, terminal.site), ports, self.lists)
        try:
            bundles.load()
        except OSError as error:
            raise os_error(error, terminal.state_dir, "数据包目录无法使用", "bundles cannot be kept there") from error
        self._bundles = bundles
        return bundles

    def stick(self, writer: JournalWriter, bundles: Bundles, told: Callable[[int], None]) -> StickAcknowledgements:
        """What takes acknowledgements that come by stick, by the keys of the bundles in force."""
        terminal = self.config.terminal
        keys = partial(_ring, bundles, Role.ACKNOWLEDGEMENT)
        return StickAcknowledgements(terminal.state_dir, terminal.id, writer, keys, told)

    def signatory(self, keys: FileKeyStore) -> Signatory:
        """What signs the chain. Raises :class:`~agent.keys.KeyStoreError`."""
        return Signatory(self.config.terminal.id, keys.checkpoint_signer())

    def sealer(self) -> DayKeys:
        """What seals evidence for the platform, by the keys of the bundles in force."""
        return DayKeys(self.config.terminal.id, self._sealing_ring, self._ids.new, self._random)

    def _sealing_ring(self) -> Mapping[bytes, cose.VerifyKey]:
        return {} if self._bundles is None else _ring(self._bundles, Role.SEALING)

    def verifier(self, keys: FileKeyStore) -> Verifier:
        """What tells the lanes whom they have before them."""
        register = SiteRegister(self._holders())
        return Verifier(partial(keys.mac, MEDIUM_KEY), register, self.lists.current, self.config.terminal.site or "")

    def context(self) -> Append:
        """The record that pins what is in force from now on."""
        public = {
            "software": software_version(),
            "configuration": self._configuration,
            "bundles": {} if self._bundles is None else self._bundles.versions(),
        }
        saves = {SAVED_PLACE: place_saved(Place(self.config.terminal.id, self.config.terminal.site))}
        return Append((self._entry(public),), saves, vital=True, instead=Instead(kept=True))

    def _entry(self, public: Mapping[str, Any]) -> Entry:
        return Entry(
            id=self._ids.new(),
            kind=CONTEXT,
            time_ms=self._clock.now_ms(),
            time_quality=self._clock.state().value,
            monotonic_ms=self._clock.monotonic_ms(),
            public=public,
        )

    def backoff(self) -> Backoff:
        """Pauses between tries, for one part."""
        return Backoff(self._random)

    def _kept_since(self) -> int | None:
        moment = self._clock.moment()
        if moment.state is ClockState.UNTRUSTED:
            return None
        return moment.now_ms - self.config.journal.retention_days * DAY_MS

    def _recall_time(self, saved: bytes | None) -> None:
        if saved is None:
            return
        try:
            self._clock.restore(saved, boot_id())
        except ValueError:
            log().error("saved clock is damaged", path=SAVED_KEY)

    def _device(self, name: str) -> Device:
        kind = cast("Any", driver(self.config.devices[name].driver))
        device: Device = kind(name, self._resolved.devices[name])
        return device

    def _reader(self, name: str, lane: Lane) -> SourceThread:
        device = self._devices[name]
        if not isinstance(device, CardReader):
            return self._thread(cast("Source", device), lane.offer)
        seen = partial(post, asyncio.get_running_loop(), lane.card_seen)
        return self._thread(CardSource(device, self.config.lanes[lane.name].cards, seen), lane.offer)

    def _thread(self, source: Source, deliver: Callable[[Reading | CardFault], None]) -> SourceThread:
        loop = asyncio.get_running_loop()
        return SourceThread(source, loop, deliver, self.conditions.report, self.backoff(), self._clock.now_ms)

    def _facts(self) -> TerminalFacts:
        lists = self.lists.current()
        return TerminalFacts(self._clock, self._ids, self.marks, self._zone, self._person, lists, self._delivered)

    def _person(self, subject: Subject) -> Person | None:
        """What this terminal's own register says goes before the rosters, as it does for media."""
        own = self._people.get(subject)
        return own if own is not None else self.lists.current().person(subject)

    def _holders(self) -> Iterator[tuple[bytes, Holder]]:
        for holder in self.config.holders:
            until = holder.valid_until
            until_ms = None if until is None else round(until.replace(tzinfo=self._zone).timestamp() * 1000)
            known = Holder(_subject_of(holder), holder.entitlements, holder.lost, until_ms)
            yield bytes.fromhex(holder.medium), known


def _subject_of(holder: HolderConfig) -> Subject:
    return Subject(SITE, bytes.fromhex(holder.subject or holder.medium))


def _ring(bundles: Bundles, role: Role) -> Mapping[bytes, cose.VerifyKey]:
    return bundles.keys().get(role, {})


def keys_dir(state_dir: Path) -> Path:
    """Where a terminal keeps its keys."""
    return state_dir / "keys"


def open_keys(state_dir: Path, random: Random, *, make: bool) -> FileKeyStore:
    """The terminal's keys, with the medium key in memory. Raises :class:`KeyStoreError`.

    ``make``: a terminal that nobody enrolled makes itself a medium key. Never for one that has served: under another
    key it would know nobody again, also not the cards that were reported lost.
    """
    directory = keys_dir(state_dir)
    keys = FileKeyStore(directory)
    if make and not os.path.lexists(directory / f"{MEDIUM_KEY}.key"):
        keys = FileKeyStore.create(directory)
        keys.install(f"{MEDIUM_KEY}.key", random.token(MEDIUM_KEY_BYTES))
    keys.mac(MEDIUM_KEY, b"")
    return keys


def _nobody_follows(seq: int) -> None:
    """A terminal without a platform tells nobody how far its journal has grown."""
