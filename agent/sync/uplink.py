"""The uplink's logic: which records the platform lacks, in strict order, without any transport.

Every call is one thing that happened and returns what is to be published. The rules:

1. A connection, or an overdue answer, brings a hello with a fresh nonce; nothing else is sent before its answer.
2. The answer says where the platform is; from there batches of consecutive records follow, one in flight at a time.
3. Only the platform's signed acknowledgement moves the outbox: for this terminal, this chain, the latest hello's nonce,
   at or below the head, with the hash that the journal has there. Anything else is counted, alarms, and moves nothing.
   Who names another hash in the answer to a hello is sent our records all the same, so that it can say where they part.
   The next batch leaves while the journal takes it down, and nothing is believed before that is done. The disk may have
   it later than memory: after a crash the platform says it again.
4. An acknowledgement may go beyond what was sent here, since records also travel by other ways; the hash proves it.
5. ``expect`` below the acknowledged position sends again from there, or from the first record retained; above it, only
   if the hash proves that the platform has what lies between.
6. ``fork`` ends the chain: the journal goes on in a new one that carries what is unacknowledged. If that forks as well,
   within the hour, nothing is sent; hellos go on at the slowest pace, until the platform says otherwise.
7. The first answer to a hello tells the platform's time: it was signed after the nonce was drawn. For its sake a hello
   goes out every hour even where all is well.

Calls read the journal and may block on it; they come from one thread at a time, and may raise ``StoreError`` or, when
the disk hangs, ``TimeoutError``: then :meth:`Uplink.stalled` is due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from agent import cose
from agent.backoff import Backoff
from agent.clock import Clock, Random
from agent.sync.complaints import Complaints
from agent.sync.contract import (
    MAX_BATCH_BYTES,
    MAX_BATCH_RECORDS,
    Ack,
    Channel,
    ContractError,
    Expect,
    Fork,
    Hello,
    JournalBatch,
    open_answer,
)
from offline_store.outbox import Position

LEAST_BATCH_BYTES = 16 * 1024
_NONCE_BYTES = 16
_REMEMBERED_NONCES = 4
_DURABLE_WITHIN_S = 5.0
_ANEW_EVERY_MS = 3_600_000
"""A platform that calls everything a fork must not make the terminal copy its journal again and again."""

PlatformTime = Callable[[int, int], object]
"""Told ``issued_ms`` and ``round_trip_ms``: :meth:`agent.trusted_clock.TrustedClock.platform_said`."""


AnswerKeys = Callable[[], Mapping[bytes, cose.VerifyKey]]
"""The platform's keys that sign answers, as they are in force at this moment: they rotate while the link is up."""


class Outbox(Protocol):
    """The journal as the uplink reads it (``offline_store.outbox.Outbox``); every call may raise ``StoreError``."""

    def position(self) -> Position:
        """Where the chain that leaves now stands."""

    def batch(self, after_seq: int, max_records: int, max_bytes: int) -> list[bytes]:
        """The exact bytes of the consecutive records after ``after_seq``; at least one if there is one."""

    def hash_at(self, seq: int) -> bytes | None:
        """The hash of a retained record; ``None`` for any other."""


