"""One lane: reading -> credential -> decision -> journal -> actuator.

Reading the facts, deciding and queueing the append happen on the event loop without an await between them, so that two
lanes cannot accept one credential. Nothing is actuated or shown before its record is on the disk.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import cbor2

from agent.credentials.verify import Verifier
from agent.disk_waits import DiskHangs, durable
from agent.entries import append_of, counted_instead, saves_the_same, state_key
from agent.facts import TerminalFacts
from agent.lane_ports import LanePorts
from agent.lane_words import HINTS, HOLD_STILL, NO_SERVICE, NOT_RECORDED, TOO_MANY
from agent.logs import log
from agent.opening import Opening
from agent.queues import drop_superseded, replaced_as
from agent.records import StoreReason
from agent.words import say, tell
from drivers.api import (
    AmountReading,
    CardFault,
    CardReading,
    CardRemoved,
    CodeHint,
    CodeReading,
    InputReading,
    KeyReading,
    NoAmount,
    PinReading,
    Pulse,
    Reading,
    SourceHealth,
    WeightReading,
)
from offline_store.errors import StoreError
from offline_store.journal import Appended
from profiles.amounts import AmountProblem, AmountRefused, FunctionKey, KeyPressed, Typed, Weighed
from profiles.api import (
    Actuate,
    Actuated,
    AmountEntered,
    Ask,
    Effect,
    Event,
    InputChanged,
    Kind,
    Presented,
    Profile,
    RaiseAlarm,
    Reason,
    Record,
    RecordedLate,
    Rejected,
    Restarted,
    Show,
    StartTimer,
    State,
    Step,
    TimerFired,
    Tone,
)
from profiles.barcodes import Barcode, ReadsBarcodes
from profiles.foreign import ForeignShown
from profiles.full_disk import FullDisk
from profiles.handover import HandOver, Release, Withdraw
from profiles.loans import AskLibrary, Defer, LibraryAnswered, LibrarySilent
from profiles.orders import Obeyed, OpenOnce
from profiles.paper import Print
from profiles.questions import Answered, Confirmed, NotRecorded, Unanswered
from profiles.reasons import ReasonEnum
from profiles.screen import ShowPrivately, WipeScreen
from profiles.subsidies import PinEntered

MAX_PRESENTATIONS = 4
"""Whoever is not served by then presents again: when it is full, the newest is dropped and the citizen told so."""
MAX_SIGNALS = 256
"""Inputs, timers and answers of devices go first. Beyond it, of each input's changes the newest ones remain."""
RETRY_S = 0.5
RETRY_CAP_S = 5.0
"""After a failed append the event that could not be recorded is tried again, soon and then ever later; never sooner."""
TURN_AWAY_AGAIN_S = 1.0

_UNDONE_WHEN_LATE = frozenset(
    {Kind.DECISION, Kind.ASKED, Kind.PAYMENT, Kind.REFUND, Kind.COUNTER, Kind.LOAN_ASKED, Kind.LOAN}
)
"""What nobody was told of when its record came too late: the profile takes it back, or says that it stands."""
_ANSWERS = Answered | Unanswered | LibraryAnswered | LibrarySilent
_WAITS = Presented | Rejected | ForeignShown | AmountEntered | Typed | PinEntered | Barcode | _ANSWERS
"""After these somebody stands there and waits to hear what became of it."""

_ONLY_IN_TIME = Show | Ask | AskLibrary | HandOver | Release | Print | ShowPrivately | Obeyed
"""Nobody is told to pass through a gate that did not move; the fault itself follows as an event. What was refused asks
nobody, gives nothing away and prints nothing: that it came to nothing follows as an event too."""

Presentation = CardReading | CodeReading | AmountReading | NoAmount | KeyReading | PinReading | CardFault | OpenOnce


