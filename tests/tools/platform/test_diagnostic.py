"""A dead letter's content in the notation of RFC 8949 §8, shortened, and with nothing that moves a cursor."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from tools.platform.diagnostic import diagnostic


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({0: 1, 1: "journal", 2: b"\x50\xff"}, "{0: 1, 1: \"journal\", 2: h'50ff'}"),
        ([True, False, None, -1.5], "[true, false, null, -1.5]"),
        ([], "[]"),
        (cbor2.CBORTag(1_000, [b""]), "1000([h''])"),
        (bytes(16), f"h'{'00' * 16}'"),
        (bytes(1_234), f"h'{'00' * 16}…' (1234 bytes)"),
        (list(range(9)), "[0, 1, 2, 3, 4, 5, 6, 7, … (9 items)]"),
        ('城"', '"城\\""'),
        ("\x1b[2J\x9b", '"\\u001b[2J\\u009b"'),
        (cbor2.undefined, '"undefined"'),
    ],
)
def test_it_is_written_as_diagnostic_notation(monkeypatch: pytest.MonkeyPatch, value: Any, shown: str) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    assert diagnostic(cbor2.loads(cbor2.dumps(value))) == shown


def test_lengths_are_told_in_chinese_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_LANG", "zh")
    assert diagnostic([*range(8), bytes(17)]) == "[0, 1, 2, 3, 4, 5, 6, 7, …（共 9 项）]"
    assert diagnostic(bytes(17)).endswith("…' (17 字节)")