class Acknowledgements(Protocol):
    """Where the outbox is moved forward (``offline_store.writer.Writer``)."""

    def acknowledge(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        """Note that the platform has every record up to ``seq``; the outbox may show it somewhat later."""

    def rescue(self) -> Future[None]:
        """Go on in a new chain that carries every record which the platform has not acknowledged."""


class UplinkSettings(BaseModel):
    """Bounds of the uplink."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    batch_records: int = Field(default=500, ge=1, le=MAX_BATCH_RECORDS)
    batch_bytes: int = Field(default=256 * 1024, ge=LEAST_BATCH_BYTES, le=MAX_BATCH_BYTES)
    answer_timeout_ms: int = Field(default=10_000, ge=100, le=120_000)
    answer_timeout_cap_ms: int = Field(default=300_000, ge=100, le=3_600_000)
    greet_every_ms: int = Field(default=3_600_000, ge=60_000, le=86_400_000)


class Phase(StrEnum):
    """What the uplink is waiting for."""

    OFFLINE = "offline"
    GREETING = "greeting"
    SENDING = "sending"
    IDLE = "idle"
    FORKED = "forked"


class Refusal(StrEnum):
    """Why an answer was not believed."""

    UNVERIFIED = "unverified"
    FOREIGN = "foreign"
    STALE = "stale"
    BEYOND_HEAD = "beyond-head"
    WRONG_HASH = "wrong-hash"


@dataclass(frozen=True, slots=True)
class Publish:
    """Something to hand to the link."""

    channel: Channel
    payload: bytes


@dataclass(frozen=True, slots=True)
class UplinkState:
    """All that the next step depends on; ``in_flight`` is the first and last record of the batch under way.

    ``greeted_ms`` (monotonic) is when the nonce was drawn.
    """

    phase: Phase = Phase.OFFLINE
    chain_id: bytes = b""
    nonce: bytes = b""
    greeted_ms: int = 0
    next_seq: int = 0
    in_flight: tuple[int, int] | None = None
    deadline_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A batch that is ready to leave. Records never change, so it stays right for as long as the chain leaves."""

    chain_id: bytes
    first: int
    last: int
    payload: bytes = field(repr=False)


class Uplink:
    """One terminal's uplink. ``deadline_ms`` (monotonic) says when :meth:`tick` is due."""

    def __init__(
        self,
        terminal: str,
        outbox: Outbox,
        acknowledgements: Acknowledgements,
        keys: AnswerKeys,
        platform_time: PlatformTime,
        clock: Clock,
        random: Random,
        settings: UplinkSettings | None = None,
    ) -> None:
        self._terminal = terminal
        self._outbox = outbox
        self._acknowledgements = acknowledgements
        self._keys = keys
        self._platform_time = platform_time
        self._clock = clock
        self._random = random
        self._settings = settings or UplinkSettings()
        self._patience = Backoff(random, self._settings.answer_timeout_ms, self._settings.answer_timeout_cap_ms)
        self._past_nonces: tuple[bytes, ...] = ()
        self._complaints = Complaints(clock)
        self._believed: Ack | None = None
        self._noted: Future[int] | None = None
        self._noted_of = b""
        self._taken_down = (b"", 0)
        self._begun_anew_ms: int | None = None
        self._prepared: _Prepared | None = None
        self._asked_ms = 0
        self._sent_to = (b"", 0)
        self.state = UplinkState()
        self.counters: Counter[str] = Counter()
        self.round_trip_ms: int | None = None
        """From the latest hello or batch that was answered to its answer."""
        self.in_vain = 0
        """How many batches in a row were sent and never acknowledged, while the link was up."""

    def connected(self) -> tuple[Publish, ...]:
        """The link is up and the answers are subscribed to."""
        self._patience.reset()
        return self._greet()

    def disconnected(self) -> None:
        """The link is down."""
        self._prepared = None
        self.state = UplinkState(nonce=self.state.nonce)

    def wake(self) -> tuple[Publish, ...]:
        """The journal has grown."""
        if self.state.phase is Phase.IDLE:
            return self._send_next(self._position())
        return ()

    def tick(self) -> tuple[Publish, ...]:
        """Time has passed."""
        deadline_ms = self.state.deadline_ms
        if deadline_ms is None or self._clock.monotonic_ms() < deadline_ms:
            return ()
        if self.state.phase is not Phase.IDLE:
            self.counters["overdue"] += 1
        if self.state.phase is Phase.SENDING:
            self.in_vain += 1
        return self._greet()

    def stalled(self) -> None:
        """The journal could not be read or written: try again from a hello, later."""
        if self.state.phase is not Phase.OFFLINE:
            self.state = replace(self.state, phase=Phase.GREETING, in_flight=None, deadline_ms=self._deadline())

    def exchanged(self) -> tuple[Publish, ...]:
        """The journal is another file now, with another chain: no answer that is waited for says anything of it."""
        if self.state.phase is Phase.OFFLINE or self._position().chain_id == self.state.chain_id:
            return ()
        return self._greet()

    def begin_anew(self) -> tuple[Publish, ...]:
        """The chain forked, or cannot be read: go on in a new one, unless that was done within the hour."""
        now_ms = self._clock.monotonic_ms()
        if self._begun_anew_ms is not None and now_ms < self._begun_anew_ms + _ANEW_EVERY_MS:
            return ()
        self._begun_anew_ms = now_ms
        self._acknowledgements.rescue().result(_DURABLE_WITHIN_S)
        return self._greet() if self.state.phase is not Phase.OFFLINE else ()

    def answered(self, payload: bytes) -> tuple[Publish, ...]:
        """Something came on ``down/ack``."""
        if self.state.phase is Phase.OFFLINE:
            return ()
        self._settle()
        try:
            answer = open_answer(payload, self._keys(), self._terminal)
        except ContractError:
            return self._refuse(Refusal.UNVERIFIED)
        position = self._position()
        if answer.terminal == self._terminal and answer.nonce in self._past_nonces:
            self.counters["late"] += 1
            return ()
        if answer.terminal != self._terminal or answer.chain_id != position.chain_id:
            return self._refuse(Refusal.FOREIGN)
        if answer.nonce != self.state.nonce:
            return self._refuse(Refusal.STALE)
        if self.state.phase is Phase.GREETING:
            self._platform_time(answer.issued_ms, self._clock.monotonic_ms() - self.state.greeted_ms)
        match answer:
            case Ack():
                return self._acknowledged(answer, position)
            case Expect():
                return self._expected(answer, position)
            case Fork():
                return self._forked(answer, position)

    def prepare(self) -> None:
        """While a batch is under way: see the last acknowledgement taken down, and make the next batch ready."""
        self._note()
        in_flight = self.state.in_flight
        if in_flight is not None:
            position = self._position()
            first = in_flight[1] + 1
            if position.chain_id == self.state.chain_id and position.head_seq - first >= self._settings.batch_records:
                self._prepared = self._batch(position.chain_id, first)
        self._settle()

    def _note(self) -> None:
        """Hand over the acknowledgement that was believed last."""
        ack, self._believed = self._believed, None
        if ack is not None:
            self._noted = self._acknowledgements.acknowledge(ack.chain_id, ack.seq, ack.hash)
            self._noted_of = ack.chain_id

    def _settle(self) -> None:
        """Wait until the journal has taken it down."""
        self._note()
        noted, self._noted = self._noted, None
        if noted is not None:
            self._taken_down = self._noted_of, noted.result(_DURABLE_WITHIN_S)

    def _position(self) -> Position:
        """Where sending stands, with what was taken down and is not on the disk yet."""
        position = self._outbox.position()
        chain_id, seq = self._taken_down
        ahead = chain_id == position.chain_id and seq > position.acked_seq
        return replace(position, acked_seq=seq) if ahead else position

    def _greet(self) -> tuple[Publish, ...]:
        if self.state.nonce:
            self._past_nonces = (*self._past_nonces, self.state.nonce)[-_REMEMBERED_NONCES:]
        nonce = self._random.token(_NONCE_BYTES)
        greeted_ms = self._asked_ms = self._clock.monotonic_ms()
        # Before the disk is asked: whatever it says, there is a deadline, and it is asked again.
        self.state = UplinkState(Phase.GREETING, b"", nonce, greeted_ms, deadline_ms=self._deadline())
        self._settle()
        position = self._position()
        self.state = replace(self.state, chain_id=position.chain_id)
        hello = Hello(
            chain_id=position.chain_id,
            nonce=nonce,
            first_retained=position.first_retained,
            head=position.head_seq,
            head_hash=position.head_hash,
        )
        self.counters["hellos"] += 1
        return (Publish(Channel.HELLO, hello.encode()),)

    def _acknowledged(self, ack: Ack, position: Position) -> tuple[Publish, ...]:
        if ack.seq > position.head_seq:
            return self._refuse(Refusal.BEYOND_HEAD)
        known = self._outbox.hash_at(ack.seq)
        if known != ack.hash and (known is not None or ack.seq > position.acked_seq):
            return (*self._refuse(Refusal.WRONG_HASH), *self._show_ours(position))
        advances = ack.seq > position.acked_seq
        if advances:
            self.in_vain = 0
            self._believed = ack
            if ack.seq >= position.head_seq:
                self._settle()  # which chain leaves next depends on it
                position = self._position()
            self.counters["acknowledgements"] += 1
        elif not self._settles(ack.seq, advances):
            self.counters["duplicates"] += 1
        published = self._resume(ack.seq + 1, position) if self._settles(ack.seq, advances) else ()
        if not published:
            self._note()  # else the next batch leaves first, and :meth:`prepare` hands it over
        return published

    def _show_ours(self, position: Position) -> tuple[Publish, ...]:
        """The platform has another record than we: after a hello it gets ours, and can say where they part."""
        if self.state.phase is not Phase.GREETING:
            return ()
        self.state = replace(self.state, next_seq=position.acked_seq + 1)
        return self._send_next(position)

    def _settles(self, seq: int, advances: bool) -> bool:
        """Whether an acknowledgement is what is waited for, and no echo of an earlier one."""
        if self.state.in_flight is not None:
            return seq >= self.state.in_flight[1]
        return advances or self.state.phase is not Phase.IDLE

    def _expected(self, expect: Expect, position: Position) -> tuple[Publish, ...]:
        before = expect.seq - 1
        if before > position.head_seq:
            return self._refuse(Refusal.BEYOND_HEAD)
        if self.state.in_flight is not None and self.state.in_flight[0] == expect.seq:
            self.counters["duplicates"] += 1
            return ()
        known = self._outbox.hash_at(before) if before else None
        proven = known == expect.prev_hash
        if not proven and (known is not None or before > position.acked_seq):
            return self._refuse(Refusal.WRONG_HASH)
        return self._resume(max(expect.seq, position.first_retained), position)

    def _forked(self, fork: Fork, position: Position) -> tuple[Publish, ...]:
        if fork.seq <= position.head_seq and self._outbox.hash_at(fork.seq) == fork.hash:
            return self._refuse(Refusal.WRONG_HASH)
        self.counters["forks"] += 1
        deadline_ms = self._clock.monotonic_ms() + self._settings.answer_timeout_cap_ms
        self.state = replace(self.state, phase=Phase.FORKED, in_flight=None, deadline_ms=deadline_ms)
        alarm = self._alarm("chain-forked", None)
        return (*alarm, *self.begin_anew())

    def _resume(self, next_seq: int, position: Position) -> tuple[Publish, ...]:
        self._patience.reset()
        self._note_round_trip()
        greet_ms = self.state.greeted_ms + self._settings.greet_every_ms
        self.state = replace(self.state, phase=Phase.IDLE, next_seq=next_seq, in_flight=None, deadline_ms=greet_ms)
        if self._clock.monotonic_ms() >= greet_ms:
            return self._greet()
        return self._send_next(position)

    def _send_next(self, position: Position) -> tuple[Publish, ...]:
        first = max(self.state.next_seq, position.first_retained)
        if position.chain_id != self.state.chain_id:
            return self._greet()
        if first > position.head_seq:
            return ()
        prepared, self._prepared = self._prepared, None
        if prepared is None or (prepared.chain_id, prepared.first) != (position.chain_id, first):
            prepared = self._batch(position.chain_id, first)
        if prepared is None:
            return ()
        self._count(prepared)
        self.state = replace(
            self.state, phase=Phase.SENDING, in_flight=(first, prepared.last), deadline_ms=self._deadline()
        )
        return (Publish(Channel.JOURNAL, prepared.payload),)

    def _count(self, batch: _Prepared) -> None:
        chain_id, sent_to = self._sent_to
        sent_to = sent_to if chain_id == batch.chain_id else 0
        again = max(0, min(batch.last, sent_to) - batch.first + 1)
        self._sent_to = (batch.chain_id, max(batch.last, sent_to))
        self._asked_ms = self._clock.monotonic_ms()
        records = batch.last - batch.first + 1
        self.counters.update({"batches": 1, "records": records, "sent-again": again, "bytes": len(batch.payload)})

    def _note_round_trip(self) -> None:
        if self.state.phase in (Phase.GREETING, Phase.SENDING):
            self.round_trip_ms = self._clock.monotonic_ms() - self._asked_ms

    def _batch(self, chain_id: bytes, first: int) -> _Prepared | None:
        records = self._outbox.batch(first - 1, self._settings.batch_records, self._settings.batch_bytes)
        if not records:
            return None
        batch = JournalBatch(chain_id=chain_id, first_seq=first, records=tuple(records))
        return _Prepared(chain_id, first, batch.last_seq, batch.encode())

    def _deadline(self) -> int:
        return self._clock.monotonic_ms() + self._patience.next_ms()

    def _refuse(self, refusal: Refusal) -> tuple[Publish, ...]:
        self.counters[f"refused-{refusal.value}"] += 1
        return self._alarm("answer-refused", refusal.value)

    def _alarm(self, code: str, source: str | None) -> tuple[Publish, ...]:
        alarm = self._complaints.about(code, source)
        return () if alarm is None else (Publish(Channel.ALARM, alarm.encode()),)
