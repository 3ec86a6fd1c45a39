"""click's own words in Chinese.

click says everything through ``gettext.gettext``, which each of its modules has bound as ``_``. A gettext catalogue
would need a compiled file and follows gettext's own variables; our sentences stand in the source and follow
``agent.words``. So ``_`` and ``ngettext`` are bound to this table instead. A word that is missing here is English.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import click
from click import core, decorators, exceptions, formatting, parser, termui, types, utils

from agent.words import language, why_zh

_MODULES: tuple[ModuleType, ...] = (core, decorators, exceptions, formatting, parser, termui, types, utils)

_WORDS = {
    "Usage:": "用法：",
    "Options": "选项",
    "Commands": "命令",
    "Positional arguments": "参数",
    "Show this message and exit.": "显示本说明",
    "Show the version and exit.": "显示版本",
    "%(prog)s, version %(version)s": "%(prog)s，版本 %(version)s",
    "default: {default}": "默认：{default}",
    "env var: {var}": "环境变量：{var}",
    "(dynamic)": "（由程序决定）",
    "required": "必填",
    "deprecated": "已弃用",
    "Aborted!": "已中止。",
    "Error: invalid input": "请回答 y 或 n",
    "Error: {message}": "错误：{message}",
    "Try '{command} {option}' for help.": "用 '{command} {option}' 查看说明。",
    "Invalid value: {message}": "值不可用：{message}",
    "Invalid value for {param_hint}: {message}": "{param_hint} 的值不可用：{message}",
    "Missing argument": "缺少参数",
    "Missing option": "缺少选项",
    "Missing parameter": "缺少参数",
    "Missing {param_type}": "缺少 {param_type}",
    "Missing parameter: {param_name}": "缺少参数：{param_name}",
    "Missing command.": "缺少命令。",
    "Choose from:\n\t{choices}": "可用：\n\t{choices}",
    "No such option {name!r}.": "没有选项 {name!r}。",
    "No such command {name!r}.": "没有命令 {name!r}。",
    "Did you mean {possibility}?": "是否指 {possibility}？",
    "(Did you mean one of: {possibilities}?)": "（是否指其中之一：{possibilities}？）",
    "Got unexpected extra argument ({args})": "多余的参数（{args}）",
    "Takes {nargs} values but 1 was given.": "需要 {nargs} 个值，只给了 1 个。",
    "Option {name!r} does not take a value.": "选项 {name!r} 不带值。",
    "Option {name!r} requires an argument.": "选项 {name!r} 需要一个值。",
    "Argument {name!r} takes {nargs} values.": "参数 {name!r} 需要 {nargs} 个值。",
    "{value!r} is not {choice}.": "{value!r} 应为 {choice}。",
    "{value!r} is not a valid {number_type}.": "{value!r} 不是{number_type}。",
    "{value!r} does not match the format {format}.": "{value!r} 不符合格式 {format}。",
    "{value} is not in the range {range}.": "{value} 不在范围 {range} 之内。",
    "{value!r} is not a valid boolean. Recognized values: {states}": "{value!r} 应为其中之一：{states}",
    "{name} {filename!r} does not exist.": "{name} {filename!r} 不存在。",
    "{name} {filename!r} is a file.": "{name} {filename!r} 是文件，不是目录。",
    "{name} {filename!r} is a directory.": "{name} {filename!r} 是目录，不是文件。",
    "{name} {filename!r} is not readable.": "{name} {filename!r} 无法读取。",
    "{name} {filename!r} is not writable.": "{name} {filename!r} 无法写入。",
    "Could not open file {filename!r}: {message}": "无法打开文件 {filename!r}：{message}",
    "unknown error": "未知错误",
    "file": "文件",
    "directory": "目录",
    "path": "路径",
}
_PLURALS = {
    "{value!r} is not one of {choices}.": "{value!r} 应为其中之一：{choices}。",
    "Got unexpected extra arguments ({args})": _WORDS["Got unexpected extra argument ({args})"],
    "Takes {nargs} values but {len} were given.": "需要 {nargs} 个值，给了 {len} 个。",
    "Option {name!r} requires {nargs} arguments.": "选项 {name!r} 需要 {nargs} 个值。",
    "(Did you mean one of: {possibilities}?)": _WORDS["(Did you mean one of: {possibilities}?)"],
}
_USAGE = {"[OPTIONS]": "[选项]", "COMMAND [ARGS]...": "命令 [参数]..."}


class _Formatter(click.HelpFormatter):
    """Says what click does not send through gettext: the usage line's placeholders, and a Chinese colon."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        for english, chinese in _USAGE.items():
            args = args.replace(english, chinese)
        super().write_usage(prog, args, _WORDS["Usage:"] if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        self.write(f"{'':>{self.current_indent}}{heading}：\n")


_OPEN = click.File.convert


def translate_click() -> None:
    """Let click speak the reader's language in this process; before the first command is made."""
    types.IntRange.name, types.FloatRange.name, types.FloatParamType.name = "integer", "number", "number"
    if language() != "zh":
        return
    for module in _MODULES:
        for name, function in (("_", _gettext), ("ngettext", _ngettext)):
            if name in vars(module):
                setattr(module, name, function)
    click.Context.formatter_class = _Formatter
    setattr(click.File, "convert", _convert)  # noqa: B010 -- a method, and mypy knows that none is assigned to
    # click ends this one sentence itself, with a full stop that goes through no gettext.
    told = exceptions.MissingParameter.format_message
    setattr(exceptions.MissingParameter, "format_message", lambda error: told(error).replace("'.", "'。", 1))  # noqa: B010
    types.StringParamType.name = "文字"
    types.IntParamType.name = types.IntRange.name = "整数"
    types.FloatParamType.name = types.FloatRange.name = "数字"


def _convert(file: click.File, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
    """A file that cannot be opened, with the system's reason in Chinese: click quotes it as it came."""
    try:
        return _OPEN(file, value, param, ctx)
    except click.BadParameter as error:
        if isinstance(error.__context__, OSError):
            file.fail(f"{value}：{why_zh(error.__context__)}", param, ctx)
        raise


def _gettext(message: str) -> str:
    return _WORDS.get(message, message)


def _ngettext(singular: str, plural: str, number: Any) -> str:
    return _gettext(singular) if number == 1 else _PLURALS.get(plural, plural)
