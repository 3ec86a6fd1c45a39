"""What is wrong with a piece of input, for people: where, what, and what would be right, in Chinese and English."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from agent.words import say

# pydantic's error types, https://docs.pydantic.dev/latest/errors/validation_errors/, said for technicians.
_WORDS: dict[str, tuple[str, str]] = {
    "missing": ("缺少此项", "is missing"),
    "int_parsing": ("应为整数", "should be a whole number"),
    "int_type": ("应为整数", "should be a whole number"),
    "int_from_float": ("应为整数", "should be a whole number"),
    "float_parsing": ("应为数字", "should be a number"),
    "bool_parsing": ("应为 true 或 false", "should be true or false"),
    "bool_type": ("应为 true 或 false", "should be true or false"),
    "string_type": ("应为文字，请加引号", "should be text; put it in quotes"),
    "string_pattern_mismatch": ("格式不符", "has another form"),
    "string_too_long": ("太长，最多 {max_length} 个字符", "is too long, at most {max_length} characters"),
    "string_too_short": ("太短，至少 {min_length} 个字符", "is too short, at least {min_length} characters"),
    "greater_than_equal": ("应不小于 {ge}", "should be at least {ge}"),
    "less_than_equal": ("应不大于 {le}", "should be at most {le}"),
    "greater_than": ("应大于 {gt}", "should be more than {gt}"),
    "less_than": ("应小于 {lt}", "should be less than {lt}"),
    "dict_type": ("应为一组键值", "should be a group of keys and values"),
    "model_type": ("应为一组键值", "should be a group of keys and values"),
    "tuple_type": ("应为列表", "should be a list"),
    "list_type": ("应为列表", "should be a list"),
    "frozen_set_type": ("应为列表", "should be a list"),
    "too_short": ("至少需要 {min_length} 项", "needs at least {min_length} of them"),
    "too_long": ("最多 {max_length} 项", "takes at most {max_length} of them"),
    "path_type": ("应为路径", "should be a path"),
    "time_parsing": ('应为带引号的时间，如 "07:30"', 'should be a time in quotes, like "07:30"'),
    "time_type": ('应为带引号的时间，如 "07:30"', 'should be a time in quotes, like "07:30"'),
    **dict.fromkeys(
        ("datetime_parsing", "datetime_from_date_parsing", "datetime_type", "timezone_naive"),
        ('应为带引号的本地时间，如 "2026-11-26 18:00"', 'should be a local time in quotes, like "2026-11-26 18:00"'),
    ),
    "timezone_aware": (
        '应写明时区，如 "2026-11-26T18:00+08:00"',
        'should name its time zone, like "2026-11-26T18:00+08:00"',
    ),
    **dict.fromkeys(
        ("date_parsing", "date_from_datetime_parsing", "date_type"),
        ('应为带引号的日期，如 "2027-02-20"', 'should be a date in quotes, like "2027-02-20"'),
    ),
    "literal_error": ("应为 {expected}", "should be {expected}"),
    "enum": ("应为 {expected}", "should be {expected}"),
    "value_error": ("值不可用（{said}）", "cannot be used: {said}"),
    "said": ("{zh}", "{en}"),
}
_NAME = ("应为 1 至 32 个小写字母、数字或连字符", "should be 1 to 32 of the characters a-z, 0-9 and -")
_PATTERNS: dict[str, tuple[str, str]] = {
    r"^[a-z0-9][a-z0-9-]{0,31}$": (f"{_NAME[0]}，不以连字符开头", f"{_NAME[1]}, not beginning with -"),
    r"^[a-z][a-z0-9-]{0,31}$": (f"{_NAME[0]}，以字母开头", f"{_NAME[1]}, beginning with a letter"),
    r"^[0-9a-f]{32}$": (
        "应为 32 位十六进制数字（0-9、a-f），请加引号",
        "should be 32 hex digits (0-9, a-f), in quotes",
    ),
    r"^[0-9.a-z]{1,32}$": (
        "键盘只有 0-9、小数点、c（清除）和功能键字母",
        "a keypad has the keys 0-9, the point, c (clear) and letters for function keys",
    ),
    r"^[a-z][a-z0-9]{0,19}$": (
        "应为 1 至 20 个小写字母或数字，以字母开头",
        "should be 1 to 20 of the characters a-z and 0-9, a letter first",
    ),
    r"^[abd-z]$": ("应为 c 以外的一个小写字母", "should be one of the letters a-z, but for c"),
    r"^[0-9A-Za-z-]{0,16}$": (
        "应为至多 16 个字母、数字或连字符",
        "should be at most 16 of the characters 0-9, A-Z, a-z and -",
    ),
    r"^[0-9]{0,8}$": ("应为至多 8 位数字，请加引号", "should be at most 8 digits, in quotes"),
    r"^[0-9]{1,14}$": ("应为 1 至 14 位数字，请加引号", "should be 1 to 14 digits, in quotes"),
    r"^[A-Z]{1,2}$": ("应为一或两个大写字母", "should be one or two capital letters"),
    r"^[^*\s]\*{1,8}[^*\s]?$": (
        "应为打码的姓名，如 张*三：只留首字和末字，中间为 *",
        "should be a masked name, like L*i: the first and the last character, and * between them",
    ),
    r"^[A-Z]{3}$": ("应为三个大写字母，如 CNY", "should be three capital letters, like CNY"),
}
"""Every pattern that a setting can be held against, as words."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``path`` is the dotted key path, empty for the whole."""

    path: str
    zh: str
    en: str

    def __str__(self) -> str:
        text = say(self.zh, self.en)
        return f"{self.path}{say('：', ': ')}{text}" if self.path else text


