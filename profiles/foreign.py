"""Codes of other systems (电子社保卡, 医保码 …) that the platform reads for a scene: they identify, and pay nothing.

No terminal can verify such a code by itself. Where a lane's ``codes.ask`` names its kind, the text goes to the
platform, sealed, as a question with a deadline, and into no record, state or log; the answer says whose it is. Without
an answer there is a reason, and one next step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from profiles.reasons import ReasonEnum, Sentence

_S = Sentence


@dataclass(frozen=True, slots=True)
class ForeignShown:
    """Somebody showed a code of another system that the lane asks about; ``kind`` says which (``CodeReason``)."""

    kind: ReasonEnum
    text: str = field(repr=False)
    reader: str = ""


class ForeignReason(ReasonEnum):
    """What comes of such a code."""

    ASKED = (
        "foreign-asked",
        _S("正在核验，请稍候", "It is being checked; please wait"),
        _S("已密封发送平台核验", "sent to the platform, sealed, to be read there"),
    )
    UNREACHABLE = (
        "foreign-unreachable",
        _S("暂时无法核验此码，请使用社会保障卡", "It cannot be checked now; please use the social-security card"),
        _S("平台没有及时答复；此类码不能离线核验", "the platform did not answer in time; such codes need it"),
        True,
    )
    UNKNOWN = (
        "foreign-unknown",
        _S(
            "此码无效，请在手机上刷新后再出示",
            "It is not valid; please refresh it on the phone and show it again",
        ),
        _S("平台不认识此码，或不能读取", "the platform does not know the code, or cannot read it"),
        True,
    )
    IDENTIFIES_ONLY = (
        "foreign-identifies-only",
        _S(
            "此码只能核验身份，付款请用社会保障卡",
            "It only says who you are; please pay by the social-security card",
        ),
        _S("其他系统的码不用于付款", "codes of other systems pay nothing here"),
        True,
    )
