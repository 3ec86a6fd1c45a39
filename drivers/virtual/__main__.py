"""``python -m drivers.virtual --dir DIR``: the bench as a process of its own.

Prints one line of JSON: :class:`drivers.virtual.bench.BenchState` when it is ready and listens on
``DIR/virtual.sock``, :class:`drivers.virtual.bench.Refusal` when something is in the way.
Ends on SIGTERM, SIGINT, the command ``stop``, and when its stdin is a pipe whose other end closes: when the process
that started it is gone, however it went.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import os
import signal
import socket
import stat
import sys
from pathlib import Path

from drivers.virtual.bench import (
    DEVICES,
    LINE_MAX_BYTES,
    SOCKET_NAME,
    USUAL_DEVICES,
    Answer,
    Refusal,
    Stop,
    parse_command,
)
from drivers.virtual.devices import INPUTS, OUTPUTS, Bench, BenchPlan
from drivers.virtual.pcscd import VirtualReadersUnavailable

SOCKET_PATH_MAX_BYTES = 107


class _CannotStart(Exception):
    """What is in the way, and what would be right."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


class Server:
    """Answers commands until told to stop."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.stopped = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client: a line, an answer, and again until it leaves."""
        try:
            while line := await reader.readline():
                await self._answer(line, writer)
        except ValueError:  # what asyncio makes of a line beyond the limit
            said = Answer.refusal("命令过长", f"a command is at most {LINE_MAX_BYTES} bytes long")
            writer.write(said.model_dump_json().encode() + b"\n")
        except (ConnectionError, asyncio.CancelledError):  # the client left, or the bench ends while one listens
            return
        finally:
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        command = parse_command(line)
        answer = command if isinstance(command, Answer) else await self._bench.carry_out(command)
        writer.write(answer.model_dump_json().encode() + b"\n")
        await writer.drain()
        if isinstance(command, Stop):
            self.stopped.set()


async def run(plan: BenchPlan) -> None:
    """Start the devices, say so, and serve until the end."""
    loop = asyncio.get_running_loop()
    bench = Bench(plan)
    server = Server(bench)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stopped.set)
    listener = _listen(plan.directory / SOCKET_NAME)
    try:
        await asyncio.to_thread(bench.start)
        listening = await asyncio.start_unix_server(server.serve, sock=listener, limit=LINE_MAX_BYTES)
        if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
            loop.add_reader(sys.stdin.fileno(), _watch_stdin, server)
        sys.stdout.write(bench.state.model_dump_json() + "\n")
        sys.stdout.flush()
        await server.stopped.wait()
        listening.close()
    finally:
        listener.close()
        (plan.directory / SOCKET_NAME).unlink(missing_ok=True)
        bench.stop()
        with contextlib.suppress(OSError):  # somebody else keeps something there
            plan.directory.rmdir()


def _watch_stdin(server: Server) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        server.stopped.set()


def _listen(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > SOCKET_PATH_MAX_BYTES:
        raise _CannotStart(
            f"路径 {path} 太长：Unix 套接字至多 {SOCKET_PATH_MAX_BYTES} 字节；请让 XDG_RUNTIME_DIR 指向较短的目录",
            f"the path {path} is too long: a Unix socket's has at most {SOCKET_PATH_MAX_BYTES} bytes; "
            "let XDG_RUNTIME_DIR name a shorter directory",
        )
    if _answers(path):
        raise _CannotStart(
            f"{path.parent} 的虚拟设备已在运行：请先停止另一个 onecard run，或给这台终端另一个编号",
            f"virtual devices already run at {path.parent}: end the other `onecard run` first, or give this terminal"
            " another id",
        )
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(umask)
    listener.listen()
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _private(directory: Path) -> Path:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise _CannotStart(
            f"目录 {directory} 无法建立（{name}）；请让 XDG_RUNTIME_DIR 指向自己可写的目录，或不设置它",
            f"the directory {directory} cannot be made ({error.strerror}); "
            "let XDG_RUNTIME_DIR name a directory of your own, or leave it unset",
        ) from error
    # The parent too: who owns it could put another directory in the place of ours.
    if {directory.stat().st_uid, directory.parent.stat().st_uid} - {os.getuid(), 0}:
        raise _CannotStart(
            f"目录 {directory} 属于其他用户；请让 XDG_RUNTIME_DIR 指向自己的目录",
            f"another user owns {directory}; let XDG_RUNTIME_DIR name a directory of your own",
        )
    return directory.resolve()


def _line(text: str) -> tuple[str, int]:
    name, _, address = text.partition("=")
    if not name or not address.isascii() or not address.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=ADDRESS")
    return name, int(address)


def _plan(arguments: argparse.Namespace) -> BenchPlan:
    return BenchPlan(
        directory=_private(arguments.dir),
        devices=tuple(arguments.devices),
        readers=arguments.readers,
        outputs=dict(arguments.output or OUTPUTS),
        inputs=dict(arguments.input or INPUTS),
        device_id=arguments.device_id,
        camera_fps=arguments.camera_fps,
        state_dir=arguments.state_dir,
    )


def main() -> int:
    """Exit code 0 after a clean end, 2 when something is in the way."""
    parser = argparse.ArgumentParser(prog="python -m drivers.virtual", description="Virtual devices of a terminal.")
    parser.add_argument("--dir", type=Path, required=True, help="where ports and sockets appear")
    parser.add_argument(
        "--devices", nargs="+", choices=DEVICES, default=USUAL_DEVICES, help="what there is [all but the camera]"
    )
    parser.add_argument("--readers", type=int, choices=range(1, 17), default=2, metavar="1-16", help="of pcscd [2]")
    parser.add_argument("--output", type=_line, action="append", metavar="NAME=COIL", help="of the board [gate=0]")
    parser.add_argument(
        "--input", type=_line, action="append", metavar="NAME=INPUT", help="[passage=0, fire=1, fire-reset=2]"
    )
    parser.add_argument("--device-id", type=int, default=1, help="Modbus address of the board [1]")
    parser.add_argument(
        "--camera-fps", type=int, choices=range(1, 121), default=30, metavar="1-120", help="pictures a second [30]"
    )
    parser.add_argument("--state-dir", default="", help="of the terminal, for whoever asks whose the devices are")
    arguments = parser.parse_args()
    try:
        asyncio.run(run(_plan(arguments)))
    except (VirtualReadersUnavailable, _CannotStart) as error:
        return _refuse(error.zh, error.en)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        return _refuse(f"{error.filename or '虚拟设备'}：操作系统拒绝（{name}）", str(error))
    return 0


def _refuse(zh: str, en: str) -> int:
    sys.stdout.write(Refusal(zh=zh, en=en).model_dump_json() + "\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