class Lane:
    """The shell around one profile: it carries out what the reducer asks for."""

    def __init__(
        self,
        name: str,
        profile: Profile[Any],
        ports: LanePorts,
        append_deadline_ms: int,
        full_disk: FullDisk = FullDisk.REFUSE,
    ) -> None:
        self.name = name
        self._counts = full_disk is FullDisk.OPEN_AND_COUNT
        self._profile = profile
        self._ports = ports
        self.recorded: Counter[tuple[str, str]] = Counter()
        """Records by kind and reason since the lane began, those on a full disk included."""
        self._deadline_s = append_deadline_ms / 1000
        self._verifier: Verifier | None = None
        self._state: State = profile.idle()
        self._presentations: deque[tuple[Presentation, float]] = deque()
        self._signals: deque[tuple[Event, TerminalFacts]] = deque()
        self._inputs: dict[str, bool] = {}
        self._arrived = asyncio.Event()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._stopping = False
        self._stalled = False
        self._citizen_waits = False
        self._retry_s = RETRY_S
        self.dropped = 0
        self._turned_away: Show | None = None
        self._turned_away_s = 0.0
        self._log = log(lane=name)

    # What comes in: called on the event loop ------------------------------------------------------------------------

    def begin_service(self, verifier: Verifier) -> None:
        """Accept what citizens present. Until then they are told to go to the next lane, while inputs are served."""
        self._verifier = verifier

    def offer(self, reading: Reading | CardFault | OpenOnce) -> None:
        """Take a reading from a driver, the fault of one presentation, or an order: it waits no longer than a tap."""
        match reading:
            case InputReading():
                self._input(InputChanged(reading.input, reading.active))
            case WeightReading():
                self._signal(Weighed(reading.grams))
            case CardRemoved():
                self._log.debug("removed", reader=reading.reader)
            case SourceHealth():
                self._log.warning("camera", reader=reading.reader, poor=reading.poor)
                if reading.poor:
                    self._ports.alarm(self.name, Reason.CAMERA_POOR, b"")
            case _ if self._verifier is None:
                self._turn_away(NO_SERVICE)
            case CodeHint():
                if not self._stalled:
                    self._show(HINTS[reading.problem])
            case _ if self._stalled:
                self._turn_away(NOT_RECORDED)
            case _ if len(self._presentations) >= MAX_PRESENTATIONS:
                self._turn_away(TOO_MANY)
            case _:
                self._presentations.append((reading, asyncio.get_running_loop().time()))
                self._arrived.set()

    def card_seen(self) -> None:
        """A card has come; reading a slow one takes as long as a person's patience."""
        if not self._stalled and self._verifier is not None:
            self._show(HOLD_STILL)

    def _turn_away(self, why: Show) -> None:
        """Nobody is served now. A scanner that rattles is told so, and logged, once in a while."""
        self.dropped += 1
        now_s = asyncio.get_running_loop().time()
        if why is not self._turned_away or now_s >= self._turned_away_s + TURN_AWAY_AGAIN_S:
            self._turned_away, self._turned_away_s = why, now_s
            self._show(why)

    def stop(self) -> None:
        """Finish what is being decided, then let :meth:`run` return."""
        self._stopping = True
        self._arrived.set()

    def _input(self, event: InputChanged) -> None:
        """What is urgent is told and shown before any disk has it; a board that was away says again how it is."""
        urgent = self._profile.urgent(event)
        if urgent is not None and self._inputs.get(event.input) is not event.active:
            self._ports.alarm(self.name, urgent, b"")
            self._show(Show(urgent.citizen, Tone.OK))
        self._inputs[event.input] = event.active
        self._signal(event)

    def _signal(self, event: Event) -> None:
        """Queue what happened, with the time at which it did: its record bears it, however late the disk takes it."""
        self._signals.append((event, self._ports.facts()))
        if len(self._signals) > MAX_SIGNALS and (dropped := drop_superseded(self._signals, replaced_as)) is not None:
            self.dropped += 1
            self._log.warning("signal dropped", count=self.dropped, input=dropped)
        self._arrived.set()

    # The loop -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until :meth:`stop`. Starts from the state that the last commit saved."""
        await self._ports.memory.reload()
        self._recall()
        self._signals.appendleft((Restarted(), self._ports.facts()))
        while not self._stopping:
            if self._signals:
                await self._take_signal(*self._signals.popleft())
            elif self._presentations:
                await self._present(*self._presentations.popleft())
            else:
                self._arrived.clear()
                await self._arrived.wait()
        for timer in self._timers.values():
            timer.cancel()

    def _recall(self) -> None:
        saved = self._ports.memory.saved(self._key)
        self._state = self._profile.idle()
        if saved is None:
            return
        try:
            self._state = self._profile.State.model_validate(cbor2.loads(saved))
        except (cbor2.CBORError, ValueError):  # of another version of the profile, or damaged
            self._log.error("lane state cannot be read", path=self._key)
            self._ports.alarm(self.name, StoreReason.STATE_LOST, b"")

    @property
    def _key(self) -> str:
        return state_key(self.name, self._profile.name)

    async def _take_signal(self, event: Event, facts: TerminalFacts) -> None:
        """Handle what happened; if it cannot be recorded now, it is recorded later, and before anything else.

        But for an answer: whoever waited for it was told that it came to nothing, and that is recorded instead.
        """
        await self._ports.memory.settled()
        if await self._decide(event, facts, self._deadline_s):
            self._retry_s = RETRY_S
        else:
            again = NotRecorded(event.about) if isinstance(event, _ANSWERS) else event
            self._signals.appendleft((again, facts.anew()))
            await self._pause()

    async def _pause(self) -> None:
        """Until the next try: ever later, but soon when somebody comes; and whom a second try failed is told so."""
        is_first = self._retry_s == RETRY_S
        if self._presentations and not is_first:
            self.dropped += len(self._presentations) - 1
            self._presentations.clear()
            self._turn_away(NOT_RECORDED)
        await asyncio.sleep(RETRY_S)
        if not (is_first or self._presentations or self._stopping):
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._retry_s - RETRY_S):
                    await self._arrived.wait()
        self._retry_s = min(2 * self._retry_s, RETRY_CAP_S)

    async def _present(self, reading: Presentation, offered_s: float) -> None:
        """Handle what a citizen presented, unless he has waited in vain: nothing opens long after a tap."""
        if self._verifier is None:
            return
        await self._ports.memory.settled()
        left_s = offered_s + self._deadline_s - asyncio.get_running_loop().time()
        if left_s <= 0:
            self.dropped += 1
            self._show(NOT_RECORDED)
            return
        facts = self._ports.facts()
        read_ns = None if isinstance(reading, CardFault | OpenOnce) else reading.at_ns
        verdict = self._verdict(self._verifier, reading, facts)
        if isinstance(verdict, Presented | Rejected | ForeignShown) and not isinstance(reading, CardFault | OpenOnce):
            verdict = replace(verdict, reader=reading.reader)
        await self._decide(verdict, facts, left_s, read_ns)

    def _verdict(
        self, verifier: Verifier, reading: Presentation, facts: TerminalFacts
    ) -> Presented | Rejected | ForeignShown | AmountEntered | Typed | Barcode | PinEntered | OpenOnce:
        match reading:
            case CardReading():
                return verifier.card(reading, facts.local_time, lost=facts.moment.is_lost)
            case CodeReading():
                if (thing := self._thing(reading)) is not None:
                    return thing
                return verifier.code(reading.text, self._profile.codes, facts.moment, self._ports.marks)
            case CardFault():
                return verifier.fault(reading)
            case AmountReading():
                return AmountEntered(reading.amount_fen)
            case NoAmount():
                return AmountRefused(AmountProblem[reading.problem.name])
            case KeyReading():
                return KeyPressed(FunctionKey[reading.key.name], reading.number, reading.digits)
            case PinReading():
                return PinEntered(reading.digits)
            case OpenOnce():
                return reading

    def _thing(self, reading: CodeReading) -> Barcode | Rejected | None:
        """What the profile takes for the barcode of a thing, or refuses as one."""
        if not isinstance(self._profile, ReadsBarcodes):
            return None
        read = self._profile.barcode(reading.text, reading.symbology)
        return Rejected(read) if isinstance(read, ReasonEnum) else read

    async def _decide(self, event: Event, facts: TerminalFacts, deadline_s: float, read_ns: int | None = None) -> bool:
        """One step of the profile; ``False`` if it was not recorded. Up to the queued append nothing is awaited."""
        self._citizen_waits = isinstance(event, _WAITS)
        step = self._profile.handle(self._state, event, facts)
        decided_ns = time.monotonic_ns()
        records = [effect for effect in step.effects if isinstance(effect, Record)]
        if not records and saves_the_same(step.state, self._state):
            self._state = step.state
            for effect in step.effects:
                self._carry_out(effect)
            return True
        pulses = [effect for effect in step.effects if isinstance(effect, Actuate)]
        opening = Opening(pulses, self._actuate, deadline_s)
        appended = await self._record(step, records, opening, facts)
        if appended is None:
            return False
        for effect in step.effects:
            if not isinstance(effect, _ONLY_IN_TIME) or (opening.opened and not opening.refused):
                self._carry_out(effect)
        for record, place in zip_longest(records, appended.records):
            self._tell(record, None if place is None else place.seq, read_ns, decided_ns, opening.durable_ns)
        if appended.records:
            self._ports.recorded(appended.records[-1].seq)
        if not opening.refused:
            paid = [record for record in records if record.kind is Kind.PAYMENT]
            self._signals.extendleft((Confirmed(record.refers_to or record.id), facts) for record in paid)
        if opening.silent:
            for pulse in pulses:
                self._signal(Actuated(pulse.about, fault="silent"))
        return True

    async def _record(
        self, step: Step[Any], records: list[Record], opening: Opening, facts: TerminalFacts
    ) -> Appended | None:
        """Queue the append at once, then wait for the disk and the pulses; ``None`` if nothing was recorded."""
        try:
            instead = counted_instead(step) if self._counts else None
            waits = self._citizen_waits
            append = append_of(self.name, self._profile.name, step, records, facts, instead, somebody_waits=waits)
            pending = self._ports.writer.submit(append)
        except StoreError as error:
            self._not_recorded("append refused", tell(error))
            return None
        opening.follow(pending)
        self._state = step.state
        for record in records:
            self._ports.marks.put(record.marks, facts.now_ms)
        await opening.settled
        try:
            if opening.refused:
                ended = await self._wait_out(pending, records)
                if ended is None:
                    return None
                appended = ended
            else:
                appended = pending.result()
        except StoreError as error:
            await self._forget(error)
            return None
        if appended.counted:
            self._ports.journal.counts()
        else:
            self._ports.journal.works()
        return appended

    async def _wait_out(self, pending: Future[Appended], records: list[Record]) -> Appended | None:
        """Refuse everybody until the disk has answered; a decision that it commits after all was not actuated.

        ``None`` where the lane is to end, and the disk hangs.
        """
        self._not_recorded("append is past its deadline", say("磁盘没有及时写入", "the disk has not answered in time"))
        self._stalled = True
        try:
            while True:
                try:
                    appended = await durable(pending)
                    break
                except DiskHangs as error:
                    self._ports.journal.hangs(tell(error))
                    if self._stopping:
                        return None
        finally:
            self._stalled = False
        decisions = [record for record in records if record.kind in _UNDONE_WHEN_LATE]
        facts = self._ports.facts()
        self._signals.extendleft((RecordedLate(record.refers_to or record.id), facts) for record in decisions)
        return appended

    async def _forget(self, error: StoreError) -> None:
        """The append failed: memory becomes what the disk says, and the citizen hears that nothing opened."""
        self._not_recorded("append failed", tell(error))
        self._stalled = True
        try:
            await self._ports.memory.reload()
        finally:
            self._stalled = False
        self._recall()

    def _not_recorded(self, what: str, detail: str) -> None:
        """Nobody but who waits for an answer is told: a fire that the disk does not take is no closed gate."""
        if self._ports.journal.failed(detail):
            self._log.error(what, detail=detail)
        if self._citizen_waits:
            self._show(NOT_RECORDED)

    # What goes out --------------------------------------------------------------------------------------------------

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Show():
                self._show(effect)
            case StartTimer(name, delay_ms, about):
                self._start_timer(name, delay_ms, about)
            case RaiseAlarm(reason, about):
                self._ports.alarm(self.name, reason, about)
            case Ask():
                self._ports.asker.ask(effect, self._signal)
            case AskLibrary():
                self._ports.library.ask(effect, self._signal)
            case Defer():
                self._ports.library.deferred()
            case HandOver():
                self._ports.counter.offer(effect, self._signal)
            case Release(about):
                self._ports.counter.release(about)
            case Withdraw(about):
                self._ports.counter.withdraw(about)
            case Print():
                self._ports.paper.print(effect, self._signal)
            case ShowPrivately(lines, keep_ms):
                self._ports.screen.show_privately(lines, keep_ms)
                self._log.info("show", kind="private")
            case Obeyed():
                self._ports.obeyed(effect)
            case WipeScreen():
                self._ports.screen.wipe()
            case Record() | Actuate():
                pass  # on the disk, and given by the commit

    def _actuate(self, effect: Actuate, came_back: Callable[[bool], None]) -> None:
        """Give one pulse. Called in the journal's thread, or on the event loop where the journal has none."""

        def done(pulse: Pulse | None, fault: str) -> None:
            came_back(pulse is not None)
            when = pulse._asdict() if pulse is not None else {"fault": fault}
            self._log.info("actuated", tap=tap_of(effect.about), **when)
            self._signal(Actuated(effect.about, fault))

        self._ports.outputs.actuate(effect.output, effect.pulse_ms, done)

    def _start_timer(self, name: str, delay_ms: int, about: bytes) -> None:
        if name in self._timers:
            self._timers.pop(name).cancel()
        loop = asyncio.get_running_loop()
        self._timers[name] = loop.call_later(delay_ms / 1000, self._signal, TimerFired(name, about))

    def _show(self, effect: Show) -> None:
        self._ports.show(effect)
        self._log.info("show", zh=effect.sentence.zh, en=effect.sentence.en, tone=effect.tone.value)

    def _tell(self, record: Record, seq: int | None, read_ns: int | None, decided_ns: int, durable_ns: int) -> None:
        """One line a record; where it was counted instead, it has no ``seq``."""
        self.recorded[record.kind.value, record.reason.code] += 1
        times = {} if read_ns is None else {"read_ns": read_ns}
        self._log.info(
            record.kind.value,
            tap=tap_of(record.refers_to or record.id),
            **({"counted": True} if seq is None else {"seq": seq}),
            reason=record.reason.code,
            decided_ns=decided_ns,
            durable_ns=durable_ns,
            **times,
        )


def tap_of(record_id: bytes) -> str:
    """The correlation id of a tap in the logs: the random tail of its first record's id."""
    return record_id[-4:].hex()
