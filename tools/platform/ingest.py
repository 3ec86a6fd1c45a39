"""What the platform does with each message: bytes in, the database moved on, a signed answer out.

The rules for a batch, in the order in which they are checked; what fails counts an alarm and stores nothing:

1. topic and payload are of the contract (`malformed`), every record decodes (`bad-record`);
2. within the batch `seq` is contiguous and each `prev_hash` is the hash of the record before (`chain-break`);
3. the chain is this terminal's (`foreign-chain`); a new one starts with its own genesis record (`bad-genesis`), until
   which the answer is `expect`;
4. the batch meets the committed head: beyond it, the answer is `expect`; what is committed already must be the same
   record, and the first new one must continue the head: else `fork`, as answer and as alarm;
5. no new record bears the id of another (`duplicate-id`).

Then the new records are committed, and only then the acknowledgement is signed. A checkpoint among them that no key
signed with which the terminal was enrolled counts an alarm (`checkpoint-forged`, `checkpoint-unknown`) and is committed
all the same, as evidence. Presentation evidence is judged in the same transaction (`tools.platform.evidence`); what a
person has to look at counts `evidence-doubtful`. A batch that was stored before is acknowledged again. Answers are
bound to the nonce of the terminal's latest hello; a batch of a chain that the hello did not name is left unanswered,
upon which the terminal says hello again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent import cose
from agent.checkpoints import proof
from agent.sync.contract import (
    Ack,
    Address,
    Alarm,
    Answer,
    Channel,
    ContractError,
    Expect,
    Fork,
    Hello,
    JournalBatch,
    State,
    parse_topic,
    sign_answer,
)
from offline_store.checkpoint import CHECKPOINT, holds
from offline_store.errors import RecordInvalid
from offline_store.genesis import Genesis
from offline_store.record import NO_HASH, Record, hash_of
from tools.cli.words import say
from tools.platform.errors import PlatformError
from tools.platform.evidence import Judge
from tools.platform.store import Arrived, Position, Store, Transaction

PLATFORM_SOURCE = "platform"
UNKNOWN_TERMINAL = "unknown"

_MAX_ALARM_COUNT = 1_000_000


@dataclass(frozen=True)
class Reply:
    """What to publish, QoS 1."""

    topic: str
    payload: bytes


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
CheckpointKeys = Callable[[str], Mapping[bytes, cose.VerifyKey]]
"""The keys that a terminal was enrolled with, by `kid`."""


def nobody_enrolled(_terminal: str) -> Mapping[bytes, cose.VerifyKey]:
    """A platform that enrolled no terminal itself."""
    return {}


class _Refused(Exception):
    """Nothing of the message is kept but an alarm under `code`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Ingest:
    """Takes the messages of any number of terminals, one at a time."""

    def __init__(
        self,
        store: Store,
        signer: cose.Signer,
        now_ms: Callable[[], int],
        keys_of: CheckpointKeys = nobody_enrolled,
        judge: Judge | None = None,
    ) -> None:
        self._store = store
        self._signer = signer
        self._now_ms = now_ms
        self._keys_of = keys_of
        self._judge = judge

    def bring(self, terminal: str, payload: bytes) -> Outcome:
        """Take one `journal` message that came by another way than the broker; durable on return.

        Raises `PlatformError` with what is wrong with it.
        """
        now_ms = self._now_ms()
        with self._store.transaction() as transaction:
            desk = _Desk(transaction, terminal, now_ms, self._keys_of, self._judge)
            try:
                return desk.commit(JournalBatch.decode(payload))
            except ContractError as error:
                problem = str(error)
            except _Refused as refusal:
                desk.alarm(refusal.code, str(refusal))
                problem = str(refusal)
        raise PlatformError(say(f"这批记录无法接收：{problem}。", f"The batch cannot be taken: {problem}."))

    def handle(self, topic: str, payload: bytes) -> Reply | None:
        """Take one message; what it brings is durable on return. Faults of the database are raised, others counted."""
        now_ms = self._now_ms()
        try:
            address, channel = parse_topic(topic)
        except ContractError as error:
            with self._store.transaction() as transaction:
                transaction.alarm(UNKNOWN_TERMINAL, PLATFORM_SOURCE, "malformed", now_ms, str(error))
            return None
        with self._store.transaction() as transaction:
            desk = _Desk(transaction, address.terminal, now_ms, self._keys_of, self._judge)
            transaction.seen(address.terminal, now_ms)
            try:
                answer = desk.take(channel, payload)
            except _Refused as refusal:
                desk.alarm(refusal.code, str(refusal))
                return None
        if answer is None:
            return None
        return Reply(Address(address.terminal).topic(Channel.ACK), sign_answer(answer, self._signer))


