"""``onecard devices``: what is plugged in, which driver fits, and its address into the configuration."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from agent.config import load, parse
from agent.permits.acts import ServiceAct
from agent.words import say, tell, why_en, why_zh
from drivers.discovery import Found, Kind, discover
from drivers.probing import probe as ask_device
from tools import device_config
from tools.cli.asking import sure
from tools.cli.service_acts import permitted

_PAUSE_S = 1.0
_KINDS = {
    Kind.PCSC: ("读卡器", "PC/SC reader"),
    Kind.SERIAL: ("串口", "serial port"),
    Kind.CAMERA: ("摄像头", "camera"),
}
json_option = click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))
port_option = click.option(
    "--port",
    "ports",
    multiple=True,
    type=click.Path(),
    help=say("另外查看此串口（系统没有列出的）", "Look at this serial port too, which the system does not list"),
)


@click.group(help=say("查找已连接的设备，写入配置", "Find what is plugged in, and write it into the configuration"))
def devices() -> None:
    """Hold the devices' commands."""


@devices.command(
    name="list",
    help=say(
        "列出读卡器、串口和摄像头，以及适用的驱动；不打开任何设备",
        "List readers, serial ports and cameras, and which driver fits; opens none of them",
    ),
)
@port_option
@json_option
def list_devices(ports: tuple[str, ...], as_json: bool) -> None:
    """By what the system says."""
    _tell(discover(_there(ports)), as_json=as_json)


@devices.command(
    help=say(
        "逐个询问无人占用的串口接的是什么；不移动任何东西",
        "Ask what is behind each serial port that nobody holds; nothing moves",
    )
)
@port_option
@json_option
def probe(ports: tuple[str, ...], as_json: bool) -> None:
    """By what the devices answer."""
    _tell([ask_device(each) for each in discover(_there(ports))], as_json=as_json)


def _there(ports: tuple[str, ...]) -> tuple[str, ...]:
    """Ports that somebody named, who would take silence for a device that does not answer."""
    for port in ports:
        if not Path(port).exists():
            raise click.BadParameter(say(f"{port} 不存在", f"{port} does not exist"), param_hint="--port")
    return ports


@devices.command(help=say("持续显示设备的插入和拔出", "Show what is plugged in and pulled out, as it happens"))
@port_option
@click.option(
    "--for",
    "for_s",
    type=click.IntRange(1),
    help=say("只看这么多秒（默认：直到 Ctrl-C）", "Seconds (default: until Ctrl-C)"),
)
@json_option
def watch(ports: tuple[str, ...], for_s: int | None, as_json: bool) -> None:
    """Compare what is there with what was there. Ctrl-C is how one ends it."""
    with suppress(KeyboardInterrupt):
        _watch(ports, for_s, as_json=as_json)


def _watch(ports: tuple[str, ...], for_s: int | None, *, as_json: bool) -> None:
    until_s = None if for_s is None else time.monotonic() + for_s
    before: dict[str, Found] = {}
    while True:
        now = {f"{each.kind} {each.address}": each for each in discover(ports)}
        for mark, those, others in (("-", before, now), ("+", now, before)):
            for name in sorted(those.keys() - others.keys()):
                _tell_change(mark, those[name], as_json=as_json)
        before = now
        if until_s is not None and time.monotonic() >= until_s:
            return
        time.sleep(_PAUSE_S)


@devices.command(
    help=say(
        "把找到的设备写入配置文件：先询问，先检查，其余内容不变",
        "Write what was found into a configuration: asks and checks before, and leaves everything else as it is",
    )
)
@click.argument("file", metavar=say("文件", "FILE"), type=click.Path(path_type=Path))
@port_option
@click.option(
    "--use",
    "named",
    multiple=True,
    metavar=say("设备=地址", "DEVICE=ADDRESS"),
    help=say("指定某个设备的地址；有几个都合适时需要", "Name a device's address, as where several would fit"),
)
@click.option("--yes", is_flag=True, help=say("不再询问", "Do not ask"))
@json_option
def write(file: Path, ports: tuple[str, ...], named: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Find, propose, check, ask, write."""
    resolved = load(file)
    text = device_config.read(file)
    there = device_config.places(text)
    new = device_config.propose(there, [ask_device(each) for each in discover(_there(ports))], _named(named, there))
    rows = [(place.device, place.address, new[place.device]) for place in there if place.device in new]
    if rows:
        after = device_config.changed(text, there, new)
        parse(after, str(file), file.resolve().parent)
        for device, old_address, new_address in rows:
            click.echo(f"{device}: {old_address} → {new_address}", err=as_json)
        if not yes:
            sure(say(f"写入 {file}？", f"Write this into {file}?"), err=as_json)
        permitted(resolved.config.terminal.state_dir, ServiceAct.CONFIGURE)
        _store(file, after)
    if as_json:
        click.echo(json.dumps({"file": str(file), "changed": new}, ensure_ascii=False))
    elif rows:
        click.echo(say(f"已写入 {file}", f"wrote {file}"))
    else:
        click.echo(
            say(
                "没有可写入的：已列出的设备都在，或有几个都合适（用 --use 指定）",
                "nothing to write: what the file names is there, or several would fit (name one with --use)",
            )
        )


def _store(file: Path, text: str) -> None:
    try:
        device_config.store(file, text)
    except OSError as error:
        raise click.ClickException(
            say(f"{file}：无法写入（{why_zh(error)}）", f"{file}: cannot be written ({why_en(error)})")
        ) from error


def _named(named: Iterable[str], there: Iterable[device_config.Place]) -> dict[str, str]:
    known = {place.device for place in there}
    found = {}
    for each in named:
        device, separator, address = each.partition("=")
        if not separator or not address or device not in known:
            zh, en = "、".join(sorted(known)), ", ".join(sorted(known))
            raise click.UsageError(
                say(f"--use 应为 设备=地址，设备是：{zh}", f"--use wants DEVICE=ADDRESS, with one of {en}")
            )
        found[device] = address
    return found


def _tell(found: Iterable[Found], *, as_json: bool) -> None:
    found = list(found)
    if as_json:
        click.echo(json.dumps([_row(each) for each in found], ensure_ascii=False))
        return
    for each in found:
        click.echo(_line(each))
    if not found:
        click.echo(
            say(
                "没有找到设备；读卡器需要 pcscd，系统未列出的串口请用 --port",
                "nothing is found; readers need pcscd, and --port names a serial port that the system does not list",
            )
        )


def _tell_change(mark: str, found: Found, *, as_json: bool) -> None:
    change = {"+": "arrived", "-": "left"}[mark]
    click.echo(
        json.dumps({"change": change} | _row(found), ensure_ascii=False) if as_json else f"{mark} {_line(found)}"
    )


def _line(found: Found) -> str:
    fits = "、".join(found.drivers) if say("zh", "en") == "zh" else ", ".join(found.drivers)
    label = f" ({found.label})" if found.label != found.address else ""
    drivers = say(f"驱动 {fits}：", f"driver {fits}: ") if fits else ""
    return f"{say(*_KINDS[found.kind])} {found.address}{label}\n    {drivers}{tell(found.why)}"


def _row(found: Found) -> dict[str, Any]:
    return {
        "kind": found.kind.value,
        "address": found.address,
        "label": found.label,
        "drivers": list(found.drivers),
        "why": found.why.code,
    }
