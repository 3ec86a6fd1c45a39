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
    "string_pattern_mismatch": ("格式不符，应匹配 {pattern}", "has another form; it should match {pattern}"),
    "string_too_long": ("太长，最多 {max_length} 个字符", "is too long, at most {max_length} characters"),
    "string_too_short": ("太短，至少 {min_length} 个字符", "is too short, at least {min_length} characters"),
    "greater_than_equal": ("应不小于 {ge}", "should be at least {ge}"),
    "less_than_equal": ("应不大于 {le}", "should be at most {le}"),
    "greater_than": ("应大于 {gt}", "should be more than {gt}"),
    "less_than": ("应小于 {lt}", "should be less than {lt}"),
    "literal_error": ("应为 {expected} 之一", "should be one of {expected}"),
    "enum": ("应为 {expected} 之一", "should be one of {expected}"),
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
    "value_error": ("{error}", "{error}"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``path`` is the dotted key path, empty for the whole."""

    path: str
    zh: str
    en: str

    def __str__(self) -> str:
        text = say(self.zh, self.en)
        return f"{self.path}: {text}" if self.path else text


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
    zh, en = _WORDS.get(item["type"], ("值不可用：{msg}", "cannot be used: {msg}"))
    values = {**item.get("ctx", {}), "msg": item["msg"]}
    return Problem(path, zh.format(**values), en.format(**values))


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
