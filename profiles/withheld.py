"""What a named tuple keeps out of its own ``repr``: evidence and names come into no log and no exception."""

from __future__ import annotations

from typing import Any


def repr_without(withheld: str, values: Any) -> str:
    """As a named tuple has it, but for one field."""
    told = (f"{name}={value!r}" for name, value in values._asdict().items() if name != withheld)
    return f"{type(values).__name__}({', '.join(told)})"
