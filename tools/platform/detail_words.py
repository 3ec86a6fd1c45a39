"""What the platform notes of one alarm or dead letter, said in Chinese: it is stored as it happens, in English.

What a terminal adds of its own, and where in a message something broke the contract, stands as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

from tools.cli.words import language

CHINESE: Mapping[str, str] = MappingProxyType(
    {
        "a terminal does not send this": "终端不应发送此类消息",
        "{} messages are kept; this one was not": "已保留 {} 封，这一封没有保留",
        "the terminal answers a command that it was not given": "终端答复了没有向它下达过的命令",
        "the chain ended when its box was replaced or retired": "此链在更换或退役设备时已结束",
        "records {} to {} are on the terminal no more": "第 {} 至 {} 条在终端上已没有",
        "the terminal ends at record {}, {} is committed": "终端止于第 {} 条，平台已提交至第 {} 条",
        "the records before {} are missing": "第 {} 条之前的记录缺失",
        "record {}: openings counted: {}": "第 {} 条：只计数的开门次数：{}",
        "record {}: {}": "第 {} 条：{}",
        "record {}": "第 {} 条",
        "the chain belongs to another terminal": "此链属于另一终端",
        "the genesis record is not this chain's": "起始记录不属于此链",
        "a new chain names no predecessor, and the terminal had one": "新链没有写明承接哪条链，而终端原来有一条",
        "a new chain continues a record {} that is not committed": "新链承接第 {} 条，而平台没有这一条",
        "a new record bears the id of another": "新记录与另一条记录的编号相同",
        "another record {} is committed": "平台已提交的第 {} 条与此不同",
        "the first record is not the one that the batch announces": "第一条记录与这批所写的不符",
        "record {} does not follow record {}": "第 {} 条与第 {} 条不相接",
        "records {} to {}: no checkpoint of the terminal follows them": "第 {} 至 {} 条：其后没有终端的检查点",
        "return {} of {} fen, sold by {}": "退款 {}，{} 分，由 {} 售出",
    }
)


def detail_words(detail: str) -> str:
    """In the reader's language, as far as it is the platform's own."""
    if language() != "zh":
        return detail
    for pattern, words in _patterns():
        if (told := pattern.fullmatch(detail)) is not None:
            return words.format(*told.groups())
    return detail


@cache
def _patterns() -> Sequence[tuple[re.Pattern[str], str]]:
    """The more particular come first."""
    return [(re.compile(_pattern(said)), CHINESE[said]) for said in sorted(CHINESE, key=len, reverse=True)]


def _pattern(said: str) -> str:
    """What is filled in is a number or a name; behind a last colon, anything."""
    filled = said.split("{}")
    ways = [r"(\S+)"] * (len(filled) - 1)
    if said.endswith(": {}"):
        ways[-1] = "(.+)"
    return "".join(re.escape(words) + way for words, way in zip(filled, [*ways, ""], strict=True))
