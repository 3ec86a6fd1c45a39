"""``onecard run``: a terminal at work, from a configuration file or a preset."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack
from pathlib import Path

import click

from agent.config import Resolved
from agent.logs import configure, log
from tools.cli.place import config_options, resolve


@click.command()
@config_options
@click.option("--virtual", is_flag=True, help="同时启动虚拟设备 · start the virtual devices too [implied by --preset]")
@click.option("--platform", "platform_dir", type=click.Path(path_type=Path), help="本机参考平台目录 · a local platform")
@click.option("--log-format", type=click.Choice(["auto", "json", "console"]), help="日志格式 · how logs are written")
def run(
    config: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
    virtual: bool,
    platform_dir: Path | None,
    log_format: str | None,
) -> None:
    """运行终端，直到收到 SIGTERM 或 Ctrl-C · Run the terminal until SIGTERM or Ctrl-C.

    Without --config it runs the preset `gate` on virtual devices; `onecard virtual` drives them from another shell.
    """
    if platform_dir is not None:
        from tools.platform.provision import link_overrides

        overrides = (*link_overrides(platform_dir, resolve(config, preset, overrides).config), *overrides)
    resolved = resolve(config, preset, overrides)
    configure(log_format or resolved.config.logs.format, resolved.config.logs.level)
    with ExitStack() as stack:
        if virtual or config is None:
            from tools.cli.bench_process import running_bench

            stack.enter_context(running_bench(resolved.config))
        asyncio.run(_serve(resolved))


async def _serve(resolved: Resolved) -> None:
    from agent.terminal import Terminal

    terminal = Terminal(resolved)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, terminal.stop, number)
    await terminal.run()


def _stop(stop: object, number: int) -> None:
    log().info("stopping", signal=signal.Signals(number).name)
    if callable(stop):
        stop()
