"""What only a metro has to say, and the rules that only it asks."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence
from profiles.trace import OWN, RuleEnum

_S = Sentence


class MetroReason(ReasonEnum):
    """Each names one next step."""

    ENTERED = (
        "entered-station",
        _S("请进站，出站时用同一张卡或码", "Please go in; leave with the same card or code"),
        _S("准许进站", "let in"),
    )
    ENTERED_AGAIN = (
        "entered-again",
        _S("请进站", "Please go in"),
        _S("刚在本站进过站，行程照旧", "came in at this station just now; the trip goes on"),
    )
    LEFT_FREE = (
        "left-station-free",
        _S("请出站，本次免费", "Please go out; nothing is due"),
        _S("票价为零", "the trip costs nothing"),
    )
    LEFT_UNPAID = (
        "left-station-unpaid",
        _S("可以出站，车费请到客服中心付款", "You may go out; please pay the fare at the station's desk"),
        _S(
            "租约到期、家长限额或离线限额，不能收款，放行；unpaid_fen 未收",
            "lease, guardian's limit or offline ceiling forbids the fare: let out, and unpaid_fen was not taken",
        ),
    )
    NO_ENTRY = (
        "no-station-entry",
        _S("没有进站记录，请到客服中心补登", "There is no record of your entry; please go to the station's desk"),
        _S(
            "此人没有未结束的行程；工作人员可输入进站车站（编号加 t）或应付金额",
            "this person has no open trip; the staff types where he came in (its number and t), or what is due",
        ),
        True,
    )
    IMPOSSIBLE_TRAVEL = (
        "impossible-travel",
        _S("请到客服中心核对", "Please go to the station's desk"),
        _S(
            "同一人不可能这么快从上一地点到此，卡或码可能被复制",
            "nobody comes so fast from where this person was seen last: the card or code may be a copy",
        ),
    )
    TRIP_ASKED = (
        "trip-asked",
        _S("正在查询行程，请稍候", "Looking up the trip; please wait"),
        _S("向平台查询进站记录", "the platform is asked where this person came in"),
    )
    NO_STATION = (
        "no-such-station",
        _S("没有这个车站，请重新输入编号", "There is no such station; please type its number again"),
        _S("输入的车站编号不存在", "a number was typed that no station has"),
        True,
    )
    NO_FARES = (
        "no-fares",
        _S("暂时无法计算票价，请到客服中心", "The fare cannot be told now; please go to the station's desk"),
        _S(
            "签名票价表未安装、已过期或缺少本行程；工作人员可输入应付金额",
            "the signed fares are not installed, have expired or lack this trip; the staff may type what is due",
        ),
        True,
    )


class MetroRule(RuleEnum):
    """What only this scene asks."""

    GATE_FREE = (OWN, _S("闸机没有正在放行别人？", "Is the gate not letting somebody through just now?"))
    POSSIBLE = (OWN + 1, _S("从上一地点来得及到此？", "Can the person have come here from where he was last?"))
    TRIP_ENDED = (OWN + 2, _S("上次行程已经出站？", "Has the last trip an exit?"))
    CAME_IN = (
        OWN + 3,
        _S("此人有进站记录，或工作人员作了补登？", "Did this person come in, or has the staff typed where?"),
    )
    IN_TIME = (OWN + 4, _S("在规定的乘车时间内？", "Is the trip within the time that one may take?"))
    TRIP_TOLD = (OWN + 6, _S("平台及时答复了行程？", "Did the platform tell of the trip, and in time?"))
    FARE_KNOWN = (OWN + 5, _S("有这一行程的票价？", "Is there a fare for this trip?"))
