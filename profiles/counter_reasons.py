"""What a counter with a cashier says: who works at it, its shifts, and what is given back."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence

_S = Sentence


class CounterReason(ReasonEnum):
    """Why something at the counter was done or not."""

    SIGNED_IN = ("signed-in", _S("收银员已登录", "The cashier is signed in"), _S("收银员登录", "a cashier signed in"))
    SIGNED_OUT = (
        "signed-out",
        _S("收银员已退出", "The cashier is signed out"),
        _S("收银员退出", "a cashier signed out"),
    )
    SIGNED_OUT_IDLE = (
        "signed-out-idle",
        _S("收银员已自动退出，请重新登录", "The cashier was signed out; please sign in again"),
        _S("收银员长时间无操作，自动退出", "the cashier did nothing for a while and was signed out"),
    )
    NOT_A_CASHIER = (
        "not-a-cashier",
        _S("此卡不能登录收银台，请换收银员的卡", "This card cannot sign in; please use a cashier's card"),
        _S("此人不是本机的收银员", "this person is no cashier of this till"),
    )
    NOBODY_AT_THE_TILL = (
        "nobody-at-the-till",
        _S("请等收银员登录", "Please wait until a cashier has signed in"),
        _S("需要收银员登录", "a cashier has to sign in"),
        True,
    )
    SHIFT_OPENED = ("shift-opened", _S("班次已开始", "The shift has begun"), _S("班次开始", "a shift began"))
    SHIFT_CLOSED = (
        "shift-closed",
        _S("班次已结束", "The shift has ended"),
        _S("班次结束，附合计", "a shift ended, with its sums"),
    )
    VOIDED = ("voided", _S("已撤销并退款", "Taken back and refunded"), _S("收银员撤销", "a cashier took a sale back"))
    REFUNDED = ("refunded", _S("已退款", "Refunded"), _S("收银员部分退款", "a cashier refunded a part"))
    RETURN_ASKED = (
        "return-asked",
        _S("正在询问平台", "The platform is asked"),
        _S("询问平台：退他机所售", "the platform is asked about a sale of another till"),
    )
    RETURN_UNKNOWN = (
        "return-unknown",
        _S(
            "没有这个退款号，请按收据重新输入",
            "No sale has this refund number; please enter it again from the receipt",
        ),
        _S("平台没有此商户的这一笔", "the platform knows no such sale of this merchant"),
    )
    RETURN_NOT_NOW = (
        "return-not-now",
        _S(
            "现在不能退其他收银台的销售，请到原收银台退款",
            "Another till's sale cannot be refunded now; please go to the till that sold it",
        ),
        _S("平台没有及时同意退款", "the platform did not agree to the return in time"),
        True,
    )
    RECEIPT_COPIED = (
        "receipt-copied",
        _S("收据副本已打印", "A copy of the receipt is printed"),
        _S("收银员重打收据", "a cashier printed a receipt again"),
    )
    SALE_UNKNOWN = (
        "sale-unknown",
        _S(
            "此处没有这一笔，请到原收银台退款",
            "No such sale here; please go to the till that sold it",
        ),
        _S("不在本机最近的销售之中", "not among this till's latest sales"),
    )
    SALE_RETURNED = (
        "sale-returned",
        _S("这一笔已全部退回，请另选一笔", "All of this sale was given back already; please choose another"),
        _S("已没有可退金额", "nothing of it is left"),
    )
    OWN_SALE = (
        "own-sale",
        _S("不能给本人退款，请另一位收银员登录", "Nobody refunds himself; please let another cashier sign in"),
        _S("收银员不能给自己退款", "a cashier cannot refund his own sale"),
    )
    REFUND_TOO_MUCH = (
        "refund-too-much",
        _S("超过可退金额，请重新输入", "This is more than can be refunded; please enter it again"),
        _S("退款大于剩余金额", "a refund beyond what is left"),
    )
