"""From a bare box to its first accepted tap: the code in the technician's hand, then one command, then a card.

Everything is as it will be: a platform in a process of its own with its brokers (mutual TLS), virtual devices on their
real transports, the operator's confirmation by command. The platform runs and the code is made before the clock starts;
the box has neither keys nor configuration.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from agent.config import parse
from agent.words import say
from drivers.virtual.bench import Insert
from tools.bench.place import terminal_id
from tools.bench.report import Figure
from tools.bench.tap import CARDS, SLOTS, await_line
from tools.cli.bench_process import running_devices
from tools.cli.presets import preset_text
from tools.cli.terminal_process import TerminalProcess
from tools.platform.service import Platform, Settings

_READER = "pn532"
_TIMEOUT_S = 120.0


def measure(directory: Path) -> Figure:
    """Seconds from the command to the tap that was accepted; nothing else may use the bench's virtual devices."""
    with ExitStack() as stack:
        platform = directory / "first-tap"
        stack.enter_context(Platform.start(platform, Settings(enrol_port=0)))
        where = ("--dir", str(platform))
        code = _onecard("platform", "enrol", "new", terminal_id(), "--profile", "gate", "--json", *where)["code"]
        (directory / "code").write_text(code, encoding="utf-8")
        config = directory / "bare" / "terminal.yaml"
        virtual = parse(preset_text("gate"), "gate", directory, (f"terminal.id={terminal_id()}",))
        devices = stack.enter_context(running_devices(virtual))
        environment = {**os.environ, **devices.environment}

        started_s = time.monotonic()
        _provision(config, directory / "code", where, environment)
        terminal = stack.enter_context(TerminalProcess(config, environment))
        ready = await_line(terminal, "ready", 0)
        devices.ask(Insert(reader=SLOTS[_READER], card=CARDS[_READER]))
        decision = terminal.lines[await_line(terminal, "decision", ready)]
        seconds = time.monotonic() - started_s
    if decision.get("reason") != "granted":
        raise click.ClickException(say("首次刷卡没有通过", "the first tap was not accepted"))
    return Figure("ops.first_tap_s", seconds, "s", target=30)


def _provision(config: Path, code: Path, where: tuple[str, str], environment: dict[str, str]) -> None:
    """The technician's command, and the operator's word when the fingerprint is shown."""
    options = ("--config", str(config), "--state-dir", str(config.parent / "state"), "--yes", "--json")
    command = [sys.executable, "-P", "-m", "agent", "provision", "--code", str(code), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as box:
        if box.stdout is None:
            raise click.ClickException("no pipe")
        for line in box.stdout:
            told = json.loads(line)
            if told.get("state") == "waits":
                confirm = ("platform", "enrol", "confirm", terminal_id())
                _run((*confirm, "--fingerprint", told["fingerprint"], *where))
        if box.wait(_TIMEOUT_S) != 0:
            raise click.ClickException(say("注册没有成功", "the box was not enrolled"))


def _onecard(*arguments: str) -> Any:
    return json.loads(_run(arguments).splitlines()[-1])


def _run(arguments: tuple[str, ...]) -> str:
    command = [sys.executable, "-P", "-m", "agent", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=_TIMEOUT_S).stdout
