"""``onecard demo``: play the scenes, print the timeline, prove that nothing is missing."""

from __future__ import annotations

import signal
import sys
import time

import click

from agent.words import say
from drivers.virtual.place import virtual_dir
from profiles.reasons import counted
from tools.cli.codes import reason_words
from tools.demo.scenes import SCENES
from tools.demo.stage import TERMINAL, Stage, StageError
from tools.demo.timeline import taps_of
from tools.scratch import scratch


@click.command(
    help=say(
        "演示：刷卡、扫码，直到平台确认", "The whole way of cards and codes, from reader and camera to the platform"
    )
)
@click.option(
    "--stay/--no-stay",
    default=None,
    help=say("演示后保持运行（默认：有终端时）", "Stay up afterwards (default: at a terminal)"),
)
def demo(stay: bool | None) -> None:
    """Play every scene on real parts; exit code 0 only if all of it was proved."""
    stay = sys.stdout.isatty() if stay is None else stay
    # SIGTERM unwinds like Ctrl-C, so that broker, devices and terminal are ended.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    started_s = time.monotonic()
    with scratch("demo") as directory:
        try:
            with Stage.set_up(directory) as stage:
                _tell(
                    say("读卡器、消息服务器、平台和终端已启动", "readers, broker, platform and terminal are up"),
                    started_s,
                )
                _play(stage)
                _prove(stage)
                _tell(say("演示完成", "done"), started_s)
                if stay:
                    _stay(stage)
        except StageError as error:
            raise click.ClickException(str(error)) from None


def _play(stage: Stage) -> None:
    told = 0
    for number, scene in enumerate(SCENES, start=1):
        click.echo(f"\n{number}. {say(scene.title.zh, scene.title.en)}")
        scene.play(stage)
        taps = taps_of(stage.terminal.lines)
        for tap in taps[told:]:
            outcome = say("，", ", ") + reason_words(tap.outcome) if tap.outcome else ""
            click.echo(f"   {tap.stations()}   {reason_words(tap.reason)}{outcome}")
        told = len(taps)
    stage.await_all_acknowledged(15.0)
    click.echo("\n" + say("时间线（全部已由平台确认）", "timeline, now that the platform has acknowledged all of it"))
    for tap in taps_of(stage.terminal.lines):
        click.echo(f"   {tap.seq:>3}  {tap.stations()}   {reason_words(tap.reason)}")


def _prove(stage: Stage) -> None:
    journal, received = stage.journal(), stage.platform_records()
    if journal != received:
        raise StageError(
            say(
                f"日志 {len(journal)} 条，平台 {len(received)} 条，不相同",
                f"the journal holds {counted(len(journal), 'record')}, the platform {len(received)}: they differ",
            )
        )
    click.echo(
        "\n"
        + say(
            f"证明：链完整；平台的 {len(received)} 条记录与终端日志逐字节相同",
            f"proof: the chain is whole; the platform's {len(received)} records equal the journal, byte for byte",
        )
    )


def _stay(stage: Stage) -> None:
    platform, here = stage.directory / "platform", f"--terminal {TERMINAL}"
    click.echo(
        "\n" + say("仍在运行，Ctrl-C 结束。另开一个终端试试：", "Still running; Ctrl-C ends it. In another shell try:")
    )
    for line in (
        f"onecard virtual insert gen2-li {here}        # " + say("插卡", "insert a card"),
        f"onecard virtual press passage {here}  # " + say("通过", "walk through"),
        f"onecard virtual remove {here}",
        f"onecard virtual insert t-union --reader pn532 {here}",
        f"onecard virtual press fire --hold {here}  # " + say("消防报警：闸门打开", "fire: the gate opens …"),
        f"onecard virtual press fire --release {here}  # "
        + say("报警停止，闸门仍开", "… stays open when the alarm is over …"),
        f"onecard virtual press fire-reset {here}  # " + say("人工复位", "… until somebody resets it"),
        f"onecard virtual relay {here}",
        f"onecard platform status --dir {platform}",
        f"onecard journal list --state-dir {stage.state_dir}",
    ):
        click.echo(f"   .venv/bin/{line}")
    click.echo(say(f"虚拟设备在 {virtual_dir(TERMINAL)}", f"the virtual devices are in {virtual_dir(TERMINAL)}"))
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


def _tell(text: str, started_s: float) -> None:
    click.echo(f"{text}  ({time.monotonic() - started_s:.1f} s)")
