"""Why a health certificate (HCERT) is refused, in the order of the checks of ``agent/credentials/hcert.py``."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence

_S = Sentence


class HealthReason(ReasonEnum):
    """A closed list, shared by the scenes that take health certificates."""

    SIGNERS_MISSING = (
        "health-signers-missing",
        _S(
            "设备暂时不能验证健康证明，请到服务台咨询",
            "Health certificates cannot be checked here for the moment; please ask at the service desk",
        ),
        _S(
            "没有有效的健康证明签发者列表（hcert 数据包）",
            "there is no list of signers in force; bring an hcert bundle",
        ),
    )
    UNREADABLE = (
        "health-unreadable",
        _S("没有读清健康证明，请重新出示", "The health certificate was not read well; please show it again"),
        _S("HCERT 编码错误：Base45、zlib、CBOR 或结构", "not an HCERT: Base45, zlib, CBOR or structure"),
        True,
    )
    TOO_LARGE = (
        "health-too-large",
        _S(
            "无法识别此健康证明，请到服务台咨询",
            "This health certificate cannot be used; please ask at the service desk",
        ),
        _S("HCERT 解压后超出上限", "the HCERT inflates beyond the bound"),
    )
    ALGORITHM_UNKNOWN = (
        "health-algorithm-unknown",
        _S(
            "此处不能验证这种健康证明，请到服务台咨询",
            "This kind of health certificate cannot be checked here; please ask at the service desk",
        ),
        _S("HCERT 签名算法不是 ES256 或 PS256", "the HCERT is signed with neither ES256 nor PS256"),
    )
    SIGNER_UNKNOWN = (
        "health-signer-unknown",
        _S(
            "此处不能验证这个机构的健康证明，请到服务台咨询",
            "Health certificates of this issuer cannot be checked here; please ask at the service desk",
        ),
        _S("没有标识符（kid）相符的签名证书", "no signer certificate bears this kid"),
    )
    FORGED = (
        "health-forged",
        _S("此健康证明无效，请到服务台咨询", "This health certificate is not genuine; please ask at the service desk"),
        _S("HCERT 签名错误", "the HCERT's signature is wrong"),
    )
    SIGNER_NOT_ALLOWED = (
        "health-signer-not-allowed",
        _S("此健康证明无效，请到服务台咨询", "This health certificate does not count; please ask at the service desk"),
        _S(
            "签发时签名证书不在有效期内，或不得签发此类证明",
            "the signer's certificate did not cover the time of issue, or may not sign this kind",
        ),
    )
    UNSUPPORTED = (
        "health-unsupported",
        _S(
            "此处不能使用这种健康证明，请到服务台咨询",
            "This kind of health certificate cannot be used here; please ask at the service desk",
        ),
        _S("HCERT 内容不符合 EU DCC 格式", "the HCERT's content is not in the form of the EU DCC"),
    )
    NOT_YET_VALID = (
        "health-not-yet-valid",
        _S(
            "此健康证明尚未生效，请到服务台咨询",
            "This health certificate is not valid yet; please ask at the service desk",
        ),
        _S("未到 HCERT 签发时间", "before the HCERT's time of issue"),
    )
    EXPIRED = (
        "health-expired",
        _S("此健康证明已过期，请更换", "This health certificate has expired; please have it renewed"),
        _S("HCERT 已过有效期", "the HCERT has expired"),
    )
