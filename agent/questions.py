"""Questions to the platform while somebody waits: asked once, answered in time or not at all.

The rules:

1. A question leaves only while the link is up; where it is down, or goes down, the lane hears so at once and decides.
2. It ends by the event loop's monotonic clock, whatever becomes of the wall clock. Then the lane hears ``Unanswered``.
3. A reply counts if a key of the role *acknowledgement* signed it for this terminal and this topic, and it names the
   nonce of an open question, the hash of its exact bytes, and its intent and amount. Anything else is counted, alarms,
   and changes nothing.
4. Nothing is acted on twice: a question is open until its first reply or its end. A late authorisation is told once, as
   ``AnsweredLate``, for the journal; later copies of it are counted.

All calls come from one event loop. A question that was open when the terminal ended is not remembered here: the lane's
saved state is, and what follows from it stands in :mod:`profiles.questions`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from agent import cose
from agent.clock import Clock, Random
from agent.private_answers import ReplyKey
from agent.question_forms import Seal, answer_of, fits, wire_question
from agent.sealing import SealBroken
from agent.sync.complaints import Complaints
from agent.sync.contract import Alarm, ContractError, Question, open_reply, question_hash
from profiles.api import Ask
from profiles.questions import Answered, AnsweredLate, Authorised, Unanswered
from profiles.subsidies import QuerySubsidies

MAX_OPEN = 64
MAX_PAST = 256
"""Of so many ended questions a late or repeated reply is told from one that nobody asked for."""
_NONCE_BYTES = 16

Tell = Callable[[Answered | Unanswered | AnsweredLate], None]
Keys = Callable[[], Mapping[bytes, cose.VerifyKey]]


class Asker(Protocol):
    """Where a lane asks."""

    def ask(self, ask: Ask, tell: Tell) -> None:
        """Ask, and have ``tell`` called on the event loop, at the latest at the deadline; perhaps within this call."""


class NobodyToAsk:
    """A terminal without a platform decides by itself."""

    def ask(self, ask: Ask, tell: Tell) -> None:
        """Say so at once."""
        tell(Unanswered(ask.about))


@dataclass(frozen=True, slots=True)
class _Open:
    """A question that was sent; ``replied`` once a reply to it was taken."""

    about: bytes
    question: Question
    hash: bytes
    ends_s: float
    tell: Tell
    timer: asyncio.TimerHandle
    reply_key: ReplyKey | None = None
    """Of a question about a person's own affairs; gone with its end."""
    replied: bool = False


class Questions:
    """The open questions of one terminal."""

    def __init__(
        self,
        terminal: str,
        send: Callable[[bytes], bool],
        keys: Keys,
        seal: Seal,
        alarm: Callable[[Alarm], None],
        clock: Clock,
        random: Random,
    ) -> None:
        """``send`` publishes on ``up/ask`` and says whether the link took it."""
        self._terminal = terminal
        self._send = send
        self._keys = keys
        self._seal = seal
        self._alarm = alarm
        self._clock = clock
        self._random = random
        self._complaints = Complaints(clock)
        self._open: dict[bytes, _Open] = {}
        self._past: OrderedDict[bytes, _Open] = OrderedDict()
        self.counters: Counter[str] = Counter()

    def ask(self, ask: Ask, tell: Tell) -> None:
        """See :class:`Asker`."""
        nonce = self._random.token(_NONCE_BYTES)
        now_ms = self._clock.now_ms()
        key = ReplyKey() if isinstance(ask.question, QuerySubsidies) else None
        question = wire_question(ask, nonce, now_ms, self._seal, key) if len(self._open) < MAX_OPEN else None
        payload = b"" if question is None else question.encode()
        if question is None or not self._send(payload):
            self.counters["unsent"] += 1
            tell(Unanswered(ask.about))
            return
        self.counters["asked"] += 1
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + ask.deadline_ms / 1000
        timer = loop.call_at(ends_s, self._end, nonce)
        self._open[nonce] = _Open(ask.about, question, question_hash(payload), ends_s, tell, timer, key)

    def disconnected(self) -> None:
        """The link is down: nobody waits for what cannot come."""
        for nonce in tuple(self._open):
            self._end(nonce)

    def answered(self, payload: bytes) -> None:
        """Something came on ``down/answer``."""
        try:
            reply = open_reply(payload, self._keys(), self._terminal)
        except ContractError:
            return self._refuse("unverified")
        if reply.terminal != self._terminal:
            return self._refuse("foreign")
        asked_for = self._open.get(reply.nonce) or self._past.get(reply.nonce)
        if asked_for is None:
            return self._refuse("stale")
        if not fits(reply, asked_for.question, asked_for.hash):
            return self._refuse("wrong-question")
        if asked_for.replied:
            self.counters["repeated"] += 1
            return None
        try:
            answer = answer_of(reply, asked_for.reply_key)
        except SealBroken:
            if reply.nonce in self._open:
                return self._refuse("unreadable")
            self.counters["late"] += 1
            return None
        if reply.nonce in self._open and asyncio.get_running_loop().time() < asked_for.ends_s:
            self.counters["answered"] += 1
            self._close(reply.nonce, replied=True)
            asked_for.tell(Answered(asked_for.about, answer))
            return None
        if reply.nonce in self._open:  # the loop was too busy to end it in time
            self._end(reply.nonce)
        self.counters["late"] += 1
        self._past[reply.nonce] = replace(asked_for, replied=True)
        if isinstance(answer, Authorised):
            asked_for.tell(AnsweredLate(asked_for.about, answer))
        return None

    def _end(self, nonce: bytes) -> None:
        self.counters["unanswered"] += 1
        ended = self._close(nonce, replied=False)
        ended.tell(Unanswered(ended.about))

    def _close(self, nonce: bytes, *, replied: bool) -> _Open:
        closed = self._open.pop(nonce)
        closed.timer.cancel()
        self._past[nonce] = replace(closed, replied=replied, reply_key=None)
        if len(self._past) > MAX_PAST:
            self._past.popitem(last=False)
        return closed

    def _refuse(self, cause: str) -> None:
        self.counters[f"refused-{cause}"] += 1
        if alarm := self._complaints.about("answer-refused", cause):
            self._alarm(alarm)
