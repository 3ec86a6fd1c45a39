"""What the platform does with messages: bytes in, the database moved on, signed answers out.

What one message does is told in :mod:`tools.platform.desk`. Messages that wait together are committed together: one
transaction for all, and only then the answers are signed. If the database refuses the group, for two workers wanted the
same row or two terminals the same id, each message is taken alone, so that none spoils another.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from agent import cose
from agent.sync.contract import (
    Address,
    Answer,
    Channel,
    ContractError,
    JournalBatch,
    parse_topic,
    sign_answer,
    sign_reply,
)
from tools.cli.words import say
from tools.platform import dead_letters
from tools.platform.arrived import Arrived
from tools.platform.desk import CheckpointKeys, Desk, Forked, Gap, Outcome, Refused
from tools.platform.errors import PlatformError
from tools.platform.evidence import Judge
from tools.platform.questions import Awaited
from tools.platform.store import Position, Store, Transaction

__all__ = ["Forked", "Gap", "Ingest", "Message", "Outcome", "Reply", "nobody_enrolled"]

UNKNOWN_TERMINAL = "unknown"
MACHINES_FAULTS = (SQLAlchemyError, OSError, MemoryError, PlatformError)
"""What the platform's database, disk, memory or keys did, whatever the message says: it can be taken later."""
_TRIES = 3
_CONTENTION = frozenset({"40001", "40P01"})
"""PostgreSQL's `serialization_failure` and `deadlock_detected` (its manual, appendix A)."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a terminal published."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What to publish, QoS 1."""

    topic: str
    payload: bytes


def nobody_enrolled(_terminal: str) -> Mapping[bytes, cose.VerifyKey]:
    """A platform that enrolled no terminal itself."""
    return {}


