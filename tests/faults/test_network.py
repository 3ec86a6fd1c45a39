"""A network that breaks on the way to the platform, and a broker that forgets: platform and journal end up equal.

The terminal is a process in a network namespace of its own; what is lost is lost between it and the broker. A line that
lags, stalls or is cut by connections stands in ``test_line.py``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from offline_store.outbox import Outbox
from tests.faults import ROUNDS, SEED, SHORT_ROUNDS
from tests.faults.far_terminal import FarTerminal, command, far_terminal
from tests.faults.invariants import platform_has_it_all, resident_kb
from tests.faults.net import Network, network
from tests.faults.test_line import is_whole
from tests.tools.platform.terminals import drained, running_terminal, until
from tools.platform.service import Platform, Settings

REPEATS = max(1, ROUNDS // SHORT_ROUNDS)
PASSAGES = 400
PATIENCE_S = 60.0
LOSS = 0.3
GROWTH_KB = 20_000
"""More than this a terminal's memory never grows, however long the network is bad."""


@dataclass
class Far:
    """A terminal on the other side of a network, and the platform that it reports to."""

    network: Network
    platform: Platform
    terminal: FarTerminal
    journal: Path

    def wait_until_drained(self) -> None:
        """The platform acknowledged all, and the terminal knows."""
        with closing(Outbox.open(self.journal)) as outbox:
            self._wait(lambda: drained(outbox))

    def wait_until_noticed(self) -> None:
        """The terminal knows that its link is down."""
        self._wait(lambda: self.terminal.condition().phase != "up")

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline_s, self.terminal.condition()
            time.sleep(0.05)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    """Both at work; whatever the test did, in the end the platform has it all."""
    with (
        network() as net,
        Platform.start(tmp_path / "platform", Settings(listen=net.here, names=(net.here,))) as platform,
        (tmp_path / "terminal.log").open("w") as log,
    ):
        endpoint = platform.endpoint
        start = command(tmp_path / "terminal", tmp_path / "platform" / "keys", endpoint.host, endpoint.port)
        journal = tmp_path / "terminal" / "journal"
        with far_terminal(net.inside(*start), log) as terminal:
            terminal.condition()
            made = Far(net, platform, terminal, journal)
            made.wait_until_drained()
            yield made
        platform_has_it_all(platform.store, journal)


FAULTS: tuple[Callable[[Network], None], ...] = (
    Network.pull,
    lambda net: net.deafen("up"),
    lambda net: net.deafen("down"),
)


def test_a_network_that_is_cut_is_noticed_and_everything_follows_when_it_is_back(far: Far) -> None:
    """Cut in the middle of a drain, each time in another way; passages go on being decided meanwhile."""
    for number in range(REPEATS):
        far.terminal.decide(PASSAGES)
        FAULTS[(SEED + number) % len(FAULTS)](far.network)
        far.terminal.decide(PASSAGES)
        far.wait_until_noticed()
        far.network.mend()
        far.wait_until_drained()


def test_a_network_that_loses_a_third_of_all_packets_and_comes_and_goes_loses_and_doubles_no_record(far: Far) -> None:
    dice = random.Random(SEED)
    before_kb = resident_kb(far.terminal.process.pid)
    for _ in range(2 * REPEATS):
        far.network.lose(LOSS)
        far.terminal.decide(dice.randint(1, PASSAGES))
        if dice.random() < 0.5:
            far.network.pull()
            far.terminal.decide(dice.randint(1, PASSAGES))
            far.network.mend()
            far.network.lose(LOSS)
        far.wait_until_drained()
        far.network.mend()
    assert resident_kb(far.terminal.process.pid) - before_kb <= GROWTH_KB


def test_a_network_that_brings_every_packet_twice_doubles_no_record(far: Far) -> None:
    before = far.network.came_twice()
    far.network.double()
    for _ in range(REPEATS):
        far.terminal.decide(PASSAGES)
        far.wait_until_drained()
    assert far.network.came_twice() > before, "nothing came twice: this showed nothing"


async def test_a_broker_that_forgets_every_session_in_mid_drain_costs_a_hello(
    platform: Platform, tmp_path: Path
) -> None:
    """Killed, and its disk with its sessions wiped: subscriptions, queued answers and all."""
    broker = platform.broker
    assert broker is not None
    async with running_terminal(tmp_path, platform.authority, platform.endpoint, 0) as terminal:
        for _ in range(REPEATS):
            await until(lambda: drained(terminal.outbox))
            sent = terminal.sync.status.counters["batches"]
            connections = terminal.sync.status.counters["connections"]
            terminal.decide(4 * PASSAGES)  # more than leaves before the broker is dead
            await until(lambda sent=sent: terminal.sync.status.counters["batches"] > sent)  # type: ignore[misc]
            broker.kill()
            (tmp_path / "platform" / "broker" / "mosquitto.db").unlink(missing_ok=True)
            broker.start()
            await until(lambda before=connections: terminal.sync.status.counters["connections"] > before)  # type: ignore[misc]
        await until(lambda: drained(terminal.outbox))
        assert is_whole(platform, terminal)
