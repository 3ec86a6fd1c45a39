"""Why a code is refused: one reason a check of docs/code-format.md, in the order of the checks."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence

_S = Sentence
_SHOW_CITIZEN_CODE = "请出示电子市民码", "please show the citizen code"


def _instead(zh: str, en: str) -> Sentence:
    return _S(f"{zh}，{_SHOW_CITIZEN_CODE[0]}", f"{en}; {_SHOW_CITIZEN_CODE[1]}")


class CodeReason(ReasonEnum):
    """A closed list, shared by all scenes."""

    # Somebody else's code: classified, never accepted, never logged.
    PAYMENT_CODE = (
        "payment-code",
        _instead("这是付款码", "This is a payment code"),
        _S("付款码（微信、支付宝、云闪付）", "a payment code (WeChat, Alipay, UnionPay)"),
        True,
    )
    MERCHANT_CODE = (
        "merchant-code",
        _instead("这是收款码", "This is a shop's code for receiving money"),
        _S("商户收款码（EMVCo）", "a merchant-presented payment code (EMVCo)"),
        True,
    )
    SOCIAL_SECURITY_CODE = (
        "social-security-code",
        _instead("这是电子社保卡二维码", "This is the electronic social-security card"),
        _S(
            "电子社保卡二维码，此处不能离线验证", "an electronic social-security code, which cannot be verified offline"
        ),
        True,
    )
    MEDICAL_INSURANCE_CODE = (
        "medical-insurance-code",
        _instead("这是医保码", "This is the medical insurance code"),
        _S("医保码，此处不能离线验证", "a medical insurance code, which cannot be verified offline"),
        True,
    )
    HEALTH_CODE = (
        "health-code",
        _instead("这是健康码", "This is a health code"),
        _S("健康码，此处不接受", "a health code, which is not accepted here"),
        True,
    )
    HEALTH_CERTIFICATE = (
        "health-certificate",
        _instead("这是健康证明", "This is a health certificate"),
        _S("HCERT 健康证明，此处不接受", "an HCERT health certificate, which is not accepted here"),
        True,
    )
    LINK_CODE = (
        "link-code",
        _instead("这是网址二维码", "This code is a web address"),
        _S("网址二维码", "a web address"),
        True,
    )
    WIFI_CODE = (
        "wifi-code",
        _instead("这是无线网络二维码", "This code is for joining a Wi-Fi network"),
        _S("无线网络二维码", "a Wi-Fi code"),
        True,
    )

    # 1. The text.
    DAMAGED = (
        "code-damaged",
        _S("没有读清，请重新出示电子市民码", "The code was not read well; please show it again"),
        _S("EC1 码长度或 Base45 编码错误", "EC1: wrong length or not strict Base45"),
        True,
    )
    SUITE_UNKNOWN = (
        "code-suite-unknown",
        _S("此处还不能识别这种码，请使用社会保障卡", "This kind of code is not known here yet; please use the card"),
        _S("EC1 签名套件未知，终端软件可能过旧", "EC1: unknown suite; the terminal's software may be too old"),
    )
    # 2. The trust list.
    TRUST_EXPIRED = (
        "trust-expired",
        _S("设备暂时不能验码，请使用社会保障卡", "Codes cannot be checked here for the moment; please use the card"),
        _S("信任列表缺失或已超过宽限期，请更新", "there is no trust list, or it is past its grace; bring a new one"),
    )
    ISSUER_UNKNOWN = (
        "code-issuer-unknown",
        _S(
            "此处不能使用这个机构签发的码，请使用社会保障卡",
            "Codes of this issuer are not accepted here; please use the card",
        ),
        _S("信任列表中没有此签发者或密钥", "the trust list has no row for this issuer and kid"),
    )
    ISSUER_ELSEWHERE = (
        "code-issuer-elsewhere",
        _S(
            "这个机构签发的码不能在此处使用，请使用社会保障卡",
            "Codes of this issuer are not accepted at this place; please use the card",
        ),
        _S("该签发者的码不适用于本站点", "the issuer's row does not name this terminal's site"),
    )
    ISSUER_KEY_INVALID = (
        "code-issuer-key-invalid",
        _S("此码已失效，请在手机上刷新", "This code is no longer good; please refresh it on the phone"),
        _S("签发时该密钥不在有效期内", "the issuer's key was not valid when the code was issued"),
        True,
    )
    # 3. The issuer's signature, and what the issuer may say.
    FORGED = (
        "code-forged",
        _S("此码无效，请出示手机中的电子市民码", "This code is not genuine; please show the code of your own phone"),
        _S("签发者签名错误", "the issuer's signature is wrong"),
    )
    ISSUER_EXCEEDED = (
        "code-issuer-exceeded",
        _S("此处不能使用这个码，请到服务台咨询", "This code cannot be used here; please ask at the service desk"),
        _S(
            "码的内容超出其签发者的权限", "the code says more than its row allows: time to live, entitlements or static"
        ),
    )
    # 4. Validity.
    CLOCK_UNTRUSTED = (
        "clock-untrusted",
        _S("设备暂时不能验码，请使用社会保障卡", "Codes cannot be checked here for the moment; please use the card"),
        _S("终端时钟不可信，请校时", "the terminal's clock cannot be trusted; synchronise it"),
    )
    NOT_YET_VALID = (
        "code-not-yet-valid",
        _S("此码尚未生效，请使用社会保障卡", "This code is not valid yet; please use the card"),
        _S("未到签发时间", "before the code's time of issue"),
    )
    EXPIRED = (
        "code-expired",
        _S("此码已过有效期，请联网更新", "This code has expired; please bring the phone online to renew it"),
        _S("已过有效期", "past the code's time to live"),
        True,
    )
    # 5. The device's signature.
    STATIC_REFUSED = (
        "code-static",
        _S("此处不能用打印的码，请出示手机上的电子市民码", "A printed code is not enough here; please show the phone"),
        _S("此通道不接受静态码", "this lane accepts no static codes"),
    )
    DEVICE_FORGED = (
        "code-device-forged",
        _S("此码无效，请出示手机中的电子市民码", "This code is not genuine; please show the code of your own phone"),
        _S("手机签名错误", "the device's signature is wrong"),
    )
    # 6. Freshness.
    STALE = (
        "code-stale",
        _S(
            "此码已过时，请在手机上刷新后再出示",
            "This code is too old; please refresh it on the phone and show it again",
        ),
        _S("出示时间早于允许的时长", "shown longer ago than the lane allows"),
        True,
    )
    FROM_FUTURE = (
        "code-from-future",
        _S("手机时间不准，请校准后再出示", "The phone's clock is wrong; please set it and show the code again"),
        _S("出示时间在将来，手机或终端时钟不准", "shown in the future: the phone's or the terminal's clock is wrong"),
        True,
    )
    # 7. Revocation.
    REVOKED = (
        "code-revoked",
        _S("此码已注销，请到服务台咨询", "This code was revoked; please ask at the service desk"),
        _S("状态列表或紧急名单中已注销", "revoked by the status list or the emergency list"),
    )
    STATUS_MISSING = (
        "code-status-missing",
        _S("设备暂时不能验码，请使用社会保障卡", "Codes cannot be checked here for the moment; please use the card"),
        _S("没有该签发者的状态列表", "there is no status list of this issuer"),
    )
    # 8. Purpose.
    WRONG_PURPOSE = (
        "code-wrong-purpose",
        _S(
            "此码不是用于此处的，请在手机上选择用途后再出示",
            "This code is for another use; please choose this one and show it again",
        ),
        _S("码的用途与此通道不符", "the code was shown for a purpose that is not allowed here"),
        True,
    )
    # 9. Replay.
    REPLAYED = (
        "code-replayed",
        _S(
            "此码已用过，请在手机上刷新后再出示",
            "This code has been used; please refresh it on the phone and show it again",
        ),
        _S("同一次出示已使用过", "this showing was accepted before"),
        True,
    )
    SUPERSEDED = (
        "code-superseded",
        _S("此码已换发，请出示新的码", "This code was replaced by a newer one; please show the newer one"),
        _S("同一持有人较新的印刷码已使用过", "a newer printed code of the same holder was accepted before"),
    )
    REPLAY_UNKNOWN = (
        "code-replay-unknown",
        _S("请在手机上刷新后再出示", "Please refresh the code on the phone and show it again"),
        _S("防重记录已满，较早的出示一律拒绝", "the replay store is full and refuses what was shown before its floor"),
        True,
    )
