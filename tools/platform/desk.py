"""One message of one terminal within one transaction: what is stored, what is answered, what is counted.

The rules for a batch, in the order in which they are checked; what fails counts an alarm and stores nothing but a dead
letter (:mod:`tools.platform.dead_letters`):

1. payload and batch are of the contract (`malformed`), the place of every record can be told (`bad-record`) and proved
   (`unknown-suite`);
2. within the batch `seq` is contiguous and each `prev_hash` is the hash of the record before (`chain-break`);
3. the chain is this terminal's (`foreign-chain`); a new one starts with its own genesis record (`bad-genesis`), until
   which the answer is `expect`;
4. the batch meets the committed head: beyond it, the answer is `expect`, unless the terminal has said that what lies
   between has left its disk: then a hole is noted, and the chain goes on behind it; what is committed already must be
   the same record, and the first new one must continue the head: else `fork`, as answer and as alarm; records within a
   hole fill it from an end where their hashes join it (:mod:`tools.platform.filling`);
5. no new record bears the id of another (`duplicate-id`).

Then the new records are committed, and only then the acknowledgement is signed. Records are judged by their place in
the chain: one whose content this version does not understand is committed by its bytes, with a dead letter that is read
again after an upgrade, so that no record holds up those behind it. A checkpoint that no key signed with which the
terminal was enrolled counts an alarm (`checkpoint-forged`, `checkpoint-unknown`) and is committed all the same, as
evidence. Presentation evidence is judged in the same transaction (:mod:`tools.platform.evidence`); what a person has to
look at counts `evidence-doubtful`. Money follows in the same transaction (:mod:`tools.platform.holds`), guardians are
told (:mod:`tools.platform.notices`), and so does the reply to a question (:mod:`tools.platform.questions`). A batch
that was stored before is acknowledged again. Answers are bound to the nonce of the terminal's latest hello; a batch of
a chain that the hello did not name is left unanswered, upon which the terminal says hello again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from agent import cose
from agent.checkpoints import proof
from agent.command_reasons import COMMAND
from agent.sync.contract import (
    WANT,
    Ack,
    Alarm,
    Answer,
    Channel,
    ContractError,
    Expect,
    Fork,
    Hello,
    JournalBatch,
    State,
    decode_question,
    kind_of,
    question_hash,
)
from agent.sync.contract.commands import Result
from offline_store.checkpoint import CHECKPOINT, holds
from offline_store.errors import RecordInvalid, UnknownSuite
from offline_store.fields import KIND, MONEY, SEALED
from offline_store.figures import UNRECORDED
from offline_store.genesis import Genesis
from offline_store.record import CARRIED, NO_HASH, Record
from offline_store.sealing import SEALING_KEY
from profiles.api import Kind
from tools.cli.figures import openings_of
from tools.platform import dead_letters, heard, holes, orders, travel
from tools.platform.arrived import Arrived, ChainBroken, read_records
from tools.platform.closed_chains import is_closed
from tools.platform.evidence import Judge
from tools.platform.filling import Filled, Forking, cut, filling
from tools.platform.holds import Holds
from tools.platform.holes import Hole
from tools.platform.notices import Notices
from tools.platform.questions import Answering, Awaited
from tools.platform.store import Position, Transaction

PLATFORM_SOURCE = "platform"
_MAX_ALARM_COUNT = 1_000_000
_FOLLOWED = frozenset({COMMAND, CHECKPOINT, SEALING_KEY, CARRIED, UNRECORDED, Kind.LOAN.value, Kind.NOTICE.value})

CheckpointKeys = Callable[[str], Mapping[bytes, cose.VerifyKey]]
"""The keys that a terminal was enrolled with, by `kid`."""


@dataclass(frozen=True)
class Gap:
    """The batch begins beyond what is committed; `head` is `None` for a chain of which nothing is."""

    head: Position | None


@dataclass(frozen=True)
class Forked:
    """Another record is committed at `seq`, with this hash."""

    seq: int
    hash: bytes


Outcome = Position | Gap | Forked
"""Of a batch: how far its chain is committed now, or why nothing of it was."""


class Refused(Exception):
    """Nothing of the message is kept but an alarm under `code` and a dead letter."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True)
