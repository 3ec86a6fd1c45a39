"""Asks for permits and says what to append: the same at a running terminal and beside one that is stopped."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent import cose
from agent.clock import Moment
from agent.keys import Role
from agent.permits import tries
from agent.permits.entries import act_entry, refusal_entry
from agent.permits.judge import Believed, Question, judge
from agent.permits.reasons import PermitReason
from offline_store.journal import Append
from offline_store.marks import Mark
from offline_store.record import Entry, Value


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of an answer, and a fresh id for its record."""

    moment: Moment
    monotonic_ms: int
    record_id: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether the act may be done, and what the journal is told first; nothing of what is not worth a record."""

    refusal: PermitReason | None
    entry: Entry | None = None
    marks: tuple[Mark, ...] = ()

    def about(self, public: Mapping[str, Value]) -> Answer:
        """The same with more public fields in its record."""
        if self.entry is None:
            return self
        return replace(self, entry=replace(self.entry, public={**self.entry.public, **public}))

    @property
    def append(self) -> Append:
        """The record by itself."""
        return Append(() if self.entry is None else (self.entry,), marks=self.marks)


def are_asked_for(issuers: Mapping[bytes, cose.VerifyKey], keys: Path) -> bool:
    """Whether the terminal was ever told whose permits count. A key that it lost since does not open it."""
    return bool(issuers) or os.path.lexists(keys / f"platform-{Role.TECHNICIAN}.pem")


def answer(texts: Sequence[str], question: Question, believed: Believed, tally: int | None, now: Now) -> Answer:
    """The verdict on what was shown for a challenge. ``tally`` is the value of the mark of refusals so far."""
    now_ms = now.moment.now_ms
    if tries.are_used_up(tally, now_ms):
        return Answer(PermitReason.BLOCKED)
    verdict = judge(texts, question, believed)
    if verdict is PermitReason.MISSING:
        return Answer(verdict)
    if isinstance(verdict, PermitReason):
        entry = refusal_entry(question.act, verdict, now.record_id, now.moment, now.monotonic_ms)
        return Answer(verdict, entry, (tries.one_more(tally, now_ms),))
    entry = act_entry(question.act, verdict, now.record_id, now.moment, now.monotonic_ms)
    return Answer(None, entry, (Mark(tries.SCOPE, tries.KEY, None, now_ms),))
