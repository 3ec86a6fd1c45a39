"""An assisted act (协助): an operator lets one person in who has no card and no code to show, and answers for it.

The operator types the number of a reason of the closed list and the key *assist*, and then shows his own card or code
within ``within_ms``. The record bears the operator's medium and subject, the reason, and how many acts of the day that
makes. Whoever is helped is stated by showing, in between, what the lane refused: the record then names that refusal.
Each operator has so many acts a day at one terminal, counted in a durable mark that a restart keeps; an act counts also
if nobody passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from profiles.api import Credential, Facts, Mark, Record, Show, State, Step, Tone
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.admission import Admission
from profiles.rules.repeats import Repeats
from profiles.rules.tally import count, counted, key_of
from profiles.trace import Asked, Rule

S = TypeVar("S", bound=State)
SCOPE = "assisted"
KEPT_MS = 48 * 3_600_000
"""Longer than any date lasts; another date has a mark of its own."""
_S = Sentence
_SHOW_YOURS = _S("请值班人员出示卡或码", "Please let the operator present a card or a code")


class AssistedReason(ReasonEnum):
    """What comes of an operator's help."""

    ASSISTED = (
        "assisted",
        _S("请通行", "Please pass"),
        _S(
            "值班人员为他人放行，由此卡或码的持有人负责",
            "an operator, the holder of this medium, let somebody else pass",
        ),
    )
    USED_UP = (
        "assist-used-up",
        _S("今天的协助次数已用完，请到服务台办理", "No more help is given here today; please go to the service desk"),
        _S("该值班人员今日的协助次数已用完", "this operator's acts of help of the day are used up"),
    )


class Why(Enum):
    """Why somebody has nothing to show: ``(number on the keypad, code in the journal, words)``."""

    FORGOTTEN = (1, "card-forgotten", _S("忘带卡", "card forgotten"))
    NO_PHONE = (2, "no-phone", _S("没有手机", "no phone"))
    BROKEN = (3, "medium-broken", _S("卡或手机不能用", "card or phone does not work"))
    UNABLE = (4, "cannot-present", _S("不便出示", "not able to present it"))

    def __init__(self, number: int, code: str, said: Sentence) -> None:
        self.number = number
        self.code = code
        self.said = said


_BY_NUMBER = {why.number: why for why in Why}
_CHOOSE = _S(
    "请输入原因编号并按协助键：" + "；".join(f"{why.number} {why.said.zh}" for why in Why),
    "Please type a reason's number and the assist key: " + "; ".join(f"{why.number} {why.said.en}" for why in Why),
)


class Helping(State):
    """An operator has said why, and his own card or code is awaited."""

    why: str
    since_ms: int
    refused: bytes | None = Field(default=None, description="the record of what the helped person showed meanwhile")
    whose: bytes | None = Field(default=None, description="the medium that was refused there")

    def told(self, record: Record, repeats: Repeats) -> Helping:
        """What is refused while the operator's card is awaited states who is helped, if it is anybody's medium."""
        if record.medium is None:
            return self
        first = repeats.first(record.reason.code, record.medium)
        return self.model_copy(update={"refused": first, "whose": record.medium})

    def for_whom(self, operator: Credential) -> bytes | None:
        """The refusal of whoever is helped; an operator who slipped himself is not helped."""
        return None if self.whose == operator.medium else self.refused

    def public(self, operator: Credential, facts: Facts) -> dict[str, str | int | bool]:
        """The public fields of the act's record."""
        return {"assisted": self.why, "assisted_today": _today(operator, facts) + 1}

    def used(self, operator: Credential, facts: Facts) -> Mark:
        """The mark of one act more; it goes into the act's record."""
        return count(SCOPE, _key(operator, facts), 1, facts.now_ms + KEPT_MS, facts)


class Assisted(BaseModel):
    """Settings of one lane."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operators: Admission = Field(description="who may help")
    a_day: int = Field(default=20, ge=1, le=500, strict=True, description="acts of one operator on one day")
    within_ms: int = Field(default=15_000, ge=1_000, le=120_000, description="from the key to the operator's card")

    @field_validator("operators")
    @classmethod
    def not_everyone(cls, value: Admission) -> Admission:
        """Whoever comes would let in whoever comes."""
        if value.everyone:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "值班人员不能是所有人，请写明 entitlements 等",
                    "en": "not everyone is an operator; name entitlements",
                },
            )
        return value

    def pressed(self, state: S, number: int | None, facts: Facts) -> Step[S]:
        """The key: a reason begins an act anew; none, or an unknown one, ends it and lists them."""
        why = _BY_NUMBER.get(number or 0)
        helping = None if why is None else Helping(why=why.code, since_ms=facts.now_ms)
        told = Show(_CHOOSE, Tone.NO) if helping is None else Show(_SHOW_YOURS, Tone.WAIT)
        return Step(state.model_copy(update={"helping": helping}), (told,))

    def awaits(self, helping: Helping | None, credential: Credential, facts: Facts) -> bool:
        """Whether this is the operator whose card is awaited. Anybody else is served as always."""
        if helping is None or not 0 <= facts.now_ms - helping.since_ms < self.within_ms:
            return False
        return self.operators.admits(credential, facts)

    def rules(self, operator: Credential, facts: Facts) -> Iterator[Asked]:
        """Whether he has one act left today."""
        yield Rule.ASSISTANCE, _today(operator, facts) < self.a_day, AssistedReason.USED_UP


def _today(operator: Credential, facts: Facts) -> int:
    return counted(SCOPE, _key(operator, facts), facts)


def _key(operator: Credential, facts: Facts) -> bytes:
    return key_of(operator.subject, facts.local_time.strftime("%Y%m%d"))