class Desk:
    """One message of one terminal within one transaction."""

    transaction: Transaction
    terminal: str
    now_ms: int
    keys_of: CheckpointKeys
    judge: Judge | None
    looks_up_ids: bool = True
    """Whether an id that is committed already is looked for before it is inserted, and not left to the database."""

    def take(self, channel: Channel, payload: bytes) -> Answer | Awaited | None:
        """Take one message; what is to be answered, a question at the end. Raises :class:`Refused`."""
        try:
            match channel:
                case Channel.JOURNAL:
                    return self._batch(JournalBatch.decode(payload))
                case Channel.HELLO:
                    return self._hello(Hello.decode(payload))
                case Channel.ASK if kind_of(payload) == WANT:
                    return None  # the publisher's to hear
                case Channel.ASK:
                    return self._ask(payload)
                case Channel.STATE:
                    self._state(State.decode(payload), payload)
                case Channel.ALARM:
                    self._alarm(Alarm.decode(payload), payload)
                case Channel.RESULT:
                    self._result(Result.decode(payload))
                case _:
                    raise Refused("malformed", "a terminal does not send this")
        except ContractError as error:
            raise Refused("malformed", str(error)) from error
        return None

    def refuse(self, refusal: Refused, topic: str, payload: bytes) -> bool:
        """Keep what could not be taken, and say so; whether there was room."""
        detail = _printable(str(refusal))
        self.alarm(refusal.code, detail)
        kept = dead_letters.keep_message(
            self.transaction, self.terminal, topic, payload, refusal.code, detail, self.now_ms
        )
        if not kept:
            self.alarm(dead_letters.FULL, f"{dead_letters.MAX_MESSAGES} messages are kept; this one was not")
        return kept

    def alarm(self, code: str, detail: str) -> None:
        """Count an alarm of the platform about this terminal."""
        self.transaction.alarm(self.terminal, PLATFORM_SOURCE, code, self.now_ms, _printable(detail))

    def _state(self, state: State, payload: bytes) -> None:
        self.transaction.set_state(self.terminal, state.presence.value, state.since_ms, payload, self.now_ms)

    def _ask(self, payload: bytes) -> Awaited:
        answering = Answering(self.transaction, self.terminal, self.now_ms, self.judge)
        question, awaited = decode_question(payload), Awaited()
        self.transaction.at_end(
            answering.needs(question), lambda: awaited.give(answering.reply_to(question, question_hash(payload)))
        )
        return awaited

    def _alarm(self, alarm: Alarm, payload: bytes) -> None:
        if not heard.is_new(self.transaction, self.terminal, payload):
            return
        count = min(alarm.count, _MAX_ALARM_COUNT)
        detail = None if alarm.detail is None else _printable(alarm.detail)
        self.transaction.alarm(self.terminal, alarm.source or "terminal", alarm.code, self.now_ms, detail, count)

    def _result(self, result: Result) -> None:
        if not orders.told(self.transaction, self.terminal, result):
            self.alarm("result-unknown", "the terminal answers a command that it was not given")

    def _hello(self, hello: Hello) -> Answer:
        if is_closed(self.transaction, hello.chain_id):
            raise Refused("chain-closed", "the chain ended when its box was replaced or retired")
        head = self._own_position(hello.chain_id)
        repeated = self.transaction.nonce(self.terminal, hello.chain_id) == hello.nonce
        self.transaction.greeted(self.terminal, hello.chain_id, hello.nonce, hello.head, hello.first_retained)
        reply = _Answers(self, hello.chain_id, hello.nonce)
        next_seq = head.seq + 1 if head else 1
        if hello.first_retained > next_seq:
            self.alarm("hole", f"records {next_seq} to {hello.first_retained - 1} are on the terminal no more")
            return reply.expect(head)
        if head is None:
            return reply.expect(None)
        if hello.head <= head.seq:
            ours = self.transaction.hashes(hello.chain_id, hello.head, hello.head).get(hello.head)
            if ours is not None and ours != hello.head_hash:
                return reply.fork(hello.head, ours)
        # A hello that the broker delivers a second time is behind without meaning anything.
        if hello.head < head.seq and not repeated:
            self.alarm("rolled-back", f"the terminal ends at record {hello.head}, {head.seq} is committed")
        whole = self._whole(head, hello.first_retained)
        return reply.ack(head) if whole == head else reply.expect(whole)

    def _batch(self, batch: JournalBatch) -> Answer | None:
        arrived, head = _read(batch), self._own_position(batch.chain_id)
        nonce = self.transaction.nonce(self.terminal, batch.chain_id)
        if nonce is None:
            return None
        reply = _Answers(self, batch.chain_id, nonce)
        is_new = batch.first_seq == (head.seq if head else 0) + 1
        match self._commit(batch, arrived, head):
            case Position() as head if is_new:
                return reply.ack(head)
            case Position() as head:
                whole = self._whole(head, self.transaction.first_retained(self.terminal, batch.chain_id))
                return reply.expect(None) if whole is None else reply.ack(whole)
            case Gap(head):
                return reply.expect(head)
            case Forked(seq, ours):
                return reply.fork(seq, ours)

    def commit(self, batch: JournalBatch, *, bridges: bool = False) -> Outcome:
        """Store what is new of a batch, if it meets the committed head; or behind a hole, if it ``bridges`` that."""
        return self._commit(batch, _read(batch), self._own_position(batch.chain_id), bridges=bridges)

    def _commit(
        self, batch: JournalBatch, arrived: list[Arrived], head: Position | None, *, bridges: bool = False
    ) -> Outcome:
        if batch.first_seq > (head.seq if head else 0) + 1:
            if not bridges and self.transaction.first_retained(self.terminal, batch.chain_id) != batch.first_seq:
                return Gap(head)
            if bridges:
                self.alarm("hole", f"the records before {batch.first_seq} are missing")
            self._check_ids(arrived)
            self._note_hole(head, Position(self.terminal, batch.chain_id, batch.first_seq - 1, arrived[0].prev_hash))
            return self._append(batch.chain_id, arrived)
        if head is None:
            self._check_genesis(batch.chain_id, arrived[0])
            self._check_ids(arrived)
            return self._append(batch.chain_id, arrived)
        is_new = batch.first_seq == head.seq + 1
        for piece in [arrived] if is_new else cut(arrived, holes.holes_of(self.transaction, batch.chain_id), head.seq):
            match self._take_piece(head, piece):
                case Position() as head:
                    continue
                case other:
                    return other
        return head

    def _take_piece(self, head: Position, piece: list[Arrived]) -> Outcome:
        """Records that are all known, all new, or all in one hole."""
        if piece[0].seq <= head.seq and (hole := holes.hole_at(self.transaction, head.chain_id, piece[0].seq)):
            return self._fill(head, hole, piece)
        fork = self._find_fork(head, piece)
        if fork is not None:
            return fork
        if piece[0].seq <= head.seq:
            return head
        self._check_ids(piece)
        return self._append(head.chain_id, piece)

    def _append(self, chain_id: bytes, new: list[Arrived]) -> Position:
        committed = self.transaction.append(self.terminal, chain_id, new, self.now_ms)
        self._stored(chain_id, new)
        return committed

    def _fill(self, head: Position, hole: Hole, inside: list[Arrived]) -> Outcome:
        """Store records that lie in a hole; the head stays where it is."""
        before = self._before(head, hole)
        match filling(hole, NO_HASH if before is None else before.hash, inside):
            case None:
                return Gap(before)
            case Forking(seq, ours):
                return Forked(seq, ours)
            case Filled(left):
                if inside[0].seq == 1:
                    self._check_genesis(head.chain_id, inside[0])
                self._check_ids(inside)
                holes.replace(self.transaction, head.chain_id, hole, left, self.now_ms)
                self.transaction.fill(head.chain_id, inside, self.now_ms)
                self._stored(head.chain_id, inside)
        return head

    def _before(self, head: Position, hole: Hole) -> Position | None:
        """The last record before a hole."""
        if hole.first == 1:
            return None
        seq = hole.first - 1
        return Position(self.terminal, head.chain_id, seq, self.transaction.hashes(head.chain_id, seq, seq)[seq])

    def _whole(self, head: Position, first_retained: int | None) -> Position | None:
        """How far all is here that the terminal still has: what is acknowledged it may let go."""
        if first_retained is None:
            return head
        found = holes.holes_of(self.transaction, head.chain_id)
        hole = next((hole for hole in found if hole.first >= first_retained), None)
        return head if hole is None else self._before(head, hole)

    def _stored(self, chain_id: bytes, arrived: Sequence[Arrived]) -> None:
        """What follows from records that are stored now."""
        followed = [item.record for item in arrived if item.fields is not None and _leads_to_more(item.fields)]
        self.check_signatures(chain_id, followed)
        self._keep_unread(arrived)
        self.follow(followed)

    def _note_hole(self, known: Position | None, bridge: Position) -> None:
        """What lies before has left the terminal's disk: the chain goes on from the hash that its next record names."""
        missing = (known.seq if known else 0) + 1
        holes.note(self.transaction, bridge.chain_id, missing, bridge.seq, bridge.hash, self.now_ms)

    def _keep_unread(self, arrived: Sequence[Arrived]) -> None:
        """A dead letter for each record that was committed by its bytes alone."""
        for item in arrived:
            if item.fields is None:
                problem = _printable(item.problem)
                self.alarm("unread-record", f"record {item.seq}: {problem}"[:200])
                dead_letters.keep_record(self.transaction, self.terminal, item.id, item.body, problem, self.now_ms)

    def follow(self, records: Sequence[Record]) -> None:
        """Judge what the records prove, then move the money that they move; say what was only counted."""
        for record in records:
            if record.entry.kind == UNRECORDED:
                self.alarm(UNRECORDED, f"record {record.seq}: openings counted: {openings_of(record) or 0}")
        if self.judge is not None:
            for record in self.judge.take(self.transaction, self.terminal, records, self.now_ms):
                self.alarm("evidence-doubtful", f"record {record.seq}")
        orders.recorded(self.transaction, self.terminal, records)
        travel.follow(self.transaction, self.terminal, records, self.now_ms)
        money = Holds(self.transaction, self.terminal, self.now_ms)
        if needs := money.needs(records):
            self.transaction.at_end(needs, partial(self._settle, money, records))
        if notices := Notices(self.transaction, self.terminal, self.now_ms, records):
            self.transaction.at_end(notices.needs(), notices.take)

    def _settle(self, money: Holds, records: Sequence[Record]) -> None:
        for complaint in money.settle(records):
            self.alarm(complaint.code, f"record {complaint.seq}")

    def check_signatures(self, chain_id: bytes, records: Sequence[Record]) -> None:
        """Say which checkpoints were not signed with a key that this terminal was enrolled with."""
        checkpoints = [record for record in records if record.entry.kind == CHECKPOINT]
        if not checkpoints:
            return
        proves = proof(self.keys_of(self.terminal))
        for record in checkpoints:
            try:
                signed = holds(record, chain_id, proves) if self._is_own(record) else False
            except RecordInvalid:
                signed = False
            if not signed:
                code = "checkpoint-unknown" if signed is None else "checkpoint-forged"
                self.alarm(code, f"record {record.seq}")

    def _is_own(self, record: Record) -> bool:
        return record.entry.public.get("terminal") == self.terminal

    def _own_position(self, chain_id: bytes) -> Position | None:
        head = self.transaction.position(chain_id)
        if head is not None and head.terminal != self.terminal:
            raise Refused("foreign-chain", "the chain belongs to another terminal")
        return head

    def _check_genesis(self, chain_id: bytes, first: Arrived) -> None:
        if first.fields is None:
            raise Refused("bad-genesis", first.problem)
        try:
            genesis = Genesis.of(first.record)
        except RecordInvalid as error:
            raise Refused("bad-genesis", str(error)) from error
        if genesis.chain_id != chain_id or first.prev_hash != NO_HASH:
            raise Refused("bad-genesis", "the genesis record is not this chain's")
        before = genesis.predecessor
        if before is None:
            if any(not is_closed(self.transaction, head.chain_id) for head in self.transaction.chains(self.terminal)):
                self.alarm("chain-replaced", "a new chain names no predecessor, and the terminal had one")
            return
        known = self.transaction.position(before.chain_id)
        committed = self.transaction.hashes(before.chain_id, before.seq, before.seq).get(before.seq)
        if known is None or known.terminal != self.terminal or committed != before.hash:
            self.alarm("predecessor-unknown", f"a new chain continues a record {before.seq} that is not committed")

    def _find_fork(self, head: Position, arrived: Sequence[Arrived]) -> Forked | None:
        """The first committed seq, and our hash there, at which the terminal must have another record."""
        first = arrived[0]
        if first.seq == head.seq + 1:
            return None if first.prev_hash == head.hash else Forked(head.seq, head.hash)
        ours = {head.seq: head.hash, **self.transaction.hashes(head.chain_id, first.seq - 1, arrived[-1].seq)}
        if first.seq - 1 in ours and ours[first.seq - 1] != first.prev_hash:
            return Forked(first.seq - 1, ours[first.seq - 1])
        for item in arrived:
            if ours.get(item.seq, item.hash) != item.hash:
                return Forked(item.seq, ours[item.seq])
        return None

    def _check_ids(self, new: Sequence[Arrived]) -> None:
        ids = [item.id for item in new]
        if len(set(ids)) < len(ids) or (self.looks_up_ids and self.transaction.holds_any(ids)):
            raise Refused("duplicate-id", "a new record bears the id of another")


