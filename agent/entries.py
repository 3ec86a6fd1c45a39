"""What a profile wants recorded, translated into what the journal stores: one append, with lane state and marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cbor2

from agent.facts import TerminalFacts
from offline_store.figures import Instead
from offline_store.journal import Append
from offline_store.loans import Loan
from offline_store.marks import Mark as StoredMark
from offline_store.record import Entry
from offline_store.record import Money as StoredMoney
from profiles.api import Actuate, Ask, Kind, Record, State, Step
from profiles.loans import AskLibrary, Defer
from profiles.questions import Money

RULES = "rules"
"""The public field of a decision that holds its rule trace (:mod:`profiles.trace`)."""

_LOANS = frozenset({Kind.LOAN_ASKED, Kind.LOAN})
_OWED = _LOANS | {Kind.ASKED, Kind.PAYMENT, Kind.REVERSAL, Kind.RELEASE, Kind.REFUND, Kind.COUNTER}


def append_of(
    lane: str,
    profile: str,
    step: Step[Any],
    records: Sequence[Record],
    facts: TerminalFacts,
    instead: Instead | None,
    *,
    somebody_waits: bool = True,
) -> Append:
    """One decision's append: records, the state that goes with them, and what the library is to be told later.

    Where nothing opens by it and unless ``somebody_waits`` for it, it may wait for another's commit.
    """
    entries = tuple(_entry(lane, profile, record, facts) for record in records)
    marks = tuple(
        StoredMark(mark.scope, mark.key, mark.value, mark.expires_ms) for record in records for mark in record.marks
    )
    saves = {state_key(lane, profile): cbor2.dumps(step.state.model_dump())}
    deferred = tuple(_loan(lane, profile, effect) for effect in step.effects if isinstance(effect, Defer))
    vital = not any(map(_may_wait, records))
    patient = not somebody_waits and not any(isinstance(effect, Actuate) for effect in step.effects)
    return Append(entries, saves, marks, loans=deferred, vital=vital, instead=instead, patient=patient)


def counted_instead(step: Step[Any]) -> Instead | None:
    """How a step is counted where a full disk does not take it; ``None`` if money or loans are in it: never."""
    records = [effect for effect in step.effects if isinstance(effect, Record)]
    if any(record.money is not None or record.evidence is not None or record.kind in _OWED for record in records):
        return None
    if any(isinstance(effect, Ask | AskLibrary | Defer) for effect in step.effects):
        return None
    opens = bool(records) and any(isinstance(effect, Actuate) for effect in step.effects)
    return Instead(int(opens), kept=any(record.kind is Kind.LIFE_SAFETY for record in records))


def _may_wait(record: Record) -> bool:
    """On a full disk new money and debts stop first; what gives money back goes on with the doors."""
    takes_money = record.money is not None and record.kind not in (Kind.REVERSAL, Kind.RELEASE, Kind.REFUND)
    return takes_money or record.kind in _LOANS or record.evidence is not None


def _loan(lane: str, profile: str, defer: Defer) -> Loan:
    return Loan(
        id=defer.id,
        lane=lane,
        profile=profile,
        act=defer.act.value,
        mode=defer.mode.value,
        item=defer.item,
        patron=defer.patron,
        at_ms=defer.at_ms,
        due_ms=defer.due_ms,
    )


def state_key(lane: str, profile: str) -> str:
    """Under which a lane's state is saved."""
    return f"lane/{lane}/{profile}"


def _entry(lane: str, profile: str, record: Record, facts: TerminalFacts) -> Entry:
    return Entry(
        id=record.id,
        kind=record.kind.value,
        time_ms=facts.now_ms,
        time_quality=facts.clock.value,
        monotonic_ms=facts.monotonic_ms,
        lane=lane,
        profile=profile,
        reason=record.reason.code,
        medium=record.medium,
        subject=(record.subject.namespace, record.subject.id) if record.subject else None,
        refers_to=record.refers_to,
        money=None if record.money is None else _money(record.money),
        public={**record.public, RULES: record.trace} if record.trace else record.public,
        secret=record.evidence,
    )


def _money(money: Money) -> StoredMoney:
    return StoredMoney(
        amount_fen=money.amount_fen,
        intent_id=money.intent_id,
        merchant=money.merchant,
        business_date=money.business_date,
        operator=money.operator,
        shift=money.shift,
        account=money.account,
        funds=money.funds,
    )


def saves_the_same(new: State, old: State) -> bool:
    """Whether the disk would hold the same of both."""
    return new == old or new.model_dump() == old.model_dump()