@dataclass(frozen=True)
class _Desk:
    """One message of one terminal within one transaction."""

    transaction: Transaction
    terminal: str
    now_ms: int
    keys_of: CheckpointKeys
    judge: Judge | None

    def take(self, channel: Channel, payload: bytes) -> Answer | None:
        try:
            match channel:
                case Channel.JOURNAL:
                    return self._batch(JournalBatch.decode(payload))
                case Channel.HELLO:
                    return self._hello(Hello.decode(payload))
                case Channel.STATE:
                    self._state(State.decode(payload), payload)
                case Channel.ALARM:
                    self._alarm(Alarm.decode(payload))
                case Channel.ACK:
                    self.alarm("malformed", "a terminal does not send answers")
        except ContractError as error:
            self.alarm("malformed", str(error))
        return None

    def alarm(self, code: str, detail: str) -> None:
        self.transaction.alarm(self.terminal, PLATFORM_SOURCE, code, self.now_ms, _printable(detail))

    def _state(self, state: State, payload: bytes) -> None:
        self.transaction.set_state(self.terminal, state.presence.value, state.since_ms, payload, self.now_ms)

    def _alarm(self, alarm: Alarm) -> None:
        count = min(alarm.count, _MAX_ALARM_COUNT)
        detail = None if alarm.detail is None else _printable(alarm.detail)
        self.transaction.alarm(self.terminal, alarm.source or "terminal", alarm.code, self.now_ms, detail, count)

    def _hello(self, hello: Hello) -> Answer:
        head = self._own_position(hello.chain_id)
        repeated = self.transaction.nonce(self.terminal, hello.chain_id) == hello.nonce
        self.transaction.greeted(self.terminal, hello.chain_id, hello.nonce, hello.head)
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
        return reply.ack(head)

    def _batch(self, batch: JournalBatch) -> Answer | None:
        arrived, head = read_records(batch), self._own_position(batch.chain_id)
        nonce = self.transaction.nonce(self.terminal, batch.chain_id)
        if nonce is None:
            return None
        reply = _Answers(self, batch.chain_id, nonce)
        match self._commit(batch, arrived, head):
            case Position() as head:
                return reply.ack(head)
            case Gap(head):
                return reply.expect(head)
            case Forked(seq, ours):
                return reply.fork(seq, ours)

    def commit(self, batch: JournalBatch) -> Outcome:
        """Store what is new of a batch, if it meets the committed head."""
        return self._commit(batch, read_records(batch), self._own_position(batch.chain_id))

    def _commit(self, batch: JournalBatch, arrived: list[Arrived], head: Position | None) -> Outcome:
        if batch.first_seq > (head.seq if head else 0) + 1:
            return Gap(head)
        if head is None:
            self._check_genesis(batch.chain_id, arrived[0].record)
        else:
            fork = self._find_fork(head, arrived)
            if fork is not None:
                return fork
            arrived = [item for item in arrived if item.record.seq > head.seq]
            if not arrived:
                return head
        self._check_ids(arrived)
        self._check_signatures(batch.chain_id, arrived)
        committed = self.transaction.append(self.terminal, batch.chain_id, arrived, self.now_ms)
        if self.judge is not None:
            records = [item.record for item in arrived]
            for record in self.judge.take(self.transaction, self.terminal, records, self.now_ms):
                self.alarm("evidence-doubtful", f"record {record.seq}")
        return committed

    def _check_signatures(self, chain_id: bytes, arrived: Sequence[Arrived]) -> None:
        checkpoints = [item.record for item in arrived if item.record.entry.kind == CHECKPOINT]
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
            raise _Refused("foreign-chain", "the chain belongs to another terminal")
        return head

    def _check_genesis(self, chain_id: bytes, record: Record) -> None:
        try:
            genesis = Genesis.of(record)
        except RecordInvalid as error:
            raise _Refused("bad-genesis", str(error)) from error
        if genesis.chain_id != chain_id or record.prev_hash != NO_HASH:
            raise _Refused("bad-genesis", "the genesis record is not this chain's")
        before = genesis.predecessor
        if before is None:
            if self.transaction.chains(self.terminal):
                self.alarm("chain-replaced", "a new chain names no predecessor, and the terminal had one")
            return
        known = self.transaction.position(before.chain_id)
        committed = self.transaction.hashes(before.chain_id, before.seq, before.seq).get(before.seq)
        if known is None or known.terminal != self.terminal or committed != before.hash:
            self.alarm("predecessor-unknown", f"a new chain continues a record {before.seq} that is not committed")

    def _find_fork(self, head: Position, arrived: Sequence[Arrived]) -> Forked | None:
        """The first committed seq, and our hash there, at which the terminal must have another record."""
        first = arrived[0].record
        ours = self.transaction.hashes(head.chain_id, first.seq - 1, arrived[-1].record.seq)
        if first.seq > 1 and ours[first.seq - 1] != first.prev_hash:
            return Forked(first.seq - 1, ours[first.seq - 1])
        for item in arrived:
            if ours.get(item.record.seq, item.hash) != item.hash:
                return Forked(item.record.seq, ours[item.record.seq])
        return None

    def _check_ids(self, new: Sequence[Arrived]) -> None:
        ids = [item.record.entry.id for item in new]
        if len(set(ids)) < len(ids) or self.transaction.holds_any(ids):
            raise _Refused("duplicate-id", "a new record bears the id of another")


