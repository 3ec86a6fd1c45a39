"""What Prometheus is told, over real HTTP, read by its own library."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import socket
import threading
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from agent import exposition_server
from agent.exposition import MetricsConfig
from agent.exposition_server import Exposition
from agent.standing import BufferNow, BundleNow, ClockNow, DeviceNow, Recorded, Standing
from agent.sync.link import LinkPhase
from agent.sync.metrics import LinkMetrics, Traffic
from agent.sync.uplink import Phase
from tests.house import ROOT

RULES = yaml.safe_load((ROOT / "packaging" / "prometheus-alerts.yaml").read_text())
LINK = LinkMetrics(
    at_ms=1,
    phase=LinkPhase.UP,
    uplink=Phase.IDLE,
    broker=1,
    host="broker.city.example",
    protocol="5",
    fault=None,
    attempts=0,
    connections=3,
    ended={"refused": 2},
    up=Traffic(messages=4, bytes=400),
    down=Traffic(messages=5, bytes=500),
    batches=6,
    records=700,
    sent_again=8,
    batch_bytes=9_000,
    hellos=10,
    acknowledgements=11,
    overdue=12,
    late=13,
    repeated=14,
    refused={"stale": 15},
    round_trip_ms=16,
    alarms_waiting=0,
    refused_by_broker=17,
    unheard=18,
    unsent=19,
    dropped=20,
    unacknowledged=21,
    questions={"answered": 22},
    downloads={"installed": 23},
)
NOW = Standing(
    terminal="gate-001",
    pid=1,
    software="onecard-terminal/0",
    configuration="00ff",
    in_service=True,
    clock=ClockNow(now_ms=1_700_000_000_000, state="synchronised", uncertainty_ms=1_500),
    devices=(DeviceNow(name="board", state="ready"), DeviceNow(name="scanner", state="failed")),
    buffer=BufferNow(size_bytes=4_096, hours_left=5, unrecorded=2),
    bundles=(
        BundleNow(name="keys", version=3, freshness="fresh", age_ms=60_000),
        BundleNow(name="status-1", version=1, freshness=None, age_ms=None),
    ),
    certificate_ends_ms=1_790_000_000_000,
    link=LINK,
    recorded=(Recorded(lane="north-in", kind="decision", reason="granted", times=41),),
)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def figures_of(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Asked:
    """An exposition that runs while a function in a thread asks it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.now = NOW

    async def by(self, asking: Any) -> Any:
        exposition = Exposition(MetricsConfig(port=self.port), lambda: self.now)
        running = asyncio.create_task(exposition.run())
        try:
            return await asyncio.to_thread(asking)
        finally:
            running.cancel()
            (ended,) = await asyncio.gather(running, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError)  # and it had the port

    def get(self, path: str = "/metrics") -> str:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text


