"""Why a library's lane says what it says: for the citizen in plain words, each with one thing to do."""

from __future__ import annotations

from profiles.loans import Block, Cause
from profiles.reasons import ReasonEnum, Sentence

_S = Sentence


class LibraryReason(ReasonEnum):
    """What only a library knows."""

    WELCOME = (
        "library-welcome",
        _S("正在查询，请稍候", "Looking you up; please wait"),
        _S("读者会话开始", "a reader's session begins"),
    )
    SCAN = (
        "library-scan",
        _S("请扫描图书条码", "Please scan the item"),
        _S("图书馆系统已答复", "the library's system has answered"),
    )
    SCAN_OFFLINE = (
        "library-scan-offline",
        _S(
            "系统暂停，仍可借书，请扫描图书条码",
            "The system is down; you can borrow all the same: please scan the item",
        ),
        _S("图书馆系统无应答，按离线规则办理", "the library's system is silent; the offline rules decide"),
    )
    GOODBYE = (
        "library-goodbye",
        _S("已退出，谢谢", "You are logged out; thank you"),
        _S("会话结束", "the session ended"),
    )
    CHECKOUT_ASKED = (
        "loan-asked",
        _S("正在办理借书，请稍候", "Borrowing; please wait"),
        _S("已询问图书馆系统：借", "the library was asked for a loan"),
    )
    CHECKIN_ASKED = (
        "return-asked",
        _S("正在办理还书，请稍候", "Returning; please wait"),
        _S("已询问图书馆系统：还", "the library was told of a return"),
    )
    RENEWAL_ASKED = (
        "renewal-asked",
        _S("正在办理续借，请稍候", "Renewing; please wait"),
        _S("已询问图书馆系统：续借", "the library was asked for a renewal"),
    )
    LENT = ("lent", _S("已借出", "Borrowed"), _S("图书馆系统已同意借出", "the library lent it"))
    LENT_OFFLINE = (
        "lent-offline",
        _S("已借出", "Borrowed"),
        _S("离线借出，稍后补登", "lent offline; the library is told afterwards"),
    )
    RETURNED = (
        "returned",
        _S("已归还，谢谢", "Returned, thank you"),
        _S("图书馆系统已收回", "the library took it back"),
    )
    RETURNED_OFFLINE = (
        "returned-offline",
        _S("已归还，谢谢", "Returned, thank you"),
        _S("离线归还，稍后补登", "returned offline; the library is told afterwards"),
    )
    SET_ASIDE = (
        "returned-set-aside",
        _S("已归还，请把书交给服务台", "Returned; please hand it to the desk"),
        _S("已收回；需另放：预约或属别馆", "taken back; it goes to a person: reserved, or another library's"),
    )
    RENEWED = (
        "renewed",
        _S("已续借", "Renewed"),
        _S("图书馆系统已同意续借", "the library renewed it"),
    )
    HANDLED = (
        "library-handled",
        _S("此书刚刚已办理，请扫描下一册", "This one is done; please scan the next"),
        _S("同一会话内重复扫描", "the same item again in one session"),
    )
    CARD_FIRST = (
        "library-card-first",
        _S("请先放卡或出示市民码", "Please present a card or the citizen code first"),
        _S("没有读者会话，且此处不收还书", "no session, and no returns are taken here"),
        True,
    )
    NOT_AN_ITEM = (
        "barcode-not-an-item",
        _S("这不是馆藏条码，请扫描书上的馆藏条码", "This is not the library's barcode; please scan the library's own"),
        _S("条码不符合馆藏号规则", "a barcode that is no number of this library's items"),
        True,
    )
    CODE_AS_BARCODE = (
        "code-as-barcode",
        _S("请出示手机上的市民码", "Please show the citizen code on your phone"),
        _S("市民码被印成一维条码", "a citizen code, printed as a barcode"),
        True,
    )
    ITEM_AS_CODE = (
        "item-as-code",
        _S("请扫描书上的条码", "Please scan the barcode of the item"),
        _S("馆藏号被做成二维码", "the number of an item, made a QR code"),
        True,
    )
    ITEM_UNKNOWN = (
        "item-unknown",
        _S("没有找到此书，请到服务台", "This item is not known; please go to the service desk"),
        _S("图书馆系统：没有这件馆藏", "the library: no such item"),
    )
    ITEM_NOT_LENDABLE = (
        "item-not-lendable",
        _S("此书只能在馆内阅读，请另选一册", "This item may be read in the library only; please choose another"),
        _S("图书馆系统：不外借", "the library: not for loan"),
    )
    ITEM_AWAY = (
        "item-away",
        _S("此书还在他人名下，请交给服务台", "This item is on somebody else's account; please hand it to the desk"),
        _S("图书馆系统：已借给他人", "the library: on loan to somebody else"),
    )
    ITEM_RESERVED = (
        "item-reserved",
        _S("此书已被他人预约，请另选一册", "Somebody has reserved this item; please choose another"),
        _S("图书馆系统：有人预约", "the library: reserved"),
    )
    ITEM_LOST = (
        "item-lost",
        _S("此书曾登记遗失，请交给服务台", "This item was reported lost; please hand it to the desk"),
        _S("图书馆系统：登记为遗失", "the library: lost or missing"),
    )
    NOT_RENEWABLE = (
        "not-renewable",
        _S("此书不能再续借，请按期归还", "It cannot be renewed again; please return it when it is due"),
        _S("图书馆系统：不能续借", "the library: no renewal"),
    )
    LIBRARY_REFUSED = (
        "library-refused",
        _S("不能办理，请到服务台咨询", "It cannot be done here; please ask at the service desk"),
        _S("图书馆系统拒绝，没有说明原因", "the library refused, for a reason that it does not tell"),
    )
    PATRON_UNKNOWN = (
        "patron-unknown",
        _S("您还不是读者，请到服务台开通", "You are not registered yet; please go to the service desk"),
        _S("图书馆系统：没有此读者", "the library: no such reader"),
    )
    PATRON_CARD_LOST = (
        "patron-card-lost",
        _S("您的读者证已挂失，请到服务台", "Your reader's card was reported lost; please go to the service desk"),
        _S("图书馆系统：读者证挂失", "the library: the reader's card is lost"),
    )
    PATRON_OVERDUE = (
        "patron-overdue",
        _S("请先归还逾期图书", "Please return what is overdue first"),
        _S("图书馆系统：逾期，停止借书", "the library: blocked, items are overdue"),
    )
    PATRON_FINES = (
        "patron-fines",
        _S("请先到服务台缴清欠费", "Please pay what you owe at the service desk first"),
        _S("图书馆系统：欠费，停止借书", "the library: blocked, fines are due"),
    )
    PATRON_FULL = (
        "patron-full",
        _S("您已借满，请先还一册", "You have as many as you may; please return one first"),
        _S("图书馆系统：达到借书册数", "the library: the reader's number of loans is reached"),
    )
    PATRON_DENIED = (
        "patron-denied",
        _S("您暂时不能借书，请到服务台咨询", "You cannot borrow at present; please ask at the service desk"),
        _S("图书馆系统：停止借书", "the library: blocked"),
    )
    UNBLOCKED = (
        "patron-unblocked",
        _S("请扫描图书条码", "Please scan the item"),
        _S("图书馆系统不再停止此读者", "the library blocks this reader no longer"),
    )
    NOT_DESENSITISED = (
        "not-desensitised",
        _S(
            "已借出，但防盗标签未处理，请到服务台", "Borrowed, but its tag is still live; please go to the service desk"
        ),
        _S("借出已记录，消磁没有完成", "the loan is recorded; the output that silences the tag failed"),
    )
    NOT_RESENSITISED = (
        "not-resensitised",
        _S("已归还，请把书交给服务台", "Returned; please hand it to the desk"),
        _S("归还已记录，防盗标签没有恢复", "the return is recorded; the output that makes the tag live failed"),
    )
    NOT_RECORDED = (
        "loan-not-recorded",
        _S("没有办理，请重新扫描", "Nothing was done; please scan it again"),
        _S("没有及时落盘；图书馆系统一侧将撤回或核对", "not recorded in time; withdrawn or looked up at the library"),
        True,
    )


REASON_OF_CAUSE = {
    Cause.ITEM_UNKNOWN: LibraryReason.ITEM_UNKNOWN,
    Cause.ITEM_NOT_LENDABLE: LibraryReason.ITEM_NOT_LENDABLE,
    Cause.ITEM_AWAY: LibraryReason.ITEM_AWAY,
    Cause.ITEM_RESERVED: LibraryReason.ITEM_RESERVED,
    Cause.ITEM_LOST: LibraryReason.ITEM_LOST,
    Cause.NOT_RENEWABLE: LibraryReason.NOT_RENEWABLE,
    Cause.OTHER: LibraryReason.LIBRARY_REFUSED,
}
REASON_OF_BLOCK = {
    Block.UNKNOWN: LibraryReason.PATRON_UNKNOWN,
    Block.CARD_LOST: LibraryReason.PATRON_CARD_LOST,
    Block.OVERDUE: LibraryReason.PATRON_OVERDUE,
    Block.FINES: LibraryReason.PATRON_FINES,
    Block.TOO_MANY: LibraryReason.PATRON_FULL,
    Block.DENIED: LibraryReason.PATRON_DENIED,
}
