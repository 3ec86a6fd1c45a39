"""The virtual devices of a terminal as a child process: started, waited for, asked, and ended with its parent."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic import TypeAdapter

from agent.config import Resolved
from agent.words import say, tell, why_en, why_zh
from drivers.board import BoardSettings
from drivers.virtual.bench import (
    CAMERA_FILE,
    LIBRARY_FILE,
    SECOND_DEVICES,
    SOCKET_NAME,
    USUAL_DEVICES,
    Answer,
    BenchState,
    Command,
    Refusal,
    Status,
    ask_bench,
)
from drivers.virtual.place import virtual_dir

STOP_S = 5.0
BOARD_PORT = "relay"
_FIRST_LINE: TypeAdapter[BenchState | Refusal] = TypeAdapter(BenchState | Refusal)


class BenchError(click.ClickException):
    """The virtual devices cannot be started or reached, or refuse a command; the text is for its reader."""


@dataclass(frozen=True, slots=True)
class VirtualDevices:
    """Running virtual devices. ``environment`` is what a process needs to find the virtual PC/SC readers."""

    socket_path: Path
    environment: Mapping[str, str]

    def ask(self, command: Command) -> Answer:
        """Carry out one command. Raises :class:`BenchError`."""
        return ask(self.socket_path, command)


def ask(socket_path: Path, command: Command) -> Answer:
    """One command to running virtual devices. Raises :class:`BenchError`, also for what they refuse."""
    try:
        answer = Answer.model_validate(ask_bench(socket_path, command.model_dump(exclude_none=True)))
    except OSError as error:
        others = _running_beside(socket_path)
        if others:
            raise BenchError(
                say(
                    f"{socket_path.parent.name} 没有运行；正在运行的是 {'、'.join(others)}，请用 --terminal 指定",
                    f"{socket_path.parent.name} does not run; running: {', '.join(others)}. Name one with --terminal",
                )
            ) from None
        raise BenchError(
            say(
                f"没有运行中的虚拟设备（{socket_path}：{why_zh(error)}）；先运行 onecard run",
                f"no virtual devices are running ({socket_path}: {why_en(error)}); start them with `onecard run`",
            )
        ) from None
    if answer.error is not None:
        raise BenchError(tell(answer.error))
    return answer


def _running_beside(socket_path: Path) -> list[str]:
    """Other terminals of this user whose virtual devices have a socket that somebody listens at."""
    found = []
    for other in sorted(socket_path.parent.parent.glob(f"*/{SOCKET_NAME}")):
        with suppress(OSError):
            ask_bench(other, Status().model_dump())
            found.append(other.parent.name)
    return found


@contextmanager
def running_devices(resolved: Resolved, *, user: tuple[int, int] | None = None) -> Iterator[VirtualDevices]:
    """Start the virtual devices of a terminal, and end them after the block. Raises :class:`BenchError`.

    ``user``: the uid and gid that they run as, for good, where this process only acts as them.
    """
    place = virtual_dir(resolved.config.terminal.id)
    state_dir = resolved.config.terminal.state_dir.absolute()
    command = [sys.executable, "-P", "-m", "drivers.virtual", "--dir", str(place), "--state-dir", str(state_dir)]
    # A session of its own: Ctrl-C is for the terminal, which ends before its devices do.
    process = subprocess.Popen(
        [*command, *_lines_of_board(resolved, place), *_extras(resolved, place)],
        user=None if user is None else user[0],
        group=None if user is None else user[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        state = _ready(process)
        yield VirtualDevices(state.socket, state.environment)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def use_running_devices(terminal_id: str) -> None:
    """Let this process find the virtual PC/SC readers of a terminal whose devices run; harmless if none do."""
    socket_path = virtual_dir(terminal_id) / SOCKET_NAME
    if socket_path.is_socket():
        state = ask(socket_path, Status()).state
        os.environ.update(state.environment if state is not None else {})


def use(devices: VirtualDevices) -> None:
    """Let this process find the virtual PC/SC readers; before its first PC/SC call."""
    os.environ.update(devices.environment)


def _ready(process: subprocess.Popen[bytes]) -> BenchState:
    line = process.stdout.readline() if process.stdout is not None else b""
    first = _FIRST_LINE.validate_json(line) if line else None
    if isinstance(first, BenchState):
        return first
    if first is not None:
        raise BenchError(say(f"虚拟设备无法启动：{first.zh}", f"the virtual devices did not start: {first.en}"))
    _, why = process.communicate()
    text = why.decode(errors="replace").strip()
    raise BenchError(say(f"虚拟设备意外终止：{text}", f"the virtual devices ended unexpectedly: {text}"))


def _lines_of_board(resolved: Resolved, place: Path) -> list[str]:
    """The virtual board has the lines that the configuration names."""
    arguments: list[str] = []
    for settings in resolved.devices.values():
        if isinstance(settings, BoardSettings) and getattr(settings, "port", None) == str(place / BOARD_PORT):
            for name, address in settings.outputs.items():
                arguments += ["--output", f"{name}={address}"]
            for name, line in settings.inputs.items():
                arguments += ["--input", f"{name}={line.address}"]
    return arguments


def _extras(resolved: Resolved, place: Path) -> list[str]:
    """What is not usual stands where the configuration has one."""
    library = resolved.config.library
    ports = {getattr(settings, "port", None) for settings in resolved.devices.values()}
    wanted = [device for device in SECOND_DEVICES if str(place / device) in ports]
    if any(getattr(settings, "source", None) == str(place / CAMERA_FILE) for settings in resolved.devices.values()):
        wanted.append("camera")
    if library is not None and library.address == str(place / LIBRARY_FILE):
        wanted.append("library")
    return ["--devices", *USUAL_DEVICES, *wanted] if wanted else []