class Ingest:
    """Takes the messages of any number of terminals. Any number of these may work on one PostgreSQL."""

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

    def head(self, chain_id: bytes) -> Position | None:
        """Whose chain this is, and how far it is committed; ``None`` if nothing of it is."""
        with self._store.transaction() as transaction:
            return transaction.position(chain_id)

    def bring(self, terminal: str, payload: bytes, *, bridges: bool = False) -> Outcome:
        """Take one `journal` message that came by another way than the broker; durable on return.

        One that ``bridges`` what is missing before it leaves a hole there.

        Raises `PlatformError` with what is wrong with it.
        """
        with self._store.transaction() as transaction:
            desk = self._desk(transaction, terminal)
            try:
                return desk.commit(JournalBatch.decode(payload), bridges=bridges)
            except ContractError as error:
                problem = str(error)
            except Refused as refusal:
                desk.alarm(refusal.code, str(refusal))
                problem = str(refusal)
        raise PlatformError(say(f"这批记录无法接收：{problem}。", f"The batch cannot be taken: {problem}."))

    def put_aside(self, terminal: str, payload: bytes, code: str, detail: str) -> bool:
        """Keep a `journal` message that counts for nothing before a person decides; whether there was room."""
        topic = Address(terminal).topic(Channel.JOURNAL)
        with self._store.transaction() as transaction:
            return self._desk(transaction, terminal).refuse(Refused(code, detail), topic, payload)

    def handle(self, topic: str, payload: bytes) -> Reply | None:
        """Take one message; what it brings is durable on return. ``MACHINES_FAULTS`` are raised, others counted."""
        return self.handle_all([Message(topic, payload)])[0]

    def handle_all(self, messages: Sequence[Message]) -> list[Reply | None]:
        """Take messages that came one after another, in one transaction; one reply, or none, for each.

        Of one terminal they are taken in their order, terminals in the order of their topics, and money last, its
        accounts in their order, so that workers do not wait for each other in a circle; where they do all the same, or
        a message cannot be stored, each is taken alone.
        """
        order = sorted(range(len(messages)), key=lambda place: messages[place].topic.split("/up/")[0])
        answers: dict[int, tuple[str, Answer | Awaited] | None] = {}
        try:
            with self._store.transaction() as transaction:
                for place in order:
                    answers[place] = self._take(transaction, messages[place], alone=False)
        except Exception as error:
            if not _is_the_messages(error):
                raise
            return [self._alone(message) for message in messages]
        return [self._signed(answers[place]) for place in range(len(messages))]

    def _alone(self, message: Message) -> Reply | None:
        """One message by itself; what cannot be stored, however often it is tried, becomes a dead letter."""
        for left in reversed(range(_TRIES)):
            try:
                with self._store.transaction() as transaction:
                    answer = self._take(transaction, message, alone=True)
                return self._signed(answer)
            except Exception as error:
                if not _is_the_messages(error):
                    raise
                if not left:
                    self._keep_poison(message, error)
        return None

    def _keep_poison(self, message: Message, error: Exception) -> None:
        with self._store.transaction() as transaction:
            address, _ = parse_topic(message.topic)
            refusal = Refused("not-storable", _named(error))
            self._desk(transaction, address.terminal).refuse(refusal, message.topic, message.payload)

    def replay(self, letter_id: str) -> bool:
        """Take a dead letter again; whether it could be taken now. Raises `PlatformError` if there is none such."""
        with self._store.transaction() as transaction:
            letter = dead_letters.letter(transaction, letter_id)
            if letter is None:
                raise PlatformError(
                    say(f"没有死信 {letter_id}，或不止一封。", f"There is no dead letter {letter_id}, or several.")
                )
            desk = self._desk(transaction, letter.terminal)
            if letter.kind == dead_letters.Kind.RECORD:
                taken = self._read_again(desk, letter.payload)
            else:
                taken = self._take_again(desk, Message(letter.topic, letter.payload))
            if taken:
                dead_letters.delivered(transaction, letter.id)
            return taken

    def _take(self, transaction: Transaction, message: Message, *, alone: bool) -> tuple[str, Answer | Awaited] | None:
        """One message; whom to answer what. In a group the database itself says that an id is not new."""
        try:
            address, channel = parse_topic(message.topic)
        except ContractError as error:
            refusal = Refused("malformed", str(error))
            self._desk(transaction, UNKNOWN_TERMINAL).refuse(refusal, message.topic[:80], message.payload)
            return None
        desk = self._desk(transaction, address.terminal, alone=alone)
        transaction.seen(address.terminal, desk.now_ms)
        try:
            answer = desk.take(channel, message.payload)
        except Refused as refusal:
            desk.refuse(refusal, message.topic, message.payload)
            return None
        return None if answer is None else (address.terminal, answer)

    def _take_again(self, desk: Desk, message: Message) -> bool:
        """Only a batch that is committed counts, and what is told again without harm: no hello, no question."""
        try:
            _, channel = parse_topic(message.topic)
            if channel is Channel.JOURNAL:
                return isinstance(desk.commit(JournalBatch.decode(message.payload)), Position)
            if channel not in (Channel.STATE, Channel.ALARM, Channel.RESULT):
                return False
            desk.take(channel, message.payload)
        except (ContractError, Refused):
            return False
        return True

    def _read_again(self, desk: Desk, body: bytes) -> bool:
        arrived = Arrived.of(body)
        if arrived.fields is None:
            return False
        chain_id = desk.transaction.understood(arrived)
        desk.check_signatures(chain_id, [arrived.record])
        desk.follow([arrived.record])
        return True

    def _signed(self, answer: tuple[str, Answer | Awaited] | None) -> Reply | None:
        if answer is None:
            return None
        terminal, said = answer
        if isinstance(said, Awaited):
            return Reply(Address(terminal).topic(Channel.ANSWER), sign_reply(said.reply, self._signer))
        return Reply(Address(terminal).topic(Channel.ACK), sign_answer(said, self._signer))

    def _desk(self, transaction: Transaction, terminal: str, *, alone: bool = True) -> Desk:
        return Desk(transaction, terminal, self._now_ms(), self._keys_of, self._judge, looks_up_ids=alone)


def _is_the_messages(error: Exception) -> bool:
    """Whether a message, or what two transactions wanted at once, is the cause, and not this machine.

    Whatever else is raised is a fault of ours that the message has found: it would end every worker, one by one.
    """
    if not isinstance(error, DBAPIError):
        return not isinstance(error, MACHINES_FAULTS)
    if isinstance(error, IntegrityError | DataError):
        return True
    return getattr(error.orig, "sqlstate", None) in _CONTENTION


def _named(error: Exception) -> str:
    """Which fault, and where it was raised; its text may quote what the message says."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} ({Path(frames[-1].filename).name}:{frames[-1].lineno})"
