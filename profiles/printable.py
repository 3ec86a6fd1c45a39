"""Names of the site's own that stand in records and questions, where nothing but printable characters may."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def _printable(text: str) -> str:
    if not text.isprintable():
        said = {
            "zh": "只能用可显示字符（全角空格、制表符和换行都不行）",
            "en": "should have printable characters only (no ideographic space, tab or line break)",
        }
        raise PydanticCustomError("said", "{en}", said)
    return text


Printable = Annotated[str, AfterValidator(_printable)]
"""A name that every record and message takes, if it is short enough."""
