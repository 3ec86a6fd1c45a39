"""One YAML file in, one frozen model out. Unknown keys are refused; an error names file, key path and remedy."""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from agent.config_model import Config, TerminalConfig
from agent.configuration.standing import Trial
from agent.peripheral_problems import PERIPHERALS, peripheral_problems
from agent.problems import Problem, problems_of
from agent.words import say, why_en, why_zh
from agent.yaml_file import MAX_SIZE_BYTES, YamlError, parse_yaml
from drivers.api import DriverSettings
from drivers.board import BoardSettings
from drivers.registry import UnknownDriver, driver
from drivers.registry import names as driver_names
from drivers.virtual.place import PLACEHOLDER, virtual_dir
from profiles.api import Profile, ProfileSettings, Wiring

PROFILE_GROUP = "onecard.profiles"


class ConfigError(Exception):
    """The configuration cannot be used; every problem at once."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        colon = say("：", ": ")
        super().__init__("\n".join(f"{source}{colon}{problem}" for problem in self.problems))


@dataclass(frozen=True)
class Resolved:
    """A configuration whose devices and profiles have read their own settings as well."""

    config: Config
    devices: Mapping[str, DriverSettings]
    profiles: Mapping[str, ProfileSettings]
    issue: int = 0
    """The version of the platform's configuration; 0 for the terminal's own file."""
    trial: Trial | None = None
    """It has to prove itself."""


def load(path: Path, overrides: Iterable[str] = ()) -> Resolved:
    """Read, override (``path.to.key=value``) and check a file. Raises :class:`ConfigError`."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_SIZE_BYTES + 1)  # parse_yaml refuses what is longer
    except OSError as error:
        raise ConfigError(
            str(path), [Problem("", f"无法读取文件：{why_zh(error)}", f"cannot be read: {why_en(error)}")]
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), [Problem("", "文件不是 UTF-8 文本", "is not UTF-8 text")]) from None
    return parse(text, str(path), path.resolve().parent, overrides)


def parse(text: str, source: str, base_dir: Path, overrides: Iterable[str] = ()) -> Resolved:
    """Check a configuration's text; relative paths start at ``base_dir``. Raises :class:`ConfigError`."""
    try:
        document = parse_yaml(text)
    except YamlError as error:
        raise ConfigError(
            source, [Problem("", f"YAML 格式错误：{error.zh}", f"is not plain YAML: {error.en}")]
        ) from None
    if not isinstance(document, dict):
        said = ("应为含 terminal、devices 和 lanes 的键值结构", "should be a mapping with terminal, devices and lanes")
        raise ConfigError(source, [Problem("", *said)])
    for override in overrides:
        _override(document, override)
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(source, [*problems_of(error, model=Config), *_behind(error, document)]) from None
    try:
        state_dir = Path(os.path.expandvars(config.terminal.state_dir)).expanduser()
    except RuntimeError:
        said = ("没有这个用户的主目录", "there is no such user's home directory")
        raise ConfigError(source, [Problem("terminal.state_dir", *said)]) from None
    terminal = config.terminal.model_copy(update={"state_dir": base_dir / state_dir})
    library = None if config.library is None else config.library.placed(partial(_placed, terminal=terminal))
    lanes = {name: lane.placed(partial(_placed, terminal=terminal)) for name, lane in config.lanes.items()}
    placed = {"terminal": terminal, "library": library, "lanes": lanes}
    resolved, problems = _resolve(config.model_copy(update=placed))
    if problems:
        raise ConfigError(source, problems)
    return resolved


def profile_type(name: str) -> type[Profile[Any]] | None:
    """The class behind a profile's name."""
    found = entry_points(group=PROFILE_GROUP, name=name)
    return cast("type[Profile[Any]]", next(iter(found)).load()) if found else None


def profile_names() -> tuple[str, ...]:
    """All installed profiles, sorted."""
    return tuple(sorted(entry_points(group=PROFILE_GROUP).names))


def _behind(error: ValidationError, document: Mapping[str, Any]) -> list[Problem]:
    """What else is wrong, in the sections that could be read: a technician mends all of it in one go."""
    items = error.errors(include_url=False, include_input=False)
    sound = copy.deepcopy(dict(document))
    for item in items:
        if item["type"] == "extra_forbidden":
            _without(sound, item["loc"])
    broken = {str(item["loc"][0]) for item in items if item["loc"] and item["type"] != "extra_forbidden"}
    if broken & {"devices", "lanes"}:
        return []  # devices and lanes name each other
    sound = {key: value for key, value in sound.items() if key not in broken}
    if "terminal" in broken:
        sound["terminal"] = {"id": "terminal", "state_dir": "."}
    try:
        return _resolve(Config.model_validate(sound))[1]
    except ValidationError:
        return []


