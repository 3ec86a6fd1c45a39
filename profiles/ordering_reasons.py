"""Why an order could not be put together, in every scene with orders."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence

_S = Sentence


class OrderingReason(ReasonEnum):
    """What only counters with a price list know."""

    NO_PRICE_LIST = (
        "no-price-list",
        _S("价目表不可用，请联系管理员", "There is no price list in force; please call the technician"),
        _S(
            "签名的价目表没有安装、已损坏或已过期；请安装新的",
            "the signed price list is not installed, damaged or expired; install a new one",
        ),
        True,
    )
