"""Inspection (查票): whoever comes next is not charged, but told to the inspector: a valid ticket, or none.

The inspector presses the key *check*; it holds for one passenger, and for :data:`PATIENCE_MS`, so that nobody rides for
nothing because it was forgotten. What is shown is the ride and never the person; the check is recorded.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from pydantic import Field

from profiles.api import Credential, Facts, Kind, Record, Show, StartTimer, State, Step, Tone
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.concession import Concession

CHECK_TIMER = "check"
PATIENCE_MS = 20_000
_S = Sentence
_READY = Show(_S("查票：请乘客刷卡或出示码", "Inspection: the passenger taps, or shows the code"), Tone.WAIT)


class TicketReason(ReasonEnum):
    """What an inspector hears."""

    VALID = ("ticket-valid", _S("有效车票", "A valid ticket"), _S("查票：有效", "inspected: valid"))
    NONE = (
        "ticket-none",
        _S("没有有效车票，请补票", "No valid ticket; please pay the fare"),
        _S("查票：没有有效的行程或付款", "inspected: no trip and no payment that holds"),
    )
    UNKNOWN = (
        "ticket-unknown",
        _S("现在无法查询，请稍后再查", "It cannot be told now; please check again later"),
        _S("查票：平台没有及时答复", "inspected: the platform did not answer in time"),
        True,
    )


class Inspected(State):
    """Part of the state of a lane at which is inspected; forgotten by a restart."""

    checking: bool = Field(default=False, exclude=True, description="whoever comes next is told to the inspector")


I = TypeVar("I", bound=Inspected)  # noqa: E741


def begin(state: I) -> Step[I]:
    """The key was pressed; once more takes it back."""
    if state.checking:
        return Step(end(state), (Show(_S("查票结束", "The inspection is over"), Tone.OK),))
    return Step(state.model_copy(update={"checking": True}), (_READY, StartTimer(CHECK_TIMER, PATIENCE_MS, b"")))


def end(state: I) -> I:
    """Passengers pay again."""
    return state.model_copy(update={"checking": False})


def inspection(
    credential: Credential,
    reason: TicketReason,
    since_ms: int | None,
    where: Sentence,
    concession: Concession | None,
    facts: Facts,
    public: dict[str, str | int | bool],
) -> tuple[Record, Show]:
    """The record of a check, and what the inspector reads: the ticket, where and since when, and never who."""
    record = Record(
        id=facts.new_id(),
        kind=Kind.DECISION,
        reason=reason,
        medium=credential.medium,
        subject=credential.subject,
        public={**public, "source": credential.source, "assurance": int(credential.assurance)},
        marks=credential.marks,
    )
    if reason is not TicketReason.VALID or since_ms is None:
        return record, Show(reason.citizen, Tone.NO)
    ticket = reason.citizen if concession is None else concession.ticket.sentence
    at = datetime.fromtimestamp(since_ms / 1000, facts.local_time.tzinfo).strftime("%H:%M")
    told = _S(f"{ticket.zh}：{where.zh} {at}", f"{ticket.en}: {where.en} {at}")
    return record, Show(told, Tone.OK)
