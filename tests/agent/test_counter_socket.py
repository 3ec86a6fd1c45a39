"""The counter's local API on a real socket: who may, what is said, and what becomes of an identity that was lost."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent import counter_socket
from agent.backoff import Backoff
from agent.clock import SystemRandom
from agent.counter_settings import CounterConfig, counter_problems
from agent.counter_socket import CounterSocket
from agent.devices import DeviceState
from agent.handover import IdentityBox
from profiles.handover import CounterAsks, Delivered, HandOver, Identity, Undelivered

DEADLINE_S = 20.0
ABOUT = b"r" * 16
IDENTITY = Identity("city", b"\x5a" * 16, False, "social-security", "read", "advice", "A001", b"sealed")


class Counter:
    """A counter that is served, and what its lane heard."""

    def __init__(self, directory: Path, *users: str) -> None:
        self.path = directory / "counter.sock"
        self.box = IdentityBox()
        self.states: asyncio.Queue[DeviceState] = asyncio.Queue()
        self.heard: asyncio.Queue[CounterAsks | Delivered] = asyncio.Queue()
        settings = CounterConfig(socket=self.path, users=frozenset(users))
        self.socket = CounterSocket(
            "counter", settings, self.box, self.states.put_nowait, Backoff(SystemRandom()), lambda: 0
        )

    def offer(self) -> None:
        def hear(event: CounterAsks | Delivered) -> None:
            self.heard.put_nowait(event)
            if isinstance(event, CounterAsks):
                self.box.release(event.about)

        self.box.offer(HandOver(IDENTITY, 60_000, ABOUT), hear)

    async def ended(self) -> Undelivered:
        """What became of the identity that was offered."""
        while not isinstance(event := await self.heard.get(), Delivered):
            pass
        return event.why_not


@asynccontextmanager
async def counter(directory: Path, *users: str) -> AsyncIterator[Counter]:
    async with asyncio.timeout(DEADLINE_S):
        made = Counter(directory, *users)
        serving = asyncio.create_task(made.socket.run())
        assert (await made.states.get()).state == "ready"
        yield made
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        assert not made.path.exists()


async def said(reader: asyncio.StreamReader) -> dict[str, Any]:
    line = await reader.readline()
    return dict(json.loads(line)) if line else {}


async def test_the_software_takes_an_identity_once_and_confirms_it(tmp_path: Path) -> None:
    async with counter(tmp_path) as made:
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
        reader, writer = await asyncio.open_unix_connection(made.path)
        writer.write(b'{"take": 20}\n')
        made.offer()
        told = await said(reader)
        assert told == {
            "id": ABOUT.hex(),
            "identity": {
                "namespace": "city", "subject": "5a" * 16, "provisional": False, "source": "social-security",
                "assurance": "read", "matter": "advice", "ticket": "A001", "number": "c2VhbGVk",
            },
        }  # fmt: skip
        writer.write(json.dumps({"received": told["id"]}).encode() + b"\n")
        assert await made.ended() is Undelivered.NONE
        writer.write(b'{"take": 0}\n')
        assert await said(reader) == {"none": True}
        writer.close()


@pytest.mark.parametrize("answer", [b"", b'{"received": "another"}\n', b"thanks\n", b"[" * 5_000 + b"\n"])
async def test_what_is_not_confirmed_is_not_said_to_have_arrived_and_does_not_come_again(
    tmp_path: Path, answer: bytes
) -> None:
    async with counter(tmp_path) as made:
        reader, writer = await asyncio.open_unix_connection(made.path)
        writer.write(b'{"take": 20}\n')
        made.offer()
        assert "identity" in await said(reader)
        writer.write(answer)
        writer.close()
        assert await made.ended() is Undelivered.UNCONFIRMED
        reader, writer = await asyncio.open_unix_connection(made.path)
        writer.write(b'{"take": 0}\n')
        assert await said(reader) == {"none": True}
        writer.close()


async def glance(path: Path) -> dict[str, Any]:
    """What somebody is told who asks and does not wait."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"take": 0}\n')
    answer = await said(reader)
    writer.close()
    return answer


async def test_software_that_dies_while_it_waits_takes_nothing_from_the_next_one(tmp_path: Path) -> None:
    async with counter(tmp_path) as made:
        _, dying = await asyncio.open_unix_connection(made.path)
        dying.write(b'{"take": 300}\n')
        while "error" not in await glance(made.path):
            pass
        dying.close()
        while "error" in await glance(made.path):
            pass
        made.offer()
        reader, writer = await asyncio.open_unix_connection(made.path)
        writer.write(b'{"take": 20}\n')
        assert "identity" in await said(reader)
        writer.close()


