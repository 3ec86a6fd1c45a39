"""What is wrong with a card file, in Chinese and English: pydantic's errors and our patterns as words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# https://docs.pydantic.dev/latest/errors/validation_errors/
_WORDS: dict[str, tuple[str, str]] = {
    "said": ("{zh}", "{en}"),
    "missing": ("缺少此项", "is missing"),
    "extra_forbidden": ("没有这个键", "unknown key"),
    "string_type": ("应为文字，请加引号", "should be text; put it in quotes"),
    "string_too_long": ("最多 {max_length} 个字符", "at most {max_length} characters"),
    "string_too_short": ("至少 {min_length} 个字符", "at least {min_length} characters"),
    "too_long": ("最多 {max_length} 项", "at most {max_length} of them"),
    "literal_error": ("应为 {expected}", "should be {expected}"),
    "enum": ("应为 {expected}", "should be {expected}"),
    "int_type": ("应为整数", "should be a whole number"),
    "int_parsing": ("应为整数", "should be a whole number"),
    "greater_than_equal": ("应不小于 {ge}", "should be at least {ge}"),
    "less_than_equal": ("应不大于 {le}", "should be at most {le}"),
    "date_type": ("应为日期，如 2043-01-01", "should be a date, like 2043-01-01"),
    "date_from_datetime_parsing": ("应为日期，如 2043-01-01", "should be a date, like 2043-01-01"),
    "union_tag_invalid": ("kind 应为 {expected_tags}", "kind should be {expected_tags}"),
    "union_tag_not_found": ("缺少 kind", "kind is missing"),
    "model_type": ("应为一组键值", "should be a group of keys and values"),
    "model_attributes_type": ("应为一组键值", "should be a group of keys and values"),
}
_PATTERNS: dict[str, tuple[str, str]] = {
    r"^([0-9A-Fa-f]{2})*$": ("应为成对的十六进制数字", "should be pairs of hexadecimal digits"),
    r"^[0-9]*$": ("应为数字，请加引号", "should be digits, in quotes"),
    r"^[A-Z0-9]{9}$": ("应为 9 位大写字母或数字", "should be 9 capital letters or digits"),
    r"^[0-9]{17}[0-9X]$": ("应为 17 位数字加一位数字或 X", "should be 17 digits and a digit or X"),
}


def words_of(error: Mapping[str, Any]) -> tuple[str, str]:
    """One of pydantic's error details in Chinese and English, without the offending value."""
    context = error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch" and context["pattern"] in _PATTERNS:
        return _PATTERNS[context["pattern"]]
    zh, en = _WORDS.get(error["type"], ("值不可用", error["msg"].replace("{", "{{").replace("}", "}}")))
    return zh.format(**context), en.format(**context)
