"""What only a hospital has to say, and the rules that only it asks."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.health import Colour
from profiles.trace import OWN, RuleEnum

_S = Sentence


class HospitalReason(ReasonEnum):
    """Each that refuses names one next step."""

    IDENTIFIED = (
        "identified",
        _S("已核验身份，请稍候", "You are identified; one moment, please"),
        _S("已核验身份", "the patient was identified"),
    )
    REGISTERED = (
        "registered",
        _S("挂号成功", "You are registered"),
        _S("免费挂号", "registered at a clinic that costs nothing"),
    )
    DEBT_ASKED = (
        "debt-asked",
        _S("正在查询欠款，请稍候", "Looking up what is to be settled; please wait"),
        _S("已向平台查询欠款，以便结清", "the platform was asked what is owed, to settle it"),
    )
    NOTHING_OWED = (
        "nothing-owed",
        _S("没有欠款", "Nothing is to be settled"),
        _S("平台：没有欠款", "the platform: nothing is owed"),
    )
    DEBT_TOLD = (
        "debt-told",
        _S("有待结清的款项，请到收费处结清", "Something is to be settled; please go to the cashier"),
        _S("平台告知的欠款与本终端所知不同，以平台为准", "the platform says that another sum is owed; it knows better"),
    )
    DEBT_UNKNOWN = (
        "debt-unknown",
        _S("暂时查不到欠款，请稍后再来结清", "What is owed cannot be looked up now; please come back later to settle"),
        _S("平台无应答，本终端也不知道有欠款", "the platform did not answer, and this terminal knows of no debt"),
        True,
    )
    COLLECTED = (
        "collected",
        _S("请取药", "Please take your medicine"),
        _S("已付款的处方交付患者", "what was paid is handed over to the patient"),
    )
    NOTHING_TO_COLLECT = (
        "nothing-to-collect",
        _S("没有已付款的处方，请先到收费处付款", "No prescription of yours is paid; please go to the cashier first"),
        _S("本终端没有此人已付款而未取的处方", "this terminal knows of no paid prescription of this person"),
    )
    NOT_COLLECTED = (
        "not-collected",
        _S("没有登记，请重新出示", "It was not recorded; please present it again"),
        _S("取药记录落盘太迟，处方仍待取", "the record became durable too late; the medicine still waits"),
        True,
    )
    PRESCRIPTION_PAID = (
        "prescription-paid",
        _S(
            "此处方已付款，请向收银员咨询处方号",
            "This prescription is paid already; please ask the cashier about its number",
        ),
        _S("此处方号已付款，或正在另一窗口付款", "this number was paid here, or is being paid at another lane"),
    )
    COLLECT_FIRST = (
        "collect-first",
        _S("待取的处方太多，请先到药房取药", "Too many prescriptions wait; please collect some at the pharmacy first"),
        _S("此人已付款未取的处方达到上限", "as many paid prescriptions of this person wait as are kept"),
    )
    HEALTH_GREEN = (
        "health-shown-green",
        _S("健康证明：绿色", "Health certificate: green"),
        _S("健康证明按本处规则为绿色", "the health certificate is green by the rules of this place"),
    )
    HEALTH_AMBER = (
        "health-shown-amber",
        _S("健康证明：黄色，请到分诊台", "Health certificate: amber; please go to the triage desk"),
        _S("健康证明按本处规则为黄色", "the health certificate is amber by the rules of this place"),
    )
    HEALTH_RED = (
        "health-shown-red",
        _S("健康证明：红色，请到发热门诊", "Health certificate: red; please go to the fever clinic"),
        _S("健康证明按本处规则为红色", "the health certificate is red by the rules of this place"),
    )
    QUERY_GONE = (
        "query-gone",
        _S("请重新出示", "Please present it again"),
        _S(
            "查询欠款没有结果：落盘太迟",
            "nothing came of the look-up: the disk was too late",
        ),
        True,
    )


class HospitalRule(RuleEnum):
    """What only this scene asks."""

    ATTENDED = (OWN, _S("收银员已登录？", "Is a cashier signed in?"))
    NOBODY_ELSE = (OWN + 1, _S("没有正在为别人查询？", "Is nothing being looked up for somebody else?"))
    PAID = (OWN + 2, _S("此人有已付款而未取的处方？", "Has this person a paid prescription to collect?"))
    ROOM = (OWN + 3, _S("待取的处方未满？", "Is there room for one more prescription to collect?"))
    PAYS = (OWN + 4, _S("此凭证可用于付款？", "May this kind of credential pay?"))
    UNPAID = (OWN + 5, _S("此处方尚未在本机付款？", "Was this prescription not paid here before?"))


BY_COLOUR = {
    Colour.GREEN: HospitalReason.HEALTH_GREEN,
    Colour.AMBER: HospitalReason.HEALTH_AMBER,
    Colour.RED: HospitalReason.HEALTH_RED,
}
