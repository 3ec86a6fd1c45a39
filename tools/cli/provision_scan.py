"""The enrolment code shown to the box's own scanner or camera, while somebody has switched the box to service.

Whoever stands before a lane could show it a code of his own; so one counts only while the service switch, an input of
a board behind the cover, is on. Without a switch it takes a technician at the box's own keyboard.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import click

from agent.config import Resolved, load
from agent.enrolment import code as enrol_code
from agent.words import say
from drivers.api import CardReader, CodeReading, InputReading, Source
from drivers.board import BoardSettings
from drivers.registry import driver

_LOOK_S = 0.2


def scanned(config: Path, reader: str | None, switch: str | None, wait_s: float, told: Callable[[str], None]) -> str:
    """The first code that counts. Raises :class:`click.ClickException` and the drivers' errors."""
    resolved = load(config)
    source = _reader(resolved, reader)
    board, line = _switch(resolved, switch) if switch is not None else (None, "")
    on = board is None
    deadline_s = time.monotonic() + wait_s
    with ExitStack() as stack:
        for device in filter(None, (source, board)):
            device.open()
            stack.callback(device.close)
        told(say(f"请把注册码出示给 {source.name}", f"show the code to {source.name}"))
        while time.monotonic() < deadline_s:
            if board is not None:
                change = board.read(_LOOK_S)
                if isinstance(change, InputReading) and change.input == line:
                    on = change.active
            seen = source.read(_LOOK_S)
            if isinstance(seen, CodeReading) and enrol_code.is_one(seen.text):
                if on:
                    return seen.text
                told(say(f"请先打开维护开关 {switch}，再出示注册码", f"switch {switch} on first, then show the code"))
    raise click.ClickException(say(f"{wait_s:g} 秒内没有注册码", f"no code within {wait_s:g} s"))


def _reader(resolved: Resolved, wanted: str | None) -> Source:
    """The scanner or camera of that name, else the first that a lane has."""
    for lane in resolved.config.lanes.values():
        for name in lane.readers:
            device = _device(resolved, name)
            if wanted in (None, name) and not isinstance(device, CardReader):
                return cast("Source", device)
    raise click.ClickException(
        say(f"配置中没有读码器 {wanted or ''}", f"the configuration has no reader of codes {wanted or ''}".rstrip())
    )


def _switch(resolved: Resolved, switch: str) -> tuple[Source, str]:
    name, _, line = switch.partition(".")
    settings = resolved.devices.get(name)
    if not isinstance(settings, BoardSettings) or line not in settings.inputs:
        raise click.ClickException(
            say(f"{switch} 应为 继电器板.输入 的名称", f"{switch} should be BOARD.INPUT, as the configuration has them")
        )
    return _device(resolved, name), line


def _device(resolved: Resolved, name: str) -> Any:
    return cast("Any", driver(resolved.config.devices[name].driver))(name, resolved.devices[name])
