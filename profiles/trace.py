"""The rules of a decision, asked in order, and the compact trace of what each said.

A profile yields its rules one after the other, each as ``(rule, holds, refusal)``; :func:`judge` asks until the first
that does not hold and has a refusal. One that does not hold and refuses nothing (``None``) is tolerated: it stands in
the trace as an objection, and the asking goes on. What stands after the rule that refused is never computed.

The trace is one byte a rule, in the order of asking: the rule's number, and the high bit if it objected. It stands in
the record's public field ``rules``; numbers are never given to another rule, so that ``onecard explain`` reads old
records too (docs/contract.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from profiles.reasons import ReasonEnum, Sentence

_S = Sentence
OBJECTED = 0x80
OWN = 64
"""Rules of all scenes have numbers from 1, those of one profile from this one, up to 127."""
MAX_RULES = 32
"""So many bytes a trace has at most; of a longer one the last rules stay, since the last one decided."""


class RuleEnum(Enum):
    """Base without members; a member is ``(number, question)``: a yes lets the asking go on."""

    def __init__(self, number: int, question: Sentence) -> None:
        self.number = number
        self.question = question


class Rule(RuleEnum):
    """What all scenes may ask. A profile's own rules stand in its own file, with numbers from :data:`OWN`."""

    ASSURANCE = (1, _S("凭证的可信等级达到此处的要求？", "Is the credential's assurance enough for this place?"))
    ADMISSION = (2, _S("持有人有此处的权限？", "Is the holder entitled here?"))
    SCHEDULE = (3, _S("现在是开放时间？", "Is it within the opening hours?"))
    LANE_FREE = (4, _S("没有别人正在使用此通道？", "Is the lane free, with nobody still being served?"))
    NOT_REPEATED = (5, _S("不是刚刚用过的同一凭证？", "Was this credential not used just now?"))
    AMOUNT = (6, _S("已知应付金额？", "Is it known how much is to be paid?"))
    PLATFORM = (7, _S("平台及时同意？", "Did the platform agree, and in time?"))
    OFFLINE_PAYMENT = (8, _S("未超过单笔离线限额？", "Is it within the offline ceiling of one payment?"))
    OFFLINE_PERSON = (9, _S("未超过此人当日离线限额？", "Is it within this person's offline ceiling of the day?"))
    OFFLINE_TERMINAL = (
        10,
        _S("未超过本终端当日离线限额？", "Is it within this terminal's offline ceiling of the day?"),
    )
    OFFLINE_ACCOUNTS = (11, _S("可离线付款的账户足够？", "Do the accounts that may pay unasked cover it?"))
    ACCOUNTS = (12, _S("按规则有账户可以支付此项？", "Does a rule let one of the holder's accounts pay this?"))
    OFFLINE_PERSON_PAYMENTS = (
        13,
        _S("未超过此人当日离线笔数？", "Is it within this person's number of offline payments of the day?"),
    )
    OFFLINE_TERMINAL_PAYMENTS = (
        14,
        _S("未超过本终端当日离线笔数？", "Is it within this terminal's number of offline payments of the day?"),
    )
    OFFLINE_PERSON_HOURS = (
        15,
        _S("未超过此人可离线付款的小时数？", "Is it within the hours that this person may pay unasked?"),
    )
    OFFLINE_TERMINAL_HOURS = (
        16,
        _S("未超过本终端可离线收款的小时数？", "Is it within the hours that this terminal may sell unasked?"),
    )
    PASSBACK = (
        20,
        _S("此人上一次走的是相反方向？", "Did this person go the other way last, as far as is known?"),
    )
    CAPACITY = (21, _S("区域内还有位置？", "Is there room in the area?"))
    AGE = (22, _S("年龄符合此处的规定？", "Does this place allow the holder's age?"))
    ESCORT = (23, _S("不需要陪同？", "May the holder pass without an escort?"))
    CONSENT = (24, _S("监护人已同意？", "Has a guardian agreed, where one has to?"))
    TERM = (25, _S("学校不在假期？", "Is the school in term?"))
    LEAVE = (26, _S("有此时有效的离校许可？", "Does a leave permit hold now?"))
    GUARDIAN = (27, _S("未超过监护人的当日限额？", "Is it within the guardian's limit of the day?"))
    ASSISTANCE = (28, _S("值班人员今日的协助次数未用完？", "Has the operator an act of help left today?"))
    LEASE = (29, _S("平台的租约有效？", "Does the platform's lease hold?"))


Asked: TypeAlias = tuple[RuleEnum, bool, ReasonEnum | None]
"""A rule, whether it holds, and what refuses if it does not; ``None`` where that is tolerated."""


class Verdict(NamedTuple):
    """What the rules came to: the first refusal, if any, and the trace of all that were asked."""

    refusal: ReasonEnum | None
    trace: bytes

    def then(self, rules: Iterable[Asked]) -> Verdict:
        """Ask further rules, where none has refused yet."""
        return self if self.refusal is not None else judge(rules, self.trace)


def judge(rules: Iterable[Asked], before: bytes = b"") -> Verdict:
    """Ask in order, up to the first refusal; ``before`` is the trace of what was asked already."""
    said: list[int] = []
    refused: ReasonEnum | None = None
    for rule, holds, refusal in rules:
        said.append(rule.number if holds else rule.number | OBJECTED)
        if not holds and refusal is not None:
            refused = refusal
            break
    return Verdict(refused, (before + bytes(said))[-MAX_RULES:])


@dataclass(frozen=True, slots=True)
class Said:
    """What one rule said; ``rule`` is ``None`` for a number that this software does not know."""

    number: int
    rule: RuleEnum | None
    held: bool


def read_trace(trace: bytes, own: type[RuleEnum]) -> tuple[Said, ...]:
    """What the rules said, in order; ``own`` are those of the profile that decided."""
    known: dict[int, RuleEnum] = {rule.number: rule for rule in (*Rule, *own)}
    numbers = ((byte & ~OBJECTED, not byte & OBJECTED) for byte in trace)
    return tuple(Said(number, known.get(number), held) for number, held in numbers)
