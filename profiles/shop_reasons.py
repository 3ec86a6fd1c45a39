"""What only a shop knows: its reasons, and the rules that it asks."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence
from profiles.trace import RuleEnum

_S = Sentence


class ShopReason(ReasonEnum):
    """Why something was sold or not."""

    BILL_PAID = (
        "bill-paid",
        _S("此账单已在本机缴费，请扫描下一张", "This bill was paid here already; please scan the next"),
        _S("此账单编号已有缴费记录", "a payment of this bill's number is on record"),
    )
    NO_SUCH_BARCODE = (
        "no-such-barcode",
        _S("不认识此条码，请收银员输入编号", "This barcode is not known; please let the cashier type its number"),
        _S("条码不是数字，既非商品也非账单", "a barcode that is neither of a thing nor of a bill"),
    )
    CODE_AS_BARCODE = (
        "code-as-barcode",
        _S(
            "这是条形码上的市民码，请出示手机上的二维码",
            "Please show the square code on the phone, not a barcode of it",
        ),
        _S("市民码以一维条码出现", "a citizen code in a one-dimensional symbology"),
    )
    NO_ACCOUNT_HERE = (
        "no-account-here",
        _S(
            "您的账户不能用于此项付款，请换一种方式付款",
            "None of your accounts may pay for this; please pay in another way",
        ),
        _S("按规则没有账户可支付此项", "by the rules no account of the holder pays for this"),
    )


class ShopRule(RuleEnum):
    """What only a shop asks."""

    ATTENDED = (64, _S("收银员已登录，或此处无须登录？", "Is a cashier signed in, where one has to be?"))
    BILL_OPEN = (65, _S("此账单尚未在本机缴费？", "Was this bill not paid here before?"))
    ACCOUNTS = (66, _S("持有人有账户可支付此项？", "May one of the holder's accounts pay for this?"))
    PROMOTION = (67, _S("有适用的优惠？", "Is there a promotion that fits?"))
