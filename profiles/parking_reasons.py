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
    LEFT_UNPAID = (
        "left-unpaid",
        _S("可以出场，停车费请到服务台付款", "You may leave; please pay the fee at the service desk"),
        _S("租约已到期，不收款，放行；unpaid_fen 未收", "the lease has ended: let out, and unpaid_fen was not taken"),
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
    PAYS_ELSEWHERE = (
        "pays-elsewhere",
        _S("正在另一出口付款，请从那里离开", "You are paying at another exit; please leave there"),
        _S(
            "同一人此刻正在此停车场的另一出口付款",
            "the same person is paying at another exit of this car park just now",
        ),
        True,
    )
    NO_CAR = (
        "no-car",
        _S("请把车开到读卡器旁再刷卡", "Please drive up to the reader, then present it"),
        _S(
            "地感没有车辆，或已为此车开过栏杆",
            "the loop feels no car, or the barrier has been opened for this one already",
        ),
        True,
    )
    CLOCK_WENT_BACK = (
        "clock-went-back",
        _S("无法计算停车时间，请按呼叫按钮", "The stay cannot be told; please press the call button"),
        _S(
            "终端时钟早于入场时间或此前的记录；值班员按情况处理，并检查时钟",
            "the clock is behind the entry or earlier records; the staff decides; check the clock",
        ),
        True,
    )
    PLATE_UNKNOWN = (
        "plate-unknown",
        _S("请刷卡或出示市民码", "Please present a card or the citizen code"),
        _S(
            "车牌未登记，或此处不使用车牌；没有记录",
            "the plate is in no register, or plates count for nothing here; nothing was kept",
        ),
        True,
    )
    PLATE_PAYS_NOT = (
        "plate-pays-not",
        _S("请刷卡或出示市民码付款", "Please pay with a card or the citizen code"),
        _S("车牌可以伪造，此处不凭车牌付款", "anybody can paint a plate: here it pays nothing"),
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
    A_CAR = (OWN + 3, _S("地感上有车，而且还没有为它开过栏杆？", "Does a car stand there, not let through yet?"))
    CLOCK_GOES_ON = (
        OWN + 4,
        _S("时钟没有早于入场和此前的记录？", "Is the clock not behind the entry and earlier records?"),
    )
    PAYS_HERE = (OWN + 5, _S("此人没有正在另一出口付款？", "Is this person not paying at another exit just now?"))
