"""The written configuration, run as it is: one sync goes through it, and no certificate opens another's session."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from socket import create_connection, socket

import pytest
from click.testing import CliRunner

from agent.clock import SystemRandom
from agent.enrolment import code as enrol_code
from agent.enrolment.exchange import exchange
from agent.enrolment.journey import Journey
from agent.sync.contract import Address, Channel
from tests.faults.test_line import is_whole
from tests.tools.platform.mqtt_client import PATIENCE_S, MqttClient, context_of, wait_until
from tests.tools.platform.terminals import drained, running_terminal, until
from tools.platform.broker import Endpoint
from tools.platform.ca import Authority
from tools.platform.commands import platform as command
from tools.platform.service import Layout, Platform, Settings

NOT_AUTHORISED = 0x87
ENDS_WITHIN_S = 5.0


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    """A mosquitto that knows nothing but what the command wrote."""
    Authority.init(Layout(tmp_path / "platform").keys)
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    where = ["--dir", str(tmp_path / "platform"), "--listen", "127.0.0.1", "--port", str(port)]
    done = CliRunner().invoke(command, ["mosquitto", str(tmp_path / "broker"), *where])
    assert done.exit_code == 0, done.output
    process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(tmp_path / "broker/mosquitto.conf")])
    try:
        wait_until(lambda: _listens(port), "mosquitto did not start")
        yield Endpoint("127.0.0.1", port)
    finally:
        process.terminate()
        process.wait(ENDS_WITHIN_S)


def _listens(port: int) -> bool:
    with suppress(OSError), create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


async def test_a_journal_goes_through_it_and_the_session_is_its_owners_alone(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    with Platform.start(tmp_path / "platform", Settings(broker=str(endpoint))) as platform:
        platform.authority.provision("thief", tmp_path / "thief")
        async with running_terminal(tmp_path, platform.authority, endpoint, 50, "gate-1") as terminal:
            await until(lambda: drained(terminal.outbox))
            with MqttClient(endpoint, context_of(tmp_path / "thief"), "gate-1") as thief:
                thief.subscribe(Address("gate-1").topic(Channel.ACK))
                assert thief.publish(Address("gate-1").topic(Channel.JOURNAL), b"").value == NOT_AUTHORISED
                assert thief.publish(Address("thief").topic(Channel.ACK), b"").value == NOT_AUTHORISED
                terminal.decide(25)
                await until(lambda: drained(terminal.outbox))
                assert thief.got.empty()
            assert terminal.sync.status.counters["connections"] == 1
            assert is_whole(platform, terminal)


@pytest.mark.usefixtures("endpoint")
def test_a_box_enrols_at_the_second_one_that_was_written(endpoint: Endpoint, tmp_path: Path) -> None:
    enrol_port, inner_port = endpoint.port + 1, endpoint.port + 2
    written = tmp_path / "broker/enrolment/mosquitto.conf"
    process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(written)])
    try:
        wait_until(lambda: _listens(inner_port), "mosquitto did not start")
        brokers = Settings(broker=str(endpoint), enrol_broker=f"mqtts://127.0.0.1:{inner_port}")
        with Platform.start(tmp_path / "platform", brokers) as platform:
            where = ["--dir", str(tmp_path / "platform"), "--enrol-port", str(enrol_port)]
            made = CliRunner().invoke(command, ["enrol", "new", "gate-9", "--unconfirmed", "--json", *where])
            text = json.loads(made.output)["code"]
            journey = Journey(tmp_path / "box")
            pending = journey.begin(text, enrol_code.read(text), SystemRandom())
            granted = exchange(pending.code, pending.asked, PATIENCE_S, lambda: None)
            assert journey.open(pending, granted).terminal == "gate-9"
            assert [path.name for path in platform.authority.sealing_keys.iterdir()] == ["gate-9.pem"]
    finally:
        process.terminate()
        process.wait(ENDS_WITHIN_S)


@pytest.mark.usefixtures("endpoint")
def test_what_is_measured_and_bounded_stands_in_it(tmp_path: Path) -> None:
    text = (tmp_path / "broker/mosquitto.conf").read_text()
    for line in ("set_tcp_nodelay true", "use_username_as_clientid true", "max_queued_messages 20000"):
        assert line in text.splitlines()


@pytest.mark.usefixtures("endpoint")
def test_no_bound_stands_in_it_by_which_a_release_of_mosquitto_ends_new_connections(tmp_path: Path) -> None:
    written = [file.read_text() for file in (tmp_path / "broker").rglob("mosquitto.conf")]
    assert len(written) == 2
    assert not any("max_keepalive" in text for text in written)
