"""Why a permit does not count. Each has one cause, and says what to do."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence

_S = Sentence
_CITIZEN = _S("请走旁边通道", "Please use the next lane")


class PermitReason(ReasonEnum):
    """A closed list, in the order of the checks."""

    MISSING = (
        "permit-missing",
        _CITIZEN,
        _S("此操作须有技术人员许可的签名", "this act needs a technician's permit, signed for it"),
    )
    BLOCKED = (
        "permit-blocked",
        _CITIZEN,
        _S("许可多次被拒，请稍后再试", "permits were refused too often; try again later"),
        True,
    )
    MALFORMED = (
        "permit-malformed",
        _CITIZEN,
        _S("这不是许可的签名；请整段复制", "this is no signed act; copy the whole of it"),
        True,
    )
    STATIC = (
        "permit-static",
        _CITIZEN,
        _S(
            "这只是许可本身，谁都可以复制；请用许可的设备为此操作签名（onecard permit sign）",
            "this is the permit alone, which anybody can copy; have its device sign the act (`onecard permit sign`)",
        ),
        True,
    )
    FORGED = (
        "permit-forged",
        _CITIZEN,
        _S("许可不是本平台签发的", "the permit was not signed by this terminal's platform"),
    )
    DEVICE_FORGED = (
        "permit-device-forged",
        _CITIZEN,
        _S("签名不是许可所属设备的", "the act was not signed by the permit's own device"),
    )
    OTHER_TERMINAL = (
        "permit-other-terminal",
        _CITIZEN,
        _S("签名是为另一台终端做的；请为本终端重新签名", "this was signed for another terminal; sign it for this one"),
        True,
    )
    OTHER_ACT = (
        "permit-other-act",
        _CITIZEN,
        _S("签名是为另一项操作做的；请为此操作重新签名", "this was signed for another act; sign it for this one"),
        True,
    )
    STALE = (
        "permit-stale",
        _CITIZEN,
        _S(
            "签名不是对本次口令的应答；请用终端现在显示的口令重新签名",
            "this does not answer the challenge that the terminal shows now; sign it anew",
        ),
        True,
    )
    ELSEWHERE = (
        "permit-elsewhere",
        _CITIZEN,
        _S(
            "许可不适用于本终端及其场所；没有场所的终端要在签发时用 --terminal 指明",
            "the permit is for other terminals and sites; a terminal without a site is named by --terminal when it is"
            " issued",
        ),
    )
    NOT_YET = ("permit-not-yet", _CITIZEN, _S("许可尚未生效", "the permit does not hold yet"))
    EXPIRED = (
        "permit-expired",
        _CITIZEN,
        _S("许可已过期；请向平台换新", "the permit has expired; have the platform issue another"),
    )
    REVOKED = ("permit-revoked", _CITIZEN, _S("许可已被吊销", "the permit was revoked"))
    ROLE = (
        "permit-role",
        _CITIZEN,
        _S("许可的角色不包括此操作", "none of the permit's roles may do this"),
    )
    SECOND = (
        "permit-second",
        _CITIZEN,
        _S("此操作须有两名技术人员的许可", "this act needs the permits of two people"),
        True,
    )
    SAME_PERSON = (
        "permit-same-person",
        _CITIZEN,
        _S(
            "两份许可属于同一人或同一设备；须由另一人许可",
            "both permits are one person's or one device's; somebody else has to permit it too",
        ),
        True,
    )
    PLACE_UNKNOWN = (
        "permit-place-unknown",
        _CITIZEN,
        _S(
            "终端还没有记下自己的编号和场所；请先启动一次",
            "the terminal has not noted its id and site yet; start it once",
        ),
    )
