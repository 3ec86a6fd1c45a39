"""Where the command finds a terminal: by its configuration, its preset, or its state directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from agent.config import Resolved, load, parse
from agent.words import say
from tools.cli.presets import preset_names, preset_text

DEFAULT_PRESET = "gate"


def state_home() -> Path:
    """Where presets keep their state: ``$XDG_STATE_HOME/onecard``, else below the home directory."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "onecard"


def resolve(config: Path | None, preset: str | None, overrides: tuple[str, ...] = ()) -> Resolved:
    """Read the configuration that the options name. Raises :class:`agent.config.ConfigError`."""
    if config is not None and preset is not None:
        raise click.UsageError(say("--config 与 --preset 只能选一个", "give --config or --preset, not both"))
    if config is not None:
        return load(config, overrides)
    name = preset or DEFAULT_PRESET
    home = state_home()
    return parse(preset_text(name), say(f"预设 {name}", f"preset {name}"), home, overrides)


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--config``, ``--preset`` and ``--set``: which terminal a command is about."""
    for option in (
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar=say("路径.键=值", "PATH.TO.KEY=VALUE"),
            help=say("覆盖一项配置", "Override one value"),
        ),
        click.option(
            "--preset",
            type=click.Choice(preset_names()),
            help=say(
                "现成配置，使用虚拟设备（默认 gate）", "A ready-made configuration on virtual devices (default: gate)"
            ),
        ),
        click.option("--config", type=click.Path(path_type=Path), help=say("配置文件", "The configuration file")),
    ):
        command = option(command)
    return command


def existing(state_dir: Path) -> Path:
    """The directory, if it is there: one that nobody made is a slip of the hand, and no place for keys and bundles."""
    if not state_dir.is_dir():
        raise click.ClickException(
            say(
                f"{state_dir} 不存在；请用 --state-dir 指定终端的状态目录，或先运行一次终端",
                f"{state_dir} does not exist; name the terminal's directory with --state-dir, or start it once",
            )
        )
    return state_dir


def state_dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--state-dir``: where the terminal's journal lies."""
    return click.option(
        "--state-dir",
        type=click.Path(path_type=Path),
        default=lambda: resolve(None, None).config.terminal.state_dir,
        help=say(
            "终端的状态目录（默认：gate 预设的）", "The terminal's state directory (default: that of the preset gate)"
        ),
    )(command)
