"""Where the command finds a terminal: by its configuration, its preset, or its state directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from agent.config import Resolved, load, parse
from agent.configuration.choice import as_it_runs
from agent.words import say
from profiles.reasons import Sentence
from tools.cli.presets import preset_names, preset_text
from tools.cli.times import go_by

PACKAGE = Path("/opt/onecard")
"""The environment that the Debian package brings."""
DEFAULT_PRESET = "gate"
INSTALLED_CONFIG = Path("/etc/onecard/terminal.yaml")
"""The configuration of the terminal that the Debian package runs on this machine."""


def state_home() -> Path:
    """Where presets keep their state: ``$XDG_STATE_HOME/onecard``, else below the home directory."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "onecard"


def resolve(config: Path | None, preset: str | None, overrides: tuple[str, ...] = ()) -> Resolved:
    """What the terminal that the options name goes by: its own file, or what the platform has given it since.

    Raises :class:`agent.config.ConfigError`.
    """
    return as_it_runs(own_file(config, preset, overrides), overrides)


def own_file(config: Path | None, preset: str | None, overrides: tuple[str, ...] = ()) -> Resolved:
    """Read the configuration that the options name. Raises :class:`agent.config.ConfigError`."""
    if config is not None and preset is not None:
        raise click.UsageError(say("--config 与 --preset 只能选一个", "give --config or --preset, not both"))
    if config is not None:
        return load(config, overrides)
    name = preset or DEFAULT_PRESET
    home = state_home()
    return parse(preset_text(name), say(f"预设 {name}", f"preset {name}"), home, overrides)


class NoTerminal(click.ClickException):
    """The box on which the package is installed is no terminal yet, or not for this user to look at."""

    def __init__(self, fault: str, said: Sentence, remedy: Sentence) -> None:
        super().__init__(say(f"{said.zh}：{remedy.zh}", f"{said.en}: {remedy.en}"))
        self.fault = fault
        self.said = said
        self.remedy = remedy


def installed() -> Path | None:
    """The configuration of this machine's own terminal; ``None`` where the command is not the package's.

    Raises :class:`NoTerminal`: whoever sits at the package's box means that one, and no preset.
    """
    if os.access(INSTALLED_CONFIG, os.R_OK):
        return INSTALLED_CONFIG
    if Path(sys.prefix) != PACKAGE:
        return None
    if os.access(INSTALLED_CONFIG.parent, os.X_OK) and not INSTALLED_CONFIG.exists():
        raise NoTerminal(
            "not-enrolled",
            Sentence(f"本机还不是终端（没有 {INSTALLED_CONFIG}）", f"no terminal yet (there is no {INSTALLED_CONFIG})"),
            Sentence("先注册：sudo onecard provision", "enrol it: sudo onecard provision"),
        )
    raise NoTerminal(
        "denied",
        Sentence(f"当前用户无权读取 {INSTALLED_CONFIG}", f"this user may not read {INSTALLED_CONFIG}"),
        Sentence("以 root 运行，如 sudo onecard doctor", "be root, as by sudo onecard doctor"),
    )


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
                f"{state_dir} 不存在；请用 --terminal、--preset、--config 或 --state-dir 指定终端，或先运行一次终端",
                f"{state_dir} does not exist; name the terminal with --terminal, --preset, --config or --state-dir,"
                " or start it once",
            )
        )
    return state_dir