def _without(document: Any, location: tuple[int | str, ...]) -> None:
    """Take one key out of nested mappings and lists."""
    *path, last = location
    for part in path:
        document = document[part]
    del document[last]


def _resolve(config: Config) -> tuple[Resolved, list[Problem]]:
    problems: list[Problem] = []
    devices: dict[str, DriverSettings] = {}
    profiles: dict[str, ProfileSettings] = {}
    for name, device in config.devices.items():
        try:
            settings_type = driver(device.driver).Settings
        except UnknownDriver:
            problems.append(_unknown(f"devices.{name}.driver", device.driver, driver_names()))
            continue
        try:
            devices[name] = settings_type.model_validate(_placed(device.model_extra or {}, config.terminal))
        except ValidationError as error:
            problems += problems_of(error, model=settings_type, prefix=("devices", name))
    for name, lane in config.lanes.items():
        beside = ((key, getattr(lane, key)) for key in ("board", *PERIPHERALS))
        for key, device_name in (*(("readers", reader) for reader in lane.readers), *beside):
            if device_name is not None and device_name not in config.devices:
                fitting = [other for other in config.devices if _is_board(config, other) is (key == "board")]
                problems.append(_unknown(f"lanes.{name}.{key}", device_name, tuple(fitting)))
        kind = profile_type(lane.profile)
        if kind is None:
            problems.append(_unknown(f"lanes.{name}.profile", lane.profile, profile_names()))
            continue
        if getattr(kind, "needs_library", False) and config.library is None:
            said = ("图书馆通道需要 library 一节", "needs the section library: what was lent would be told to nobody")
            problems.append(Problem(f"lanes.{name}.profile", *said))
        try:
            profiles[name] = kind.Settings.model_validate(lane.settings)
        except ValidationError as error:
            problems += problems_of(error, model=kind.Settings, prefix=("lanes", name, "settings"))
    problems += _shared_readers(config)
    problems += peripheral_problems(config.lanes, devices, profiles)
    problems += _misplaced(config, devices)
    problems += _shared_lines(config, profiles)
    problems += _shared_ports(devices)
    for name, settings in profiles.items():
        problems += _strange_readers(name, config.lanes[name].readers, settings.wiring())
        board = devices.get(config.lanes[name].board or "")
        if isinstance(board, BoardSettings):
            problems += _unwired(f"lanes.{name}.settings", settings.wiring(), config.lanes[name].board or "", board)
    return Resolved(config, devices, profiles), problems


def _is_board(config: Config, device: str) -> bool:
    try:
        return issubclass(driver(config.devices[device].driver).Settings, BoardSettings)
    except UnknownDriver:
        return False


def _placed(value: Any, terminal: TerminalConfig) -> Any:
    """Settings with ``${state}`` and ``${virtual}`` replaced by the terminal's own directories."""
    if isinstance(value, str):
        return value.replace(PLACEHOLDER, str(virtual_dir(terminal.id))).replace("${state}", str(terminal.state_dir))
    if isinstance(value, dict):
        return {key: _placed(inner, terminal) for key, inner in value.items()}
    return value


def _shared_readers(config: Config) -> list[Problem]:
    """A reader serves one lane: its readings cannot go two ways."""
    owners: dict[str, str] = {}
    problems: list[Problem] = []
    for name, lane in config.lanes.items():
        for reader in lane.readers:
            if owners.setdefault(reader, name) != name:
                other = owners[reader]
                problems.append(
                    Problem(
                        f"lanes.{name}.readers",
                        f"读卡器 {reader} 已属于通道 {other}",
                        f"the reader {reader} already belongs to lane {other}; give each lane its own",
                    )
                )
    return problems


def _shared_lines(config: Config, profiles: Mapping[str, ProfileSettings]) -> list[Problem]:
    """One output and one sensor serve one lane: another would take its passages for forced ones."""
    owners: dict[tuple[str | None, str], str] = {}
    problems: list[Problem] = []
    for name, settings in profiles.items():
        wiring, board = settings.wiring(), config.lanes[name].board
        for key, line in (*wiring.outputs.items(), *wiring.inputs.items()):
            other = owners.setdefault((board, line), f"{name}.{key}") if board is not None else f"{name}.{key}"
            if other != f"{name}.{key}":
                said = (f"{line} 已用于 {other}", f"{line} serves {other} already; give each its own line")
                problems.append(Problem(f"lanes.{name}.settings.{key}", *said))
        for key, line in wiring.inputs.items():
            if line in wiring.fire_inputs.values():
                said = (f"{line} 是消防输入，不能兼作他用", f"{line} is the fire input and can be nothing else")
                problems.append(Problem(f"lanes.{name}.settings.{key}", *said))
    return problems


