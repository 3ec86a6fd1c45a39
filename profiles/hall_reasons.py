"""What only a service hall has to say, and the rules that only it asks."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence
from profiles.trace import OWN, RuleEnum

_S = Sentence


class HallReason(ReasonEnum):
    """Each names one next step."""

    TICKET = (
        "ticket",
        _S("已取号，请等候叫号", "Here is your number; please wait until it is called"),
        _S("已发出排队号", "a queue ticket was issued"),
    )
    TICKET_AGAIN = (
        "ticket-again",
        _S("您已取过号，请等候叫号", "You have a number already; please wait until it is called"),
        _S("此人此事项已有排队号", "this person holds a ticket for this matter"),
    )
    NO_MATTER = (
        "no-matter",
        _S("请先选择事项", "Please choose your matter first"),
        _S("没有选择办理事项", "no matter was chosen"),
        True,
    )
    TICKETS_USED_UP = (
        "tickets-used-up",
        _S("今天此事项的号已取完，请明天再来", "No more numbers for this matter today; please come back tomorrow"),
        _S("已达当日取号上限", "the day's tickets of this matter are issued"),
    )
    NEEDS_CARD = (
        "needs-card",
        _S("此事项须人工核验，请到服务台", "This matter needs a check by staff; please go to the service desk"),
        _S("事项要求已认证的卡，出示的凭证等级不够", "the matter demands an authenticated card, and less was shown"),
    )
    TICKET_CALLED = (
        "ticket-called",
        _S("请到窗口办理", "Please come to the counter"),
        _S("已叫号", "a ticket was called"),
    )
    NO_TICKET = (
        "no-ticket",
        _S("请先在取号机取号", "Please take a number at the ticket machine first"),
        _S(
            "此人没有此窗口的排队号，工作人员也没有选择事项",
            "no ticket for this counter, no matter chosen by the staff",
        ),
        True,
    )
    NOT_CALLED = (
        "not-called",
        _S("还没有叫到您的号，请等候", "Your number was not called yet; please wait"),
        _S("排队号尚未叫到", "the ticket was not called yet"),
        True,
    )
    IDENTIFIED = (
        "identified",
        _S("身份已核验，窗口正在接收", "You are identified; the counter is being told"),
        _S("身份已核验，等待窗口系统领取", "identified; waits for the counter's software"),
    )
    HANDED_OVER = (
        "handed-over",
        _S("请向窗口说明您的事项", "Please tell the counter what you need"),
        _S("身份交给窗口系统", "the identity leaves for the counter's software"),
    )
    HANDOVER_CONFIRMED = (
        "handover-confirmed",
        _S("请向窗口说明您的事项", "Please tell the counter what you need"),
        _S("窗口系统确认收到", "the counter's software said that it has it"),
    )
    HANDOVER_EXPIRED = (
        "handover-expired",
        _S("窗口没有接收，请再出示一次", "The counter did not take it; please present it again"),
        _S("窗口系统没有按时领取，身份已清除", "the counter's software did not ask in time; the identity is forgotten"),
        True,
    )
    HANDOVER_WITHDRAWN = (
        "handover-withdrawn",
        _S("已取消，请再出示一次", "Taken back; please present it again"),
        _S("工作人员取消，身份已清除", "the staff took it back; the identity is forgotten"),
        True,
    )
    HANDOVER_FAILED = (
        "handover-failed",
        _S("窗口没有收到，请再出示一次", "The counter did not get it; please present it again"),
        _S("窗口系统没有确认收到，身份已清除", "the counter's software confirmed nothing; the identity is forgotten"),
        True,
    )
    HANDOVER_FORGOTTEN = (
        "handover-forgotten",
        _S("设备刚重启，请再出示一次", "The terminal was started anew; please present it again"),
        _S("终端重启，身份已清除", "the terminal was started anew; the identity is forgotten"),
        True,
    )
    NOT_PRINTED = (
        "not-printed",
        _S("没有纸，请记住屏幕上的号码", "Out of paper; please remember the number"),
        _S("排队号没有打印", "the ticket was not printed"),
    )


class HallRule(RuleEnum):
    """What only this scene asks."""

    MATTER = (OWN, _S("已选择办理事项？", "Was a matter chosen?"))
    TICKETS_LEFT = (OWN + 1, _S("今天还有此事项的号？", "Are there numbers left for this matter today?"))
    MATTER_KNOWN = (
        OWN + 2,
        _S("有此窗口的排队号，或工作人员选择了事项？", "Is there a ticket for this counter, or did the staff choose?"),
    )
    TICKET_CALLED = (OWN + 3, _S("已叫到此号？", "Was the ticket called?"))
    MATTER_ASSURANCE = (
        OWN + 4,
        _S("凭证的可信等级达到此事项的要求？", "Is the credential's assurance enough for this matter?"),
    )
