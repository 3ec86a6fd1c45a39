"""CBOR for a person to look at: the diagnostic notation of RFC 8949 §8, what is long of it shortened."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cbor2

from tools.cli.words import say

MAX_BYTES = 16
"""Of one byte string; its length is told."""
MAX_ITEMS = 8
"""Of one array; how many there are is told."""
_SIMPLE = {True: "true", False: "false", None: "null"}


def diagnostic(value: Any) -> str:
    """One decoded item. Nothing in it reaches a terminal as a control character."""
    if value is None or isinstance(value, bool):
        return _SIMPLE[value]
    if isinstance(value, bytes):
        return _bytes(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=not value.isprintable())
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{diagnostic(name)}: {diagnostic(each)}' for name, each in value.items())}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(_items(value))}]"
    if isinstance(value, cbor2.CBORTag):
        return f"{value.tag}({diagnostic(value.value)})"
    return str(value) if isinstance(value, (int, float)) else diagnostic(repr(value))


def _bytes(value: bytes) -> str:
    if len(value) <= MAX_BYTES:
        return f"h'{value.hex()}'"
    size = len(value)
    return f"h'{value[:MAX_BYTES].hex()}…' ({say(f'{size} 字节', f'{size} bytes')})"


def _items(values: Sequence[Any]) -> Iterable[str]:
    yield from (diagnostic(each) for each in values[:MAX_ITEMS])
    if len(values) > MAX_ITEMS:
        yield say(f"…（共 {len(values)} 项）", f"… ({len(values)} items)")
