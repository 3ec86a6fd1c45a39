"""``onecard run``: a terminal at work, from a configuration file or a preset."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click
import uvloop

from agent.config import Resolved
from agent.configuration.choice import as_it_runs, begin
from agent.logs import configure, log
from agent.process_guard import keep_secrets_in
from agent.words import say
from drivers.virtual.place import virtual_dir
from tools.cli.place import config_options, own_file

Beside = Callable[[Callable[[], None]], Coroutine[None, None, None]]
"""What runs beside a terminal, and is handed its way to begin anew."""


@click.command(
    help=say(
        "运行终端，直到 SIGTERM 或 Ctrl-C。不带 --config 时用预设与虚拟设备。",
        "Run the terminal until SIGTERM or Ctrl-C. Without --config it runs a preset on virtual devices.",
    )
)
@config_options
@click.option(
    "--virtual",
    is_flag=True,
    help=say("同时启动虚拟设备，如同使用预设时", "Start the virtual devices too, as presets do"),
)
@click.option(
    "--local-platform",
    is_flag=True,
    help=say(
        "连接本机用 `onecard platform run` 运行的平台",
        "Use the platform that `onecard platform run` runs on this machine",
    ),
)
@click.option(
    "--log-format", type=click.Choice(["auto", "json", "console"]), help=say("日志格式", "How logs are written")
)
def run(
    config: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
    virtual: bool,
    local_platform: bool,
    log_format: str | None,
) -> None:
    """Build the terminal, and the virtual devices if asked, and serve."""
    keep_secrets_in()
    beside: Beside | None = None
    if local_platform:
        from tools.cli.local_platform import enrol, follow, link_overrides, register

        place = link_overrides()
        beside = partial(follow, place)
        overrides = (*place, *overrides)
    own = own_file(config, preset, overrides)
    if local_platform:
        enrol(own.config.terminal)
        register(own)
    configure(log_format or own.config.logs.format, own.config.logs.level)
    resolved = begin(own, overrides)
    configure(log_format or resolved.config.logs.format, resolved.config.logs.level)
    with ExitStack() as stack:
        if virtual or config is None:
            from tools.cli.bench_process import running_devices, use

            use(stack.enter_context(running_devices(resolved)))
        elif _is_virtual(resolved):
            click.echo(
                say(
                    "配置中用了 ${virtual}，但没有启动虚拟设备；请加 --virtual，或写上真实的端口",
                    "the configuration names ${virtual} and no virtual devices were started: add --virtual,"
                    " or name real ports",
                ),
                err=True,
            )
        # A tap crosses the event loop: uvloop takes half of asyncio's own time for that.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            reread = partial(_read_again, config, preset, overrides)
            again = runner.run(serve(resolved, reread, beside))
    if again:
        # The same process for systemd, and nothing left in it of the configuration before.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 -- no shell


def _is_virtual(resolved: Resolved) -> bool:
    """Whether a device stands where the virtual ones would."""
    place = str(virtual_dir(resolved.config.terminal.id))
    return any(place in str(settings) for settings in (*resolved.devices.values(), resolved.config.library))


def _read_again(config: Path | None, preset: str | None, overrides: tuple[str, ...]) -> Resolved:
    """What the next start would go by. Raises :class:`~agent.config.ConfigError`."""
    return as_it_runs(own_file(config, preset, overrides), overrides)


async def serve(resolved: Resolved, reread: Callable[[], Resolved] | None = None, beside: Beside | None = None) -> bool:
    """Run one terminal until it is told to stop by a signal; whether it is to begin anew."""
    from agent.terminal import Terminal

    terminal = Terminal(resolved, reread)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, _stop, terminal.stop, number)
    watching = None if beside is None else asyncio.create_task(beside(terminal.begin_again))
    try:
        await terminal.run()
    finally:
        if watching is not None:
            watching.cancel()
    return terminal.again


def _stop(stop: object, number: int) -> None:
    log().info("stopping", signal=signal.Signals(number).name)
    if callable(stop):
        stop()
