"""``onecard config``: check a file, print its schema, begin one."""

from __future__ import annotations

import json
from pathlib import Path

import click

from agent.config import load, profile_names, profile_type
from agent.config_model import Config
from agent.words import say, why_zh
from drivers.registry import driver
from drivers.registry import names as driver_names
from tools.cli.presets import preset_names, preset_text


@click.group(help=say("检查配置、说明可写的内容，或生成一份配置", "Check, explain or begin a configuration"))
def config() -> None:
    """Hold the configuration's commands."""


@config.command(
    help=say(
        "检查配置文件；不能用时列出每一处问题，退出码为 1",
        "Check a file; exit code 1 and every problem if it cannot be used",
    )
)
@click.argument("file", metavar=say("文件", "FILE"), type=click.Path(path_type=Path))
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar=say("路径.键=值", "PATH.TO.KEY=VALUE"),
    help=say("覆盖一项", "Override one value"),
)
def check(file: Path, overrides: tuple[str, ...]) -> None:
    """Read the file as the terminal would."""
    resolved = load(file, overrides)
    lanes, devices = len(resolved.config.lanes), len(resolved.config.devices)
    click.echo(
        say(
            f"{file}：可用，{lanes} 条通道，{devices} 台设备",
            f"{file}: good, {lanes} lane{'s' if lanes != 1 else ''}, {devices} device{'s' if devices != 1 else ''}",
        )
    )


@config.command(
    help=say(
        "输出 JSON Schema，含每种设备和每种场景的设置",
        "Print the JSON Schema, with every driver's and profile's settings",
    )
)
def schema() -> None:
    """Print what may stand in a configuration."""
    document = Config.model_json_schema()
    document["drivers"] = {name: driver(name).Settings.model_json_schema() for name in driver_names()}
    document["profiles"] = {
        name: kind.Settings.model_json_schema() for name in profile_names() if (kind := profile_type(name)) is not None
    }
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


@config.command(
    help=say(
        "写出一份配置，供修改后使用；已有的文件不会改动",
        "Write a configuration to begin with; an existing file is not touched",
    )
)
@click.argument("file", metavar=say("文件", "FILE"), type=click.Path(path_type=Path))
@click.option(
    "--preset",
    type=click.Choice(preset_names()),
    default="gate",
    show_default=True,
    help=say("以哪个预设开始", "Which preset to begin with"),
)
def init(file: Path, preset: str) -> None:
    """Copy a preset."""
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(preset_text(preset))
    except FileExistsError:
        raise click.ClickException(
            say(f"{file} 已存在，请换一个名字", f"{file} exists already; choose another name")
        ) from None
    except OSError as error:
        raise click.ClickException(
            say(f"无法写入 {file}：{why_zh(error)}", f"{file} cannot be written: {error.strerror}")
        ) from None
    click.echo(
        say(
            f"已写入 {file}；请按设备修改端口，再用 onecard config check {file} 检查",
            f"wrote {file}; set the ports of your devices, then let `onecard config check {file}` check it",
        )
    )