async def until_it_listens(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with socket.socket() as trying:
                if trying.connect_ex(("127.0.0.1", port)) == 0:
                    return
            await asyncio.sleep(0.01)


def ask_when_ready(asked: Asked) -> str:
    asyncio.run(until_it_listens(asked.port))
    return asked.get()


async def test_every_figure_is_what_the_terminal_says_of_itself() -> None:
    asked = Asked()
    figures = figures_of(await asked.by(lambda: ask_when_ready(asked)))
    for name, labels, value in (
        ("onecard_in_service", (), 1),
        ("onecard_clock_uncertainty_seconds", (), 1.5),
        ("onecard_clock_state", ("synchronised",), 1),
        ("onecard_device_ready", ("board",), 1),
        ("onecard_device_ready", ("scanner",), 0),
        ("onecard_journal_size_bytes", (), 4_096),
        ("onecard_journal_left_seconds", (), 18_000),
        ("onecard_openings_unrecorded", (), 2),
        ("onecard_bundle_age_seconds", ("keys", "fresh"), 60),
        ("onecard_bundles_damaged", (), 1),
        ("onecard_certificate_ends_timestamp_seconds", (), 1_790_000_000),
        ("onecard_records_total", ("decision", "north-in", "granted"), 41),
        ("onecard_link_up", (), 1),
        ("onecard_link_records_total", (), 700),
        ("onecard_link_sent_bytes_total", (), 400),
        ("onecard_link_answers_refused_total", ("stale",), 15),
        ("onecard_link_ended_total", ("refused",), 2),
        ("onecard_outbox_records", (), 21),
        ("onecard_questions_total", ("answered",), 22),
        ("onecard_downloads_total", ("installed",), 23),
    ):
        assert figures[name, labels] == value, name


async def test_each_answer_is_of_its_moment_and_a_terminal_without_a_platform_has_no_link() -> None:
    asked = Asked()

    def twice() -> tuple[str, str]:
        first = ask_when_ready(asked)
        asked.now = NOW.model_copy(update={"in_service": False, "link": None})
        return first, asked.get()

    first, second = await asked.by(twice)
    assert "onecard_in_service 1.0" in first
    assert "onecard_in_service 0.0" in second
    assert "onecard_link" not in second


async def test_who_connects_and_says_nothing_keeps_nobody_from_asking() -> None:
    asked = Asked()

    def beside_a_silent_one() -> str:
        asyncio.run(until_it_listens(asked.port))
        with socket.create_connection(("127.0.0.1", asked.port)) as silent:
            silent.sendall(b"GET /metr")
            return asked.get()

    assert "onecard_in_service" in await asked.by(beside_a_silent_one)


async def test_who_sends_a_byte_now_and_then_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition_server, "REQUEST_S", 0.5)
    asked = Asked()
    over = threading.Event()

    def drip(dripping: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not over.wait(0.05):
                dripping.sendall(b"a")

    def beside_a_dripping_one() -> str:
        asyncio.run(until_it_listens(asked.port))
        with socket.create_connection(("127.0.0.1", asked.port)) as dripping:
            dripping.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            dripper = threading.Thread(target=drip, args=(dripping,))
            dripper.start()
            try:
                told = asked.get()
                dripper.join(10)
                assert not dripper.is_alive(), "it is sent away"
                return told
            finally:
                over.set()
                dripper.join()

    assert "onecard_in_service" in await asked.by(beside_a_dripping_one)


@pytest.mark.parametrize("head", [b"X: y\r\n" * 2_000, b"X: " + b"y" * 9_000 + b"\r\n"])
async def test_a_request_of_more_than_a_few_kilobytes_is_not_kept(head: bytes) -> None:
    asked = Asked()

    def beside_a_large_one() -> str:
        asyncio.run(until_it_listens(asked.port))
        with socket.create_connection(("127.0.0.1", asked.port), timeout=10) as large, contextlib.suppress(OSError):
            large.sendall(b"GET /metrics HTTP/1.0\r\n" + head + b"\r\n")
            assert large.recv(1) == b"", "an answer"
        return asked.get()

    assert "onecard_in_service" in await asked.by(beside_a_large_one)


async def test_many_who_say_nothing_keep_nobody_from_asking_and_the_oldest_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exposition_server, "REQUEST_S", 60)
    monkeypatch.setattr(exposition_server._Quiet, "timeout", 60)
    monkeypatch.setattr(exposition_server, "MAX_OPEN", 3)
    asked = Asked()

    def beside_many() -> str:
        asyncio.run(until_it_listens(asked.port))
        with contextlib.ExitStack() as stack:
            many = [
                stack.enter_context(socket.create_connection(("127.0.0.1", asked.port), timeout=10)) for _ in range(5)
            ]
            told = asked.get()
            assert many[0].recv(1) == b""
            return told

    assert "onecard_in_service" in await asked.by(beside_many)


async def test_nobody_is_asked_for_the_name_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*_: object) -> str:
        raise AssertionError("DNS was asked on the event loop")

    monkeypatch.setattr(socket, "getfqdn", dead)
    asked = Asked()
    assert "onecard_in_service" in await asked.by(lambda: ask_when_ready(asked))


async def test_it_ends_with_the_terminal_and_leaves_the_port() -> None:
    asked = Asked()
    await asked.by(lambda: ask_when_ready(asked))
    with socket.socket() as trying:
        assert trying.connect_ex(("127.0.0.1", asked.port)) == errno.ECONNREFUSED
    await asked.by(lambda: ask_when_ready(asked))


async def test_nothing_else_can_be_changed_or_read_there() -> None:
    asked = Asked()

    def post() -> int:
        asyncio.run(until_it_listens(asked.port))
        try:
            urlopen(f"http://127.0.0.1:{asked.port}/metrics", data=b"x=1", timeout=10)
        except HTTPError as error:
            return error.code
        return 0

    assert await asked.by(post) == 405


@pytest.mark.parametrize("wrong", [{"port": 0}, {"port": 70_000}, {"address": "anywhere"}, {"path": "/x"}])
def test_a_setting_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MetricsConfig.model_validate(wrong)


async def test_every_alert_asks_for_a_figure_that_there_is() -> None:
    asked = Asked()
    told = {name for name, _ in figures_of(await asked.by(lambda: ask_when_ready(asked)))}
    rules = RULES["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        (name,) = re.findall(r"onecard_[a-z_]+", rule["expr"])
        assert name in told, rule["alert"]
        assert re.search("[一-鿿]", rule["annotations"]["summary"])