def _shared_ports(devices: Mapping[str, DriverSettings]) -> list[Problem]:
    """A serial port serves one device; and a placeholder that nobody knows is no port."""
    owners: dict[str, str] = {}
    problems: list[Problem] = []
    for name, settings in devices.items():
        port = getattr(settings, "port", None)
        if isinstance(port, str) and owners.setdefault(port, name) != name:
            said = (f"端口已用于 {owners[port]}", f"the port serves {owners[port]} already")
            problems.append(Problem(f"devices.{name}.port", *said))
        if isinstance(port, str) and "${" in port:
            said = (
                "没有这个变量（可用：${virtual}、${state}）",
                "there is no such variable (known: ${virtual}, ${state})",
            )
            problems.append(Problem(f"devices.{name}.port", *said))
    return problems


def _misplaced(config: Config, devices: Mapping[str, DriverSettings]) -> list[Problem]:
    """A board drives and a reader reads: one in the other's place would fight for its wire, and with it for fire."""
    problems: list[Problem] = []
    for name, lane in config.lanes.items():
        for reader in sorted({each for each in lane.readers if lane.readers.count(each) > 1}):
            said = (f"读卡器 {reader} 写了两次", f"the reader {reader} stands here twice")
            problems.append(Problem(f"lanes.{name}.readers", *said))
        for reader in lane.readers:
            if isinstance(devices.get(reader), BoardSettings):
                said = (f"{reader} 是继电器板，不能当读卡器", f"{reader} is a board; it belongs under board:")
                problems.append(Problem(f"lanes.{name}.readers", *said))
        if lane.board is not None and lane.board in devices and not isinstance(devices[lane.board], BoardSettings):
            said = (f"{lane.board} 不是继电器板", f"{lane.board} is no board")
            problems.append(Problem(f"lanes.{name}.board", *said))
    return problems


def _unwired(path: str, wiring: Wiring, board: str, lines: BoardSettings) -> list[Problem]:
    """Lines that the profile uses and its board has not: nothing would open there, and nobody would be heard."""
    problems: list[Problem] = []
    for kind_zh, kind_en, wanted, known in (
        ("输出", "output", wiring.outputs, lines.outputs),
        ("输入", "input", {**wiring.inputs, **wiring.fire_inputs}, lines.inputs),
    ):
        for key, line in wanted.items():
            if line not in known:
                listed = ("、".join(known) or "无", ", ".join(known) or "none")
                zh = f"继电器板 {board} 没有名为 {line!r} 的{kind_zh}（可用：{listed[0]}）"
                en = f"the board {board} has no {kind_en} {line!r} (known: {listed[1]})"
                problems.append(Problem(f"{path}.{key}", zh, en))
    opening = lines.fire.inputs if lines.fire else ()
    for key, line in wiring.fire_inputs.items():
        if line in lines.inputs and line not in opening:
            zh = f"继电器板 {board} 的 fire.inputs 中没有 {line!r}：报警时不会开门"
            en = f"{line!r} is not among fire.inputs of the board {board}: nothing would open when it reports fire"
            problems.append(Problem(f"{path}.{key}", zh, en))
    return problems


def _strange_readers(lane: str, readers: tuple[str, ...], wiring: Wiring) -> list[Problem]:
    """Readers that the profile speaks of must be the lane's own."""
    return [
        _unknown(f"lanes.{lane}.settings.{key}", reader, readers)
        for key, named in wiring.readers.items()
        for reader in named
        if reader not in readers
    ]


def _unknown(path: str, given: str, known: tuple[str, ...]) -> Problem:
    near = difflib.get_close_matches(given, known, n=1)
    hint_zh = f"，是否指 {near[0]}？" if near else ""
    hint_en = f"; did you mean {near[0]}?" if near else ""
    return Problem(
        path,
        f"没有名为 {given!r} 的项{hint_zh}（可用：{'、'.join(known)}）",
        f"there is no {given!r}{hint_en} (known: {', '.join(known)})",
    )


def _override(document: dict[str, Any], override: str) -> None:
    path, separator, value = override.partition("=")
    keys = path.split(".")
    if not separator or not all(keys):
        raise ConfigError(
            f"--set {override}",
            [Problem("", "写法应为 路径.键=值", "should read path.to.key=value, e.g. logs.level=debug")],
        )
    target: dict[str, Any] = document
    for key in keys[:-1]:
        inner = target.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"--set {override}", [Problem(path, f"{key} 不是一组键", f"{key} holds a value, not keys")]
            )
        target = inner
    try:
        target[keys[-1]] = parse_yaml(value)
    except YamlError as error:
        raise ConfigError(
            f"--set {override}", [Problem(path, f"值无法识别：{error.zh}", f"the value: {error.en}")]
        ) from None
