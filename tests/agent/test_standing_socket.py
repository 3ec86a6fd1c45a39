"""The terminal's socket: it tells how the terminal stands, to its own user and root, and takes nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.buffer import BufferState
from agent.clock import Moment
from agent.devices import DeviceState
from agent.standing import Standing, standing
from agent.standing_socket import NAME, StandingSocket, ask
from agent.threads import in_thread
from profiles.api import ClockState
from tests.faults.privilege import refused

DEADLINE_S = 20.0
NOBODY = 65_534
_PERL = """
my $channel = IO::Socket::UNIX->new($ARGV[0]) or die "cannot connect";
$channel->sysread(my $told, 9);
print "connected, and told '$told'";
"""
_PERL = """
my $channel = IO::Socket::UNIX->new($ARGV[0]) or die "cannot connect";
$channel->sysread(my $told, 9);
print "connected, and told '$told'";
"""


def look() -> Standing:
    moment = Moment(1_767_225_600_000, ClockState.HOLDOVER, 7)
    devices = [DeviceState("scanner", "failed", "busy", "/dev/ttyUSB0 (EBUSY)")]
    return standing("gate-1", "00" * 8, moment, devices, BufferState(4096, 12), 3, None, None, {})


@asynccontextmanager
async def telling(directory: Path, look: Callable[[], Standing] = look) -> AsyncIterator[None]:
    task = asyncio.create_task(StandingSocket(directory, look).run())
    try:
        await in_thread(lambda: wait_for_answer(directory), "ask")
        yield
    finally:
        task.cancel()


def answers(directory: Path) -> bool:
    try:
        ask(directory)
    except OSError:
        return False
    return True


def wait_for_answer(directory: Path) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not answers(directory):
        assert time.monotonic() < deadline_s, "nobody answers"
        time.sleep(0.01)


async def test_whoever_connects_is_told_how_the_terminal_stands(tmp_path: Path) -> None:
    async with telling(tmp_path):
        told = await in_thread(lambda: ask(tmp_path), "ask")
    assert told == look()
    assert (told.pid, told.in_service, told.buffer.unrecorded) == (os.getpid(), False, 3)


async def test_the_socket_is_for_its_own_user_alone(tmp_path: Path) -> None:
    async with telling(tmp_path):
        status = (tmp_path / NAME).stat()
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert status.st_uid == os.geteuid()


def open_to_all(directory: Path) -> None:
    directory.chmod(0o755)
    (directory / NAME).chmod(0o666)


async def test_another_user_is_told_nothing_though_the_file_were_open_to_all() -> None:
    if os.geteuid() != 0:
        refused("another user asks")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with telling(directory):
            open_to_all(directory)
            process = await asyncio.create_subprocess_exec(
                *("setpriv", "--reuid", str(NOBODY), "--clear-groups"),
                *("perl", "-MIO::Socket::UNIX", "-e", _PERL, str(directory / NAME)),  # every Debian has it
                stdout=asyncio.subprocess.PIPE,
            )
            said, _ = await process.communicate()
    assert said == b"connected, and told ''"


async def test_a_socket_that_a_dead_agent_left_is_replaced_and_a_living_ones_is_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / NAME))
    async with telling(tmp_path):
        before = (tmp_path / NAME).stat().st_ino
        second = asyncio.create_task(StandingSocket(tmp_path, look).run())
        await asyncio.wait([second], timeout=0.2)
        second.cancel()
        assert (tmp_path / NAME).stat().st_ino == before
        assert await in_thread(lambda: answers(tmp_path), "ask")


async def test_what_no_terminal_says_is_a_value_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as liar:
        liar.bind(str(tmp_path / NAME))
        liar.listen()

        def lie() -> None:
            with liar.accept()[0] as channel:
                channel.sendall(b"{}")

        lying = asyncio.create_task(in_thread(lie, "lie"))
        with pytest.raises(ValueError, match="terminal"):
            await in_thread(lambda: ask(tmp_path), "ask")
        await lying


async def test_a_directory_that_nobody_made_is_tried_again(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    task = asyncio.create_task(StandingSocket(directory, look).run())
    assert not (await asyncio.wait([task], timeout=0.1))[0]
    directory.mkdir(mode=0o700)
    await in_thread(lambda: wait_for_answer(directory), "ask")
    task.cancel()