def _beginning(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    """The terminals that this user has run, for a shell to complete."""
    del ctx, param
    return [name for name in _known() if name.startswith(begun)]


_PLACES = {
    "terminal": click.option(
        "--terminal",
        metavar=say("编号", "ID"),
        shell_complete=_beginning,
        help=say("本用户运行过的终端的编号", "The id of a terminal that this user has run"),
    ),
    "preset": click.option(
        "--preset",
        type=click.Choice(preset_names()),
        help=say("此预设的终端（默认：gate）", "The terminal of this preset (default: gate)"),
    ),
    "config": click.option(
        "--config",
        type=click.Path(path_type=Path),
        help=say("此配置文件的终端", "The terminal of this configuration file"),
    ),
    "state_dir": click.option(
        "--state-dir",
        type=click.Path(path_type=Path),
        help=say("终端的状态目录", "The terminal's state directory"),
    ),
}
"""The ways to name a terminal of which a command wants the state directory."""
_PRESET_BY_NAME = click.option(
    "--preset", type=click.Choice(preset_names()), help=say("此预设的终端", "The terminal of this preset")
)
"""Of commands that take none by default."""


def state_dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """All of them; the command is handed ``state_dir``."""
    return _locating(command, tuple(_PLACES), default_state_dir)


def named_state_dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a command that destroys: it means this machine's own terminal, or one that is named, never a preset
    that nobody spoke of."""
    return _locating(command, tuple(_PLACES), _own_state_dir)


def state_dir_option_beside_terminal(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a command whose own ``--terminal`` means something else."""
    return _locating(command, ("preset", "config", "state_dir"), default_state_dir)


def optional_state_dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a command that needs no terminal: ``None`` if none is named."""
    return _locating(command, tuple(_PLACES), lambda: None)


def terminal_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--terminal``, ``--preset`` or ``--config``: whose virtual devices; the command is handed ``terminal``."""

    @wraps(command)
    def named(*args: Any, terminal: str | None, preset: str | None, config: Path | None, **others: Any) -> Any:
        given = [
            option
            for option, value in (("--terminal", terminal), ("--preset", preset), ("--config", config))
            if value is not None
        ]
        if len(given) > 1:
            one, other = given[:2]
            raise click.UsageError(say(f"{one} 与 {other} 只能选一个", f"give {one} or {other}, not both"))
        return command(*args, terminal=terminal or resolve(config, preset).config.terminal.id, **others)

    return _PLACES["terminal"](_PLACES["preset"](_PLACES["config"](named)))


def _locating(
    command: Callable[..., Any], places: tuple[str, ...], default: Callable[[], Path | None]
) -> Callable[..., Any]:
    @wraps(command)
    def located(*args: Any, **others: Any) -> Any:
        given = {name: others.pop(name) for name in places}
        named = {name: value for name, value in given.items() if value is not None}
        if len(named) > 1:
            options = [f"--{name.replace('_', '-')}" for name in named]
            raise click.UsageError(say(f"{'、'.join(options)} 只能选一个", f"give one of {', '.join(options)}"))
        state_dir = _state_dir(*next(iter(named.items()))) if named else default()
        return command(*args, state_dir=state_dir, **others)

    option: Callable[..., Any] = located
    for name in places:
        is_told = name != "preset" or default is default_state_dir
        option = (_PLACES[name] if is_told else _PRESET_BY_NAME)(option)
    return option


def _state_dir(named_by: str, value: Any) -> Path:
    if named_by == "terminal":
        if value not in _known():
            raise click.ClickException(
                say(f"没有终端 {value} 的状态目录；{_others()}", f"terminal {value} has no directory; {_others()}")
            )
        return states() / str(value)
    if named_by == "state_dir":
        return Path(value)
    return _of(resolve(value, None) if named_by == "config" else resolve(None, value))


def _of(resolved: Resolved) -> Path:
    go_by(resolved)
    return resolved.config.terminal.state_dir


def default_state_dir() -> Path:
    """That of this machine's own terminal, else of the default preset; else a sentence that names those that ran."""
    if (config := installed()) is not None:
        return _of(load(config))
    state_dir = _of(resolve(None, None))
    if not state_dir.is_dir() and _known():
        raise click.ClickException(say(f"{state_dir} 不存在；{_others()}", f"{state_dir} does not exist; {_others()}"))
    return state_dir


def _own_state_dir() -> Path:
    """That of this machine's own terminal; else a sentence that names those that ran."""
    if (config := installed()) is not None:
        return _of(load(config))
    raise click.UsageError(say(f"请指明是哪台终端：{_others()}", f"say which terminal: {_others()}"))


def states() -> Path:
    """Where the presets' terminals keep their directories, each under its id."""
    return resolve(None, None).config.terminal.state_dir.parent


def _known() -> list[str]:
    return sorted(path.name for path in states().glob("*") if path.is_dir())


def _others() -> str:
    known = _known()
    if not known:
        return say(
            "本用户还没有运行过终端（onecard run）；别处的用 --config 文件 或 --state-dir 目录 指定",
            "this user has run none yet (`onecard run`); name one elsewhere with --config FILE or --state-dir DIR",
        )
    return say(
        f"请用 --terminal 指定，现有：{'、'.join(known)}；别处的用 --config 文件 或 --state-dir 目录 指定",
        f"name one with --terminal: {', '.join(known)}; one elsewhere with --config FILE or --state-dir DIR",
    )