def problems_of(error: ValidationError, model: type[BaseModel], prefix: Iterable[str] = ()) -> list[Problem]:
    """Every problem of a pydantic error, without the offending values (they may be personal or secret)."""
    return [_problem(dict(item), model, tuple(prefix)) for item in error.errors(include_url=False, include_input=False)]


def _problem(item: dict[str, Any], model: type[BaseModel], prefix: tuple[str, ...]) -> Problem:
    location = tuple(str(part) for part in item["loc"] if part != "[key]")
    path = ".".join((*prefix, *location))
    if item["type"] == "extra_forbidden":
        known = _keys_beside(model, location[:-1])
        near = difflib.get_close_matches(location[-1], known, n=1)
        zh = f"没有这个键{f'，是否指 {near[0]}？' if near else ''}（可用：{'、'.join(known)}）"
        en = f"is not a key here{f'; did you mean {near[0]}?' if near else ''} (known: {', '.join(known)})"
        return Problem(path, zh, en)
    values = {**item.get("ctx", {}), "msg": item["msg"], "said": item["msg"].removeprefix("Value error, ")}
    if values.get("pattern") in _PATTERNS:
        return Problem(path, *_PATTERNS[values["pattern"]])
    zh, en = _WORDS.get(item["type"], ("值不可用", "cannot be used: {msg}"))
    # pydantic lists what it expects in English.
    values_zh = values | {"expected": str(values.get("expected", "")).replace(" or ", " 或 ").replace(", ", "、")}
    return Problem(path, zh.format(**values_zh), en.format(**values))


def _keys_beside(model: type[BaseModel], location: tuple[str, ...]) -> list[str]:
    """The keys that the model at a location knows; empty where the location leads through free-form keys."""
    current: Any = model
    for part in location:
        fields = getattr(current, "model_fields", {})
        annotation = fields[part].annotation if part in fields else current
        current = _model_in(annotation)
        if current is None:
            return []
    return [field.alias or name for name, field in getattr(current, "model_fields", {}).items()]


def _model_in(annotation: Any) -> Any:
    """The pydantic model inside an annotation such as ``dict[str, Model]`` or ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _model_in(part))), None)
