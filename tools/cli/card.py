"""``onecard card``: read a card exactly as a lane does, for a technician who wants to know why it is refused."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import click

from agent.clock import SystemRandom
from agent.composition import MEDIUM_KEY, open_keys
from agent.config import Resolved
from agent.credentials.medium import medium_of
from agent.words import say
from drivers.api import CardError, CardFault, CardReader, CardReading, ReaderError, ReaderFault, Reading
from drivers.cards.source import CardSource
from drivers.registry import driver
from drivers.vehicles import VehicleReader
from offline_store.database import DATABASE_NAME
from tools.cli import fields
from tools.cli.bench_process import use_running_devices
from tools.cli.place import config_options, resolve

_HELD_PAUSE_S = 0.2


@click.group(help=say("按终端的方式读取卡片", "Read a card as the terminal does"))
def card() -> None:
    """Hold the card's commands."""


@card.command(
    help=say(
        "读一张卡（或一块车牌），显示其介质编号，即配置中 `holders:` 和 `media:` 所用的编号",
        "Read one card, or number plate, and show its medium id, as `holders:` and `media:` want it",
    )
)
@config_options
@click.option(
    "--reader",
    help=say("配置中读卡器的名称（默认：第一个）", "The reader's name in the configuration (default: the first)"),
)
@click.option(
    "--wait", "wait_s", type=click.IntRange(1, 600), default=30, show_default=True, help=say("等待秒数", "Seconds")
)
@click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))
def show(
    config: Path | None, preset: str | None, overrides: tuple[str, ...], reader: str | None, wait_s: int, as_json: bool
) -> None:
    """Wait for a card and tell what a lane would learn from it. No name, no number."""
    resolved = resolve(config, preset, overrides)
    use_running_devices(resolved.config.terminal.id)
    source = _source(resolved, reader)
    _open(source)
    click.echo(say(f"请把卡放到 {source.name}", f"present a card at {source.name}"), err=True)
    try:
        reading = _read(source, float(wait_s))
    finally:
        source.close()
    if not isinstance(reading, CardReading):
        raise click.ClickException(say(f"{wait_s} 秒内没有卡片", f"no card within {wait_s} s"))
    state_dir = resolved.config.terminal.state_dir
    keys = open_keys(state_dir, SystemRandom(), make=not (state_dir / DATABASE_NAME).exists())
    facts = {
        "medium": medium_of(reading, partial(keys.mac, MEDIUM_KEY)).hex(),
        "application": reading.application,
        "interface": reading.interface.value,
        "valid_from": reading.valid_from,
        "valid_until": reading.valid_until,
        "apdu_count": reading.apdu_count,
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        for key, value in facts.items():
            click.echo(fields.line(key, value))


def _open(source: CardSource | VehicleReader) -> None:
    """Open it; of a port that somebody holds, as a running terminal holds its serial readers, say what to do."""
    try:
        source.open()
    except ReaderError as error:
        if error.fault is not ReaderFault.BUSY:
            raise
        raise click.ClickException(
            say(
                f"{source.name}：{error.fault.zh}（{error.detail}）；请先停止终端，或用 --reader 指定 PC/SC 读卡器",
                f"{source.name}: {error.fault.en} ({error.detail}); stop the terminal before, or name a PC/SC reader by"
                " --reader",
            )
        ) from None


def _read(source: CardSource | VehicleReader, wait_s: float) -> Reading | None:
    """Wait for a card; one that a running terminal reads at the same moment is read when that lets it go."""
    deadline_s = time.monotonic() + wait_s
    held: CardError | None = None
    while True:
        try:
            reading = source.read(max(0.0, deadline_s - time.monotonic()))
        except CardError as error:
            if error.fault is not CardFault.SHARED or time.monotonic() >= deadline_s:
                raise
            held = error
        else:
            if reading is None and held is not None:
                raise held  # it lay there all the time, and was never let go
            return reading
        time.sleep(_HELD_PAUSE_S)


def _source(resolved: Resolved, reader: str | None) -> CardSource | VehicleReader:
    known: dict[str, CardSource | VehicleReader] = {}
    for lane in resolved.config.lanes.values():
        for name in lane.readers:
            kind = cast("Any", driver(resolved.config.devices[name].driver))
            device = kind(name, resolved.devices[name])
            if isinstance(device, CardReader):
                known.setdefault(name, CardSource(device, lane.cards))
            elif isinstance(device, VehicleReader):
                known.setdefault(name, device)
    if reader is None and known:
        return next(iter(known.values()))
    if reader in known:
        return known[reader]
    zh, en = f"；现有：{'、'.join(known)}" if known else "", f"; it has {', '.join(known)}" if known else ""
    raise click.ClickException(
        say(
            f"配置中没有读卡器 {reader or ''}{zh}", f"the configuration has no card reader {reader or ''}".rstrip() + en
        )
    )
