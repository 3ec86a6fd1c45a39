"""What doors share: who crosses, what may become of it, and how fire is told."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from profiles.api import Effect, RaiseAlarm, Record, Show, State, Subject, Tone
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.area import Taken

_S = Sentence
PASSAGE_TIMER = "passage"
Public = Mapping[str, str | int | bool]


class PassageReason(ReasonEnum):
    """What becomes of the way that a lane opened."""

    GRANTED_AGAIN = (
        "granted-again",
        _S("请通行", "Please pass"),
        _S("同一人再次刷卡，重新开闸", "same medium again, re-armed"),
    )
    PASSED = ("passed", _S("请通行", "Please pass"), _S("已通过", "passed"))
    TIMED_OUT = (
        "timed-out",
        _S("没有通过，请重新刷卡", "You did not pass; please present it again"),
        _S("开放时间内无人通过", "nobody passed within the time"),
        True,
    )
    JUST_PASSED = (
        "just-passed",
        _S("您刚刚已通过，请稍候再试", "You have just passed; please wait a moment"),
        _S("同一凭证在防重窗口内再次使用", "the same medium again inside the double-tap window"),
    )
    FORCED_OPEN = (
        "forced-open",
        _S("请先刷卡再通行", "Please present a card before you pass"),
        _S("未授权通过", "somebody passed without a grant"),
        True,
    )


class Crossing(State):
    """A grant whose outcome is open, or the last one that ended."""

    record_id: bytes
    medium: bytes
    subject_namespace: str
    subject_id: bytes
    granted_ms: int
    presentation: bytes | None = Field(default=None, description="the showing of a code that opened, the newest one")
    taken: Taken = Taken()
    escorted: bool = Field(default=False, description="its code alone does not open again")
    ordered: bool = Field(default=False, description="by the platform's command: nobody knows who passes")

    @classmethod
    def by_order(cls, about: bytes, now_ms: int) -> Crossing:
        """Whoever passes by the order whose record this is; no medium is the order's id."""
        return cls(
            record_id=about, medium=about, subject_namespace="", subject_id=about, granted_ms=now_ms, ordered=True
        )

    @property
    def subject(self) -> Subject:
        """The person who crosses."""
        return Subject(self.subject_namespace, self.subject_id)

    @property
    def gives_nothing_back(self) -> bool:
        """Whether it cannot be taken up again where nobody passed."""
        return self.escorted or self.ordered

    @property
    def known(self) -> tuple[bytes, Subject] | tuple[None, None]:
        """Medium and person as records name them; nothing of an order."""
        return (None, None) if self.ordered else (self.medium, self.subject)


def fire_told(active: bool, record: Record) -> tuple[Effect, ...]:
    """A fire, or its end: the way is open already, or shut again. The fire itself was urgent and is alarmed before."""
    cleared = () if active else (RaiseAlarm(record.reason, record.id),)
    return (record, Show(record.reason.citizen, Tone.OK), *cleared)
