"""What only a car park has to say, and the rules that only it asks."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence
from profiles.trace import OWN, RuleEnum

_S = Sentence


class ParkingReason(ReasonEnum):
    """Each names one next step."""

    ENTERED = (
        "entered",
        _S("欢迎入场，请记住您用的卡或码", "Welcome; please leave with the same card or code"),
        _S("准许入场", "let in"),
    )
    LEFT_FREE = (
        "left-free",
        _S("免费停车，一路平安", "Nothing is due; have a good journey"),
        _S("停车费为零", "the stay costs nothing"),
    )
    INSIDE_ALREADY = (
        "inside-already",
        _S("您的车已在场内，请按呼叫按钮", "Your car is inside already; please press the call button"),
        _S("同一人入场后没有离场记录", "the same person came in and has not left"),
        True,
    )
    NO_ENTRY = (
        "no-entry",
        _S("没有入场记录，请按呼叫按钮", "There is no record of your entry; please press the call button"),
        _S(
            "此人没有入场记录；值班员可输入应付金额", "this person did not come in here; the staff may type what is due"
        ),
        True,
    )


class ParkingRule(RuleEnum):
    """What only this scene asks."""

    NOT_INSIDE = (OWN, _S("此人没有车在场内？", "Has this person no car inside?"))
    BARRIER_FREE = (OWN + 2, _S("栏杆没有正在放行别人？", "Is the barrier not letting somebody through just now?"))
    CAME_IN = (
        OWN + 1,
        _S("此人有入场记录，或值班员输入了应付金额？", "Did this person come in, or has the staff typed what is due?"),
    )
