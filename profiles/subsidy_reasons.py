"""What only a subsidy query has to say, and the rules that only it asks."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence
from profiles.trace import OWN, RuleEnum

_S = Sentence


class SubsidyReason(ReasonEnum):
    """Each names one next step."""

    ASKED = (
        "subsidy-asked",
        _S("正在查询，请稍候", "Asking; please wait"),
        _S("向平台查询补贴明细", "the platform is asked for somebody's subsidies"),
    )
    SHOWN = (
        "subsidy-shown",
        _S("查询完毕请按 0 并确认", "Press 0 and Enter when you have read it"),
        _S("补贴明细已在屏幕显示，未留存", "the subsidies stand on the screen, and nowhere else"),
    )
    PIN_WRONG = (
        "pin-wrong",
        _S("服务密码不正确，请重新输入", "The service PIN is wrong; please type it again"),
        _S("服务密码错误", "the service PIN is wrong"),
        True,
    )
    PIN_SOON = (
        "pin-soon",
        _S("输入过快，请稍候再输入", "Too soon; please wait a moment and type it again"),
        _S("两次输入服务密码间隔太短", "the PIN was typed too soon after a wrong one"),
        True,
    )
    PIN_BLOCKED = (
        "pin-blocked",
        _S("服务密码已锁定，请到服务台办理", "The service PIN is blocked; please go to the service desk"),
        _S("服务密码错误次数过多，当日锁定", "too many wrong PINs; blocked for the day"),
    )
    PIN_UNSET = (
        "pin-unset",
        _S("您还没有服务密码，请到服务台设置", "You have no service PIN yet; please set one at the service desk"),
        _S("平台没有此人的服务密码", "the platform has no service PIN of this person"),
    )
    NOT_REGISTERED = (
        "not-registered",
        _S("此卡没有登记，请到服务台办理", "This card is not registered; please go to the service desk"),
        _S("没有登记册认识此凭证", "no register knows this medium"),
    )
    NO_SUBSIDIES = (
        "no-subsidies",
        _S("没有查到您的补贴账户，请咨询村（社区）", "No subsidy account of yours; please ask at the village office"),
        _S("平台没有此人的补贴账户", "the platform has no subsidy account of this person"),
    )
    NOT_REACHED = (
        "subsidy-not-reached",
        _S("暂时无法查询，请稍后再来", "Asking is not possible now; please come back later"),
        _S(
            "平台没有按时应答，补贴明细只能联网查询",
            "no answer of the platform in time; subsidies are known online only",
        ),
        True,
    )
    REFUSED = (
        "subsidy-refused",
        _S("没有通过核验，请到服务台办理", "This could not be verified; please go to the service desk"),
        _S("平台拒绝了查询", "the platform refused"),
    )


class SubsidyRule(RuleEnum):
    """What only this scene asks."""

    REGISTERED = (OWN, _S("有登记册认识此凭证？", "Does a register know this medium?"))
    PIN_ALLOWED = (OWN + 1, _S("今天还可以输入服务密码？", "May a PIN still be tried today?"))
    PIN_NOT_TOO_SOON = (OWN + 2, _S("距上次输错已够久？", "Is it long enough since the last wrong PIN?"))
