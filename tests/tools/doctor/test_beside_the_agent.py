"""The doctor beside a running terminal: it is told how devices are, and touches none that the agent holds."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.buffer import BufferState
from agent.clock import SystemClock
from agent.devices import DeviceState
from agent.standing import Standing, standing
from agent.standing_socket import StandingSocket
from agent.sync.link import LinkPhase, LinkStatus
from agent.sync.metrics import link_metrics
from agent.sync.service import SyncStatus
from agent.sync.uplink import Phase
from drivers.virtual.bench import Plug
from offline_store.journal import Append
from offline_store.outbox import Outbox
from offline_store.record import Record
from tests.agent.test_standing_socket import wait_for_answer
from tests.scenarios.site import Site, gate
from tests.tools.doctor.parts import NAME, Ward, passage
from tools.doctor.finding import Verdict
from tools.doctor.journal import buffer
from tools.doctor.relay import press


def doctor(site: Site, *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    wait_for_answer(site.state_dir)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent", "doctor", "--config", str(site.config), "--json", *arguments],
        env=os.environ | site.devices.environment | {"ONECARD_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return {(each["check"], each["about"]): each for each in json.loads(done.stdout)["findings"]}


def test_a_running_gate_is_examined_and_goes_on_serving(tmp_path: Path) -> None:
    with gate(tmp_path) as site:
        found = doctor(site, "--click", "--yes")
        for device in ("card-slot", "card-field", "scanner"):
            assert found["device", device]["verdict"] == "ok"
        assert found["board", "board"]["verdict"] == "ok"
        assert found["agent", ""]["verdict"] == "ok"
        assert found["chain", ""]["verdict"] == found["database", ""]["verdict"] == "ok"
        assert found["disk.reserve", ""]["verdict"] == "ok"
        assert found["relay", "board.gate"]["verdict"] == "unknown"  # the agent holds it
        assert not site.relay().history
        site.insert("gen3-chen")
        site.expect("decision", reason="granted")


def test_a_device_that_the_agent_has_lost_is_named_as_the_agent_says(tmp_path: Path) -> None:
    with gate(tmp_path) as site:
        site.devices.ask(Plug(do="unplug", device="pn532"))
        site.expect("device", device="card-field", state="failed")
        found = doctor(site)
        assert found["device", "card-field"]["fault"] in {"unplugged", "not-found"}
        assert found["device", "scanner"]["verdict"] == "ok"


@contextmanager
def an_agent_says(state_dir: Path, told: Standing) -> Iterator[None]:
    """The agent's own socket, with another agent's word."""
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        await StandingSocket(state_dir, lambda: told).run()

    task = loop.create_task(serve())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()
    try:
        wait_for_answer(state_dir)
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def word(**changes: object) -> Standing:
    devices = [DeviceState("scanner", "ready"), DeviceState("board", "ready")]
    said = standing(NAME, "00" * 8, SystemClock().moment(), devices, BufferState(4096, 100), 0, [], None, {})
    return said.model_copy(update=changes)


def test_an_agent_of_before_the_upgrade_is_named(well: Ward) -> None:
    with an_agent_says(well.state_dir, word(software="onecard-terminal/0.0.1")):
        assert well.wrong() == {("versions", "old-agent")}


def test_an_agent_that_serves_nobody_is_named(well: Ward) -> None:
    with an_agent_says(well.state_dir, word(in_service=False)):
        assert well.wrong() == {("agent", "out-of-service")}


def test_a_device_that_the_agent_does_not_speak_of_is_named(well: Ward) -> None:
    with an_agent_says(well.state_dir, word(devices=())):
        assert well.wrong() == {("device", "not-reported"), ("board", "not-reported")}


def test_another_terminal_in_this_directory_is_named(well: Ward) -> None:
    with an_agent_says(well.state_dir, word(terminal="gate-8")):
        assert well.wrong() == {("config", "other-terminal")}


def test_the_hours_left_are_the_agents_own(well: Ward) -> None:
    told = word()
    with an_agent_says(
        well.state_dir, told.model_copy(update={"buffer": told.buffer.model_copy(update={"hours_left": 30})})
    ):
        assert well.wrong() == {("buffer", "filling")}


def test_room_is_said_in_units_that_somebody_can_use(well: Ward) -> None:
    told = word(link=None)
    told = told.model_copy(update={"buffer": told.buffer.model_copy(update={"hours_left": 222_836})})
    with an_agent_says(well.state_dir, told):
        room, waiting = buffer(well.patient())
    assert re.fullmatch(
        r"the journal is \d+ kB, <1% of its limit; until money stops at today's rate: more than a year", room.said.en
    )
    assert room.said.zh.endswith("一年以上")
    assert waiting.said.en.startswith("21 records wait for the platform")


def test_one_is_told_in_the_singular(well: Ward) -> None:
    with closing(well.journal()) as journal:
        head = journal.head
        journal.acknowledge(head.chain_id, head.seq, head.hash)
        journal.append([Append((passage(99),))])
    _, waiting = buffer(well.patient())
    assert waiting.said.en.startswith("1 record waits for the platform")


def test_an_output_is_tried_once_the_journal_has_it(well: Ward) -> None:
    found = press(well.patient(), "board", "gate")
    assert found.verdict is Verdict.OK
    assert [change.on for change in well.relay.history] == [True, False]
    with closing(Outbox.open(well.state_dir)) as outbox:
        last = Record.from_bytes(outbox.batch(outbox.position().head_seq - 1, 1, 1)[0]).entry
    assert (last.kind, last.reason, last.public["output"]) == ("service", "output-tested", "gate")


def test_a_platform_that_only_the_running_agent_knows_of_is_told_of(well: Ward) -> None:
    well.document.pop("platform")
    well.configure()
    link = LinkStatus(LinkPhase.UP, "5", None, broker=0)
    now = link_metrics(SyncStatus(link, Phase.IDLE, {}, 1, 0), "localhost", 0, 0, {}, {})
    with an_agent_says(well.state_dir, word(link=now)):
        found = {each.check: each for each in well.findings()}
    assert (found["route.mqtt"].verdict, found["route.mqtt"].about) == (Verdict.OK, "localhost")
    assert "buffer.waiting" in found
    assert "route" not in found


BUGGY = """
from drivers.relay import ModbusRelay

class Mine(ModbusRelay):
    def pulse(self, output, pulse_ms):
        raise KeyError("张三")
"""


def test_a_bug_in_the_boards_driver_is_a_line_of_its_output(well: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    well.install_driver(monkeypatch, "board", "Mine", BUGGY)
    found = press(well.patient(), "board", "gate")
    assert (found.about, found.fault) == ("board.gate", "driver-bug")
    assert "张三" not in found.said.zh + found.said.en


def test_an_output_is_not_tried_where_it_cannot_be_recorded(well: Ward) -> None:
    journal = well.journal()  # as an agent that started meanwhile
    patient = well.patient()
    assert press(patient, "board", "gate").verdict is Verdict.UNKNOWN
    journal.close()
    assert not well.relay.history
