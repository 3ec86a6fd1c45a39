"""What a lane itself says, whatever its profile: before there is a decision, and where there can be none."""

from __future__ import annotations

from drivers.api import CodeProblem
from profiles.api import Reason, Show, Tone
from profiles.reasons import Sentence

HOLD_STILL = Show(Sentence("正在读卡，请勿移开", "Reading; please hold the card still"), Tone.WAIT)
TOO_MANY = Show(Sentence("请稍候，再出示一次", "Please wait a moment, then present it again"), Tone.WAIT)
NO_SERVICE = Show(Reason.OUT_OF_SERVICE.citizen, Tone.NO)
NOT_RECORDED = Show(Reason.NOT_RECORDED.citizen, Tone.NO)
HINTS = {
    CodeProblem.SMALL: Show(Sentence("请把手机靠近一些", "Please hold the phone closer"), Tone.WAIT),
    CodeProblem.CUT: Show(Sentence("请把整个码对准镜头", "Please show the whole code to the camera"), Tone.WAIT),
    CodeProblem.UNREAD: Show(
        Sentence("请拿稳手机，调亮屏幕", "Please hold the phone still and make its screen brighter"), Tone.WAIT
    ),
}
