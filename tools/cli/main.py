"""The root of the command, and the one place where faults become sentences and exit codes."""

from __future__ import annotations

import os
import select
import signal
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

from agent.words import say
from tools.cli.click_words import translate_click
from tools.cli.faults import EXPECTED, sentence_of

translate_click()

# Each sub-command with its module and attribute, and its help in Chinese and English.
_COMMANDS: dict[str, tuple[str, str, str, str]] = {
    "run": ("tools.cli.run", "run", "运行终端", "Run the terminal"),
    "provision": (
        "tools.cli.provision",
        "provision",
        "用注册码把这台设备变成终端",
        "Turn this box into a terminal, by an enrolment code",
    ),
    "decommission": (
        "tools.cli.decommission",
        "decommission",
        "终端退役：销毁密钥和日志",
        "Take a terminal out of use: destroy its keys and journal",
    ),
    "config": (
        "tools.cli.config",
        "config",
        "检查配置、说明可写的内容，或生成一份配置",
        "Check, explain or begin a configuration",
    ),
    "virtual": (
        "tools.cli.virtual",
        "virtual",
        "操作运行中终端的虚拟设备",
        "Drive the virtual devices of a running terminal",
    ),
    "card": ("tools.cli.card", "card", "按终端的方式读取卡片", "Read a card as the terminal does"),
    "code": ("tools.cli.code", "code", "制作、显示与验证市民码", "Make, show and verify citizen codes"),
    "trust": (
        "tools.cli.trust",
        "trust",
        "信任列表与数据包：制作、查看、检验、安装",
        "Trust lists and bundles: make, verify, install",
    ),
    "bundles": (
        "tools.cli.bundle_commands",
        "bundles",
        "终端上的数据包：查看、检验、安装",
        "The bundles of a terminal: look at, verify, install",
    ),
    "status-list": (
        "tools.cli.status_list",
        "status_list",
        "吊销名单：制作、修改、查询",
        "Deny lists: make, change, look into",
    ),
    "hcert": ("tools.cli.hcert", "hcert", "验证健康证明", "Verify European health certificates (HCERT)"),
    "decode": ("tools.cli.decode", "decode", "按摄像头的方式识读图片中的码", "Read the codes in pictures"),
    "clock": ("tools.cli.clock", "clock", "终端的时钟，以及它不会低于的下限", "The terminal's clock and its floor"),
    "permit": (
        "tools.cli.permit",
        "permit",
        "技术人员的许可：查看，为一项操作签名",
        "A technician's permit: read it, sign an act under it",
    ),
    "open": ("tools.cli.service_acts", "open_lane", "让一个通道开放一次", "Have one lane open once"),
    "doctor": (
        "tools.cli.doctor",
        "doctor",
        "检查终端，说出哪里坏了、怎么修",
        "Say what is broken, and how to mend it",
    ),
    "devices": (
        "tools.cli.devices",
        "devices",
        "查找已连接的设备，写入配置",
        "Find what is plugged in, and write it into the configuration",
    ),
    "status": ("tools.cli.status", "status", "终端与平台连接的情况", "How the terminal and its link do"),
    "watch": ("tools.cli.watch", "watch", "持续显示运行中的终端", "Show a running terminal as it goes"),
    "logs": ("tools.cli.logs", "logs", "终端的日志", "The terminal's log"),
    "outbox": ("tools.cli.outbox", "outbox", "待平台确认的内容", "What waits for the platform"),
    "deadletter": (
        "tools.cli.deadletter",
        "deadletter",
        "终端没有接受而保留的内容",
        "What the terminal did not take, and keeps",
    ),
    "journal": (
        "tools.cli.journal",
        "journal",
        "查看与校验这台终端的日志",
        "Look at and verify this terminal's journal",
    ),
    "salvage": (
        "tools.cli.salvage",
        "command",
        "从坏掉的终端的磁盘取出日志",
        "Bring the journal out of a dead box's disk",
    ),
    "explain": ("tools.cli.explain", "command", "逐条规则说明一条记录", "Say rule by rule why a record is as it is"),
    "library": ("tools.cli.library", "library", "图书馆的补登与核对", "What the library is told afterwards"),
    "counter": ("tools.cli.counter", "counter", "窗口系统的本机接口", "The local API of a counter's own software"),
    "platform": ("tools.platform.commands", "platform", "参考平台", "The reference central platform"),
    "demo": ("tools.demo.command", "demo", "演示：从刷卡到平台确认", "The whole way of a tap, from reader to platform"),
    "day": ("tools.days.command", "day", "演练场景的一天", "Play the script of a scene's day"),
    "completion": ("tools.cli.completion", "completion", "命令补全脚本", "Complete commands in the shell"),
    "bench": ("tools.bench.command", "bench", "性能测量", "Measure, beside the raw peer in the same run"),
}


class _LazyGroup(click.Group):
    """Imports a sub-command when it is called, so that ``onecard run`` does not pay for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """End as the shell has it where nobody reads on, as after ``| head``: 1 is what doctors and days answer."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            if not _is_unread():
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the end
            ctx.exit(128 + signal.SIGPIPE)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section(say("命令", "Commands")):
            formatter.write_dl([(name, say(zh, en)) for name, (_, _, zh, en) in _COMMANDS.items()])


def _is_unread() -> bool:
    """Whether it is standard output whose reader has gone, and no socket's peer."""
    output = select.poll()
    output.register(sys.stdout, 0)
    return any(state & select.POLLERR for _, state in output.poll(0))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=say("城市一卡通终端", "The city's one-card terminal"),
)
@click.version_option(version("onecard-terminal"), prog_name="onecard")
def cli() -> None:
    """Hold all commands."""


def _stand_in_for_closed_streams() -> None:
    """Nobody answers and nobody reads, as with ``/dev/null``, where whoever started this closed a standard stream.

    Else the next file of ours takes its number: what is said there goes into that file, and libuv ends the process.
    """
    for name in ("stdin", "stdout", "stderr"):  # in the order of their numbers: each takes the lowest that is free
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(nothing, True)  # for whom we start, too
            setattr(sys, name, os.fdopen(nothing, "r" if name == "stdin" else "w", encoding="utf-8"))


def main(arguments: list[str] | None = None) -> Any:
    """Run the command; every expected fault becomes one sentence and exit code 1, never a traceback."""
    _stand_in_for_closed_streams()
    try:
        return cli.main(args=arguments, prog_name="onecard", standalone_mode=True)
    except EXPECTED as error:
        click.echo(sentence_of(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