@dataclass(frozen=True)
class _Answers:
    """Makes the answers to one message, each bound to terminal, chain and nonce."""

    desk: _Desk
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


def read_records(batch: JournalBatch) -> list[Arrived]:
    """Decode a batch whose records follow one another (rules 1 and 2)."""
    try:
        arrived = [Arrived(Record.from_bytes(body), body, hash_of(body)) for body in batch.records]
    except RecordInvalid as error:
        raise _Refused("bad-record", str(error)) from error
    if arrived[0].record.seq != batch.first_seq:
        raise _Refused("chain-break", "the first record is not the one that the batch announces")
    for before, after in pairwise(arrived):
        if after.record.seq != before.record.seq + 1 or after.record.prev_hash != before.hash:
            raise _Refused("chain-break", f"record {after.record.seq} does not follow record {before.record.seq}")
    return arrived


def verify_chain(head: Position, stored: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Walk a whole chain, given as bytes and noted hash of each record; the seq where it breaks, or none.

    An altered record is named itself as long as its noted hash was not altered with it; else the one after it is.
    """
    expected, before = 1, NO_HASH
    for body, noted_hash in stored:
        try:
            record = Record.from_bytes(body)
        except RecordInvalid:
            return expected
        if record.seq != expected or record.prev_hash != before or hash_of(body) != noted_hash:
            return expected
        expected, before = expected + 1, noted_hash
    return None if (expected - 1, before) == (head.seq, head.hash) else expected


def _printable(text: str) -> str:
    """One line that a screen and a database take."""
    return "".join(character if character.isprintable() else "?" for character in text)[:200]