async def test_another_user_is_not_heard(tmp_path: Path) -> None:
    async with counter(tmp_path, "no-such-user") as made:
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o666
        made.offer()
        reader, writer = await asyncio.open_unix_connection(made.path)
        assert (await said(reader))["error"] == "not-allowed"
        assert await reader.read() == b""
        writer.close()
        assert made.heard.empty()


async def test_a_flood_of_other_users_is_a_line_a_minute_in_the_log_with_their_number(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with counter(tmp_path, "no-such-user") as made:
            for _ in range(5):
                assert (await glance(made.path))["error"] == "not-allowed"
            assert [line["count"] for line in lines if line.get("problem")] == [1]
            made.socket._silent_until_s = 0.0
            assert (await glance(made.path))["error"] == "not-allowed"
    assert [line["count"] for line in lines if line.get("problem")] == [1, 5]


@pytest.mark.parametrize(
    "line",
    [b"\n", b"take\n", b"[]\n", b"{}\n", b'{"take": "1"}\n', b'{"take": true}\n', b'{"take": -1}\n', b'{"take": 301}\n',
     b"{" * 200 + b"\n", b"\xff\n", b"x" * 1_000],
)  # fmt: skip
async def test_what_is_no_request_is_told_so_and_takes_nothing(tmp_path: Path, line: bytes) -> None:
    async with counter(tmp_path) as made:
        made.offer()
        reader, writer = await asyncio.open_unix_connection(made.path)
        writer.write(line)
        assert (await said(reader))["error"] == "malformed"
        writer.close()
        assert made.heard.empty()


async def test_one_program_takes_at_a_time(tmp_path: Path) -> None:
    async with counter(tmp_path) as made:
        first, writer = await asyncio.open_unix_connection(made.path)
        writer.write(b'{"take": 20}\n')
        while "error" not in (answer := await glance(made.path)):
            pass
        assert answer["error"] == "busy"
        made.offer()
        assert "identity" in await said(first)
        writer.close()


async def test_a_place_where_something_else_stands_is_reported_and_tried_again(tmp_path: Path) -> None:
    made = Counter(tmp_path)
    made.path.write_text("a file", encoding="utf-8")
    serving = asyncio.create_task(made.socket.run())
    async with asyncio.timeout(DEADLINE_S):
        assert (await made.states.get()).state == "failed"
        made.path.unlink()
        while (await made.states.get()).state != "ready":
            pass
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_a_second_terminal_leaves_the_socket_of_one_that_lives_and_takes_it_when_that_ends(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        first, second = Counter(tmp_path), Counter(tmp_path)
        serving = asyncio.create_task(first.socket.run())
        assert (await first.states.get()).state == "ready"
        trying = asyncio.create_task(second.socket.run())
        refused = await second.states.get()
        assert (refused.state, refused.reason) == ("failed", "busy")
        first.offer()
        assert (await glance(first.path)).keys() == {"identity", "id"}
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        while (await second.states.get()).state != "ready":
            pass
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)


async def test_at_its_end_it_leaves_what_another_put_in_its_place(tmp_path: Path) -> None:
    async with asyncio.timeout(DEADLINE_S):
        made = Counter(tmp_path)
        serving = asyncio.create_task(made.socket.run())
        assert (await made.states.get()).state == "ready"
        made.path.rename(tmp_path / "aside")
        with socket.socket(socket.AF_UNIX) as another:
            another.bind(str(made.path))
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            assert made.path.is_socket()


async def test_a_socket_that_a_dead_terminal_left_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "counter.sock"))
    async with counter(tmp_path) as made:
        assert await glance(made.path) == {"none": True}


async def test_who_connects_and_asks_nothing_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter_socket, "SPEAK_S", 0.05)
    async with counter(tmp_path) as made:
        reader, writer = await asyncio.open_unix_connection(made.path)
        assert (await said(reader))["error"] == "malformed"
        writer.close()


class _Lane:
    def __init__(self, path: str | None) -> None:
        self.counter = None if path is None else CounterConfig(socket=Path(path))


def test_sockets_that_cannot_serve_are_found_in_the_configuration() -> None:
    lanes = {
        "a": _Lane("/run/a"),
        "b": _Lane("/run/a"),
        "c": _Lane("/" + "x" * 107),
        "d": _Lane(None),
        "e": _Lane("/run/e"),
    }
    found = {problem.path: problem.en for problem in counter_problems(lanes, {"a", "b", "c", "d"})}
    assert found.keys() == {"lanes.b.counter.socket", "lanes.c.counter.socket", "lanes.d.counter", "lanes.e.counter"}
    assert "too long" in found["lanes.c.counter.socket"]
    assert counter_problems({"a": _Lane("${nowhere}/a")}, {"a"})[0].path == "lanes.a.counter.socket"
