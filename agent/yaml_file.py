"""YAML as a technician writes it: safe, bounded, and strict about what YAML lets pass in silence."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

MAX_SIZE_BYTES = 1_000_000
MAX_DEPTH = 32
"""Levels of keys and lists within each other; no setting lies so deep, and the parser's stack is bounded."""

_LIBYAML_DEPTH = "maximum nesting depth"
"""libyaml from 0.2.6 on looks further ahead than its events, and has a bound of its own, far beyond ours."""


class YamlError(ValueError):
    """Not one plain YAML document; ``zh`` and ``en`` name line and column."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


class _StrictLoader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """Refuses a key that is written twice, of which plain YAML forgets the first, and NUL, which no path can hold."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            mark = key_node.start_mark
            if not isinstance(key, Hashable):
                raise YamlError(
                    f"第 {mark.line + 1} 行：键应为文字",
                    f"line {mark.line + 1}: a key should be text, not a list or map",
                )
            if key in seen:
                raise YamlError(
                    f"第 {mark.line + 1} 行：键 {key!r} 重复",
                    f"line {mark.line + 1}: the key {key!r} stands here for the second time",
                )
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and "\0" in value:
            line = node.start_mark.line + 1
            raise YamlError(f"第 {line} 行：文字中不能有空字符", f"line {line}: a text cannot hold a NUL")
        return value


def parse_yaml(text: str) -> object:
    """One document. Raises :class:`YamlError`."""
    if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
        raise YamlError("不是 UTF-8 文本", "is not UTF-8 text")
    if len(text.encode()) > MAX_SIZE_BYTES:
        raise YamlError(f"超过 {MAX_SIZE_BYTES} 字节", f"longer than {MAX_SIZE_BYTES} bytes")
    try:
        _refuse_what_grows(text)
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 -- a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        if mark and _LIBYAML_DEPTH in (error.problem or ""):
            raise _too_deep(mark.line + 1) from None
        if mark and any("\t" in line for line in text.splitlines()[mark.line : mark.line + 1]):
            raise YamlError(
                f"第 {mark.line + 1} 行：不能用制表符（Tab）缩进，请用空格",
                f"line {mark.line + 1}: no tabs for indentation; use spaces",
            ) from None
        zh = f"第 {mark.line + 1} 行第 {mark.column + 1} 列附近无法识别" if mark else "无法识别"
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlError(zh, f"{place}{error.problem or error.context}") from None
    except YamlError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        # PyYAML's constructors raise the last three for a tag that its text does not fit, such as ``!!int ""``.
        raise YamlError("无法识别", str(error) or "a tag that its text does not fit") from None


def _refuse_what_grows(text: str) -> None:
    """Aliases, by which a page becomes gigabytes, and depth without end; found in the events, before anything is built.

    An alias may also stand inside its own anchor: then there is no end to what it stands for.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_StrictLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(
                f"第 {line} 行：不能使用别名 *{event.anchor}，请写出它所指的内容",
                f"line {line}: no alias such as *{event.anchor} may stand here; write out what it stands for",
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _too_deep(line)


def _too_deep(line: int) -> YamlError:
    return YamlError(f"第 {line} 行：层次超过 {MAX_DEPTH} 层", f"line {line}: nested deeper than {MAX_DEPTH} levels")
