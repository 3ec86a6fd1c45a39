"""Why a payment was made or not, in every scene that takes money."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence

_S = Sentence


class PaymentReason(ReasonEnum):
    """What only scenes with payments know."""

    ASKED = ("asked", _S("正在付款，请稍候", "Paying; please wait"), _S("已询问平台", "the platform was asked"))
    PAID = ("paid", _S("付款成功", "Paid"), _S("平台已同意", "the platform agreed"))
    PAID_OFFLINE = (
        "paid-offline",
        _S("付款成功", "Paid"),
        _S("平台无应答，在离线限额内收款", "the platform did not answer; within the offline ceilings"),
    )
    OFFLINE_CEILING = (
        "offline-ceiling",
        _S("暂时无法付款，请换一种方式付款", "It cannot be paid this way now; please pay in another way"),
        _S("平台无应答，且超出离线限额", "the platform did not answer, and an offline ceiling is reached"),
        True,
    )
    OFFLINE_ACCOUNTS = (
        "offline-accounts",
        _S("暂时无法从您的账户付款，请换一种方式付款", "Your accounts cannot be used now; please pay in another way"),
        _S("平台无应答，可离线付款的账户不够", "the platform did not answer; what may pay unasked does not cover it"),
        True,
    )
    NO_SUCH_ACCOUNT = (
        "no-such-account",
        _S("您的账户不能支付此项，请到服务台办理", "No account of yours pays this; please go to the service desk"),
        _S("按规则没有账户可以支付此项", "by the rules no account pays this for this holder"),
    )
    INSUFFICIENT_FUNDS = (
        "insufficient-funds",
        _S(
            "余额不足，请换一种方式付款",
            "Not enough money in the account; please pay in another way",
        ),
        _S("平台：余额不足", "the platform: the account does not cover it"),
    )
    NO_ACCOUNT = (
        "no-account",
        _S("没有可用的账户，请到服务台办理", "There is no account to pay from; please go to the service desk"),
        _S("平台：没有账户或账户停用", "the platform: no account, or a blocked one"),
    )
    PLATFORM_DECLINED = (
        "platform-declined",
        _S("无法付款，请换一种方式付款", "It cannot be paid; please pay in another way"),
        _S("平台拒绝", "the platform declined"),
    )
    NO_AMOUNT = (
        "no-amount",
        _S("请等收银员输入金额", "Please wait until the cashier has entered the amount"),
        _S("还没有输入金额", "no amount was entered"),
        True,
    )
    JUST_PAID = (
        "just-paid",
        _S("您刚刚已付款，请下一位刷卡", "You have just paid; please let the next person present a card"),
        _S("同一凭证在防重窗口内再次付款", "the same medium again inside the double-tap window"),
    )
    NOT_PAID = (
        "not-paid",
        _S("没有付款，请重新出示", "Nothing was paid; please present it again"),
        _S("结果没有及时落盘，已冲正", "the outcome was not recorded in time; it was reversed"),
        True,
    )
    ANSWERED_LATE = (
        "answered-late",
        _S("请以屏幕显示的结果为准", "What the screen said before holds"),
        _S("平台的同意来得太迟，不予采用", "the platform agreed too late; nothing follows from it"),
    )


DECLINED = {
    "insufficient-funds": PaymentReason.INSUFFICIENT_FUNDS,
    "account-unknown": PaymentReason.NO_ACCOUNT,
    "account-blocked": PaymentReason.NO_ACCOUNT,
}
"""Why, by the code of the platform's no (docs/contract.md)."""