@dataclass(frozen=True)
class _Answers:
    """Makes the answers to one message, each bound to terminal, chain and nonce."""

    desk: Desk
    chain_id: bytes
    nonce: bytes

    def ack(self, head: Position) -> Ack:
        return Ack(
            terminal=self.desk.terminal,
            chain_id=self.chain_id,
            nonce=self.nonce,
            issued_ms=self.desk.now_ms,
            seq=head.seq,
            hash=head.hash,
        )

    def expect(self, head: Position | None) -> Expect:
        return Expect(
            terminal=self.desk.terminal,
            chain_id=self.chain_id,
            nonce=self.nonce,
            issued_ms=self.desk.now_ms,
            seq=head.seq + 1 if head else 1,
            prev_hash=head.hash if head else None,
        )

    def fork(self, seq: int, ours: bytes) -> Fork:
        self.desk.alarm("fork", f"another record {seq} is committed")
        return Fork(
            terminal=self.desk.terminal,
            chain_id=self.chain_id,
            nonce=self.nonce,
            issued_ms=self.desk.now_ms,
            seq=seq,
            hash=ours,
        )


def _leads_to_more(fields: Mapping[int, Any]) -> bool:
    """Whether a record has a signature, a key, evidence, money or travel in it; of most only columns are kept."""
    return MONEY in fields or SEALED in fields or fields[KIND] in _FOLLOWED or travel.tells(fields)


def _read(batch: JournalBatch) -> list[Arrived]:
    """Rules 1 and 2. Raises :class:`Refused`."""
    try:
        return read_records(batch)
    except UnknownSuite as error:
        raise Refused("unknown-suite", str(error)) from error
    except RecordInvalid as error:
        raise Refused("bad-record", str(error)) from error
    except ChainBroken as error:
        raise Refused("chain-break", str(error)) from error


def _printable(text: str) -> str:
    """One line that a screen and a database take."""
    return "".join(character if character.isprintable() else "?" for character in text)[:200]
