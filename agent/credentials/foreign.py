"""Other people's codes, told by their looks alone, so that the citizen hears what he is holding up.

They are seen every day at every lane. Nothing of them is kept, logged or sent: the text goes in, a reason comes out.
Each rule is a prefix or a fixed form, held against the beginning of the text in one pass.
"""

from __future__ import annotations

import re

from profiles.code_reasons import CodeReason

_PAYMENT = re.compile(r"1[0-5][0-9]{16}|(?:2[5-9]|30)[0-9]{14,22}|62[0-9]{17}|01[0-9]{17}", re.ASCII)
"""What a till scans: WeChat Pay 18 digits from 10 to 15, Alipay 16 to 24 digits from 25 to 30, UnionPay QuickPass 19
digits from 62, digital yuan 19 digits from 01."""
_MERCHANT = re.compile(r"00020[12]")
"""EMVCo Merchant-Presented QR §4.7.1: data object 00 comes first, and its value is 01."""
_MEDICAL = re.compile(r"[0-9]{28}", re.ASCII)
"""医保码 as its scanners give it."""
_LINK = re.compile(r"(?:https?|wxp|alipays?|weixin)://(?P<host>[^/?#:]*)", re.IGNORECASE)
_HOSTS = (
    (CodeReason.MERCHANT_CODE, re.compile(r"qr\.95516\.com|qr\.alipay\.com|wx\.tenpay\.com|payapp\.weixin\.qq\.com")),
    (CodeReason.SOCIAL_SECURITY_CODE, re.compile(r"(?:.+\.)?12333\.gov\.cn")),
    (CodeReason.MEDICAL_INSURANCE_CODE, re.compile(r"(?:.+\.)?(?:nhsa|ybj)\.[a-z.]*gov\.cn")),
    (CodeReason.HEALTH_CODE, re.compile(r".*(?:jkm|healthcode|jiankangma).*")),
)
_MAX_LOOKED_AT_CHARS = 512


def classify(text: str) -> CodeReason | None:
    """What kind of foreign code this is; ``None`` for a citizen code and for what nobody knows."""
    text = text[:_MAX_LOOKED_AT_CHARS]
    if text.startswith("HC1:"):
        return CodeReason.HEALTH_CERTIFICATE
    if text[:5].upper() == "WIFI:":
        return CodeReason.WIFI_CODE
    if _PAYMENT.fullmatch(text):
        return CodeReason.PAYMENT_CODE
    if _MEDICAL.fullmatch(text):
        return CodeReason.MEDICAL_INSURANCE_CODE
    if _MERCHANT.match(text):
        return CodeReason.MERCHANT_CODE
    link = _LINK.match(text)
    return None if link is None else _behind(link)


def _behind(link: re.Match[str]) -> CodeReason:
    """Whose code a link is, by its host: the national ones have no public format that could tell more offline."""
    if link[0].lower().startswith("wxp"):
        return CodeReason.MERCHANT_CODE
    host = link["host"].lower()
    return next((reason for reason, hosts in _HOSTS if hosts.fullmatch(host)), CodeReason.LINK_CODE)
