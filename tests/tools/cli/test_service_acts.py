"""Further acts under permits: at a terminal that runs, over its socket, and beside one that is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cbor2
import pytest
import yaml

from agent.bundles.check import Place
from agent.clock import RecordIds
from agent.keys import FileKeyStore, Role
from agent.lane_orders import LaneOrders
from agent.permits.socket import NAME, ServicePorts, ServiceSocket
from agent.permits.tries import MOST
from agent.sync.contract import JournalBatch
from agent.unix_peers import address_of
from offline_store.record import Record
from tests.agent.seeded import SeededRandom
from tests.agent.simulated import SimulatedClock
from tests.agent.site import Site as Lanes
from tests.tools.cli.test_permit import Site, site
from tools.cli.presets import preset_text
from tools.own_files import remove_own

__all__ = ["site"]

DEADLINE_S = 20.0


@contextmanager
def running(state: Path, pulses: list[tuple[str, list[str]]], *, enrolled: bool = True) -> Iterator[None]:
    """A terminal of one gate, its socket and its lane at work in a thread of their own."""
    (state / NAME).unlink(missing_ok=True)  # of whoever ran before
    ready, stop = threading.Event(), threading.Event()

    async def main() -> None:
        now_ms = time.time_ns() // 1_000_000
        clock = SimulatedClock(now_ms - round(asyncio.get_running_loop().time() * 1000))
        lanes = Lanes(state, clock=clock, deadline_ms=10_000)  # a machine that stalls is not a disk that hangs
        lanes.outputs.pulses = pulses
        orders = LaneOrders({"north"}, lambda _name, order: lane.offer(order))
        lanes.ports = replace(lanes.ports, obeyed=orders.obeyed)
        lane = lanes.lane()
        keys = FileKeyStore(state / "keys")
        issuers = keys.platform_keys(Role.TECHNICIAN) if enrolled else {}
        ports = ServicePorts(
            writer=lanes.writer,
            memory=lanes.ports.memory,
            marks=lanes.marks,
            clock=clock,
            signed_ms=lambda: now_ms,
            ids=RecordIds(clock, SeededRandom(2)),
            random=SeededRandom(3),
            place=Place("gate-7", "east-hall"),
            keys=state / "keys",
            issuers=lambda: issuers,
            is_revoked=lambda permit: False,
            orders=orders,
            recorded=lambda seq: None,
        )
        tasks = [asyncio.create_task(lane.run()), asyncio.create_task(ServiceSocket(state, ports).run())]
        while not stop.is_set():
            if (state / NAME).exists():
                ready.set()
            await asyncio.sleep(0.005)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        lanes.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert ready.wait(DEADLINE_S)
        yield
    finally:
        stop.set()
        thread.join(DEADLINE_S)


def guard(site: Site) -> Path:
    return site.permit("guard", "--role", "guard", "--site", "east-hall")


def test_a_guard_opens_a_lane_once_and_the_record_names_the_permit_before_it_opens(site: Site) -> None:
    permit, pulses = guard(site), list[tuple[str, list[str]]]()
    with running(site.state, pulses):
        code, said = site.onecard(
            "open", "north", "--state-dir", site.state, answer=lambda c: site.signed(permit, c, act="service-open")
        )
    assert (code, "opened once" in said) == (0, True), said
    assert [(output, before[-2:]) for output, before in pulses] == [("gate", ["service-open", "opened-by-command"])]
    act, opened = site.entries()[-2:]
    assert (act.kind, act.public["holder"], act.public["lane"]) == ("service-act", "t-17", "north")
    assert opened.refers_to == act.id
    said = site.onecard("journal", "list", "--state-dir", site.state, "--last", "1")[1]
    assert "a guard at the terminal" in said, "no command of the platform opened it alone"


def test_the_way_that_a_guard_names_stands_in_the_record_and_one_that_the_lane_has_not_stays_shut(site: Site) -> None:
    permit, pulses = guard(site), list[tuple[str, list[str]]]()

    def opened(direction: str) -> str:
        words = ("open", "north", "--direction", direction, "--state-dir", site.state)
        return site.onecard(*words, answer=lambda c: site.signed(permit, c, act="service-open"))[1]

    with running(site.state, pulses):
        assert "no opening in that direction" in opened("out")
        assert "opened once" in opened("in")
    acts = [entry.public for entry in site.entries() if entry.kind == "service-act"]
    assert [(act["lane"], act["direction"]) for act in acts] == [("north", "out"), ("north", "in")]
    assert len(pulses) == 1


def test_what_is_refused_opens_nothing_and_is_slowed_after_five_also_over_a_restart(site: Site) -> None:
    maintainer, permit, pulses = site.permit(), guard(site), list[tuple[str, list[str]]]()

    def tried(permit: Path, act: str = "service-open") -> str:
        return site.onecard(
            "open", "north", "--state-dir", site.state, answer=lambda c: site.signed(permit, c, act=act)
        )[1]

    with running(site.state, pulses):
        assert "technician's permit" in site.onecard("open", "north", "--state-dir", site.state)[1]
        assert "there is no such lane" in site.onecard("open", "south", "--state-dir", site.state)[1]
        assert "none of the permit's roles" in tried(maintainer)
        for _ in range(MOST - 1):
            assert "signed for another act" in tried(permit, "service-clock")
    with running(site.state, pulses):
        assert "refused too often" in tried(permit)
    assert [entry.reason for entry in site.entries()[-MOST:]] == ["permit-role", *["permit-other-act"] * (MOST - 1)]
    assert pulses == []


def test_a_terminal_that_knows_no_technicians_opens_and_records_it_without_a_name(site: Site) -> None:
    (site.state / "keys" / "platform-technician.pem").unlink()
    pulses: list[tuple[str, list[str]]] = []
    with running(site.state, pulses, enrolled=False):
        assert site.onecard("open", "north", "--state-dir", site.state)[0] == 0
    assert len(pulses) == 1
    assert site.entries()[-2].public == {"lane": "north"}


def test_the_socket_goes_with_whatever_else_is_the_terminals_own(site: Site) -> None:
    with running(site.state, []):
        assert (site.state / NAME).exists()
    assert (site.state / NAME).exists()
    assert NAME not in remove_own(site.state)


def test_a_terminal_that_does_not_run_opens_nothing(site: Site) -> None:
    code, said = site.onecard("open", "north", "--state-dir", site.state)
    assert (code, "does it run?" in said) == (1, True)


@pytest.mark.parametrize(
    "words", [b"", b"\n", b"[]\n", b'{"act": "explode"}\n', b"\xff" * 40_000, b"[" * 20_000 + b"\n"]
)
def test_whoever_says_nonsense_is_hung_up_on_and_the_next_one_is_heard(
    site: Site, words: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with running(site.state, []):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(DEADLINE_S)
            with address_of(site.state / NAME) as address:
                link.connect(address)
            with contextlib.suppress(OSError):
                link.sendall(words)
                link.shutdown(socket.SHUT_WR)
                assert link.recv(100) == b""
        assert "there is no such lane" in site.onecard("open", "south", "--state-dir", site.state)[1]
    assert [said.getMessage() for said in caplog.records if said.name == "asyncio"] == []


@pytest.mark.parametrize("runs", [True, False])
def test_the_journal_leaves_unsealed_only_by_permit_and_says_so_in_what_leaves(site: Site, runs: bool) -> None:
    permit, bare = site.permit("auditor", "--role", "auditor", "--terminal", "gate-7"), site.directory / "bare"
    with running(site.state, []) if runs else contextlib.nullcontext():
        exported = ("journal", "export", bare, "--plain", "--state-dir", site.state)
        assert site.onecard(*exported)[0] == 1
        assert not bare.exists()
        code, said = site.onecard(*exported, answer=lambda c: site.signed(permit, c, act="service-export"))
        assert code == 0, said
    act = next(entry for entry in site.entries() if entry.kind == "service-act")
    assert (act.reason, act.public["holder"]) == ("service-export", "t-17")
    (*_, last) = (Record.from_bytes(body) for body in JournalBatch.decode(cbor2.loads(bare.read_bytes())).records)
    assert last.entry.id == act.id


def test_another_key_of_the_platform_takes_two_people_before_anything_is_written(site: Site) -> None:
    site.device("other")
    scope = ("--role", "keyholder", "--terminal", "gate-7")
    permits = [(site.permit("first", *scope), "phone")]
    permits.append((site.permit("second", *scope, device="other", holder="t-18"), "other"))
    anchored = ("trust", "anchor", "software", site.directory / "phone.pub", "--state-dir", site.state)
    kept = site.state / "keys" / "platform-software.pem"

    def answered(count: int) -> int:
        shown = iter(permits[:count])

        def answer(challenge: str) -> str:
            permit, device = next(shown, (None, ""))
            return "" if permit is None else site.signed(permit, challenge, act="service-re-key", device=device)

        return site.onecard(*anchored, answer=answer)[0]

    assert answered(1) == 1
    assert not kept.exists()
    assert answered(2) == 0
    assert kept.exists()
    act = site.entries()[-1]
    assert (act.reason, act.public["holder"], act.public["second_holder"]) == ("service-re-key", "t-17", "t-18")


def test_a_commissioned_terminals_configuration_is_written_only_by_permit(site: Site) -> None:
    permit, file = site.permit(), site.directory / "gate.yaml"
    document = yaml.safe_load(preset_text("gate"))
    document["terminal"] |= {"id": "gate-7", "state_dir": str(site.state)}
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    before = file.read_bytes()
    written = ("devices", "write", file, "--use", "card-field=/dev/ttyUSB7", "--yes")
    assert site.onecard(*written)[0] == 1
    assert file.read_bytes() == before
    code, said = site.onecard(*written, answer=lambda c: site.signed(permit, c, act="service-configure"))
    assert code == 0, said
    assert b"/dev/ttyUSB7" in file.read_bytes()
    assert (site.entries()[-1].reason, site.entries()[-1].public["holder"]) == ("service-configure", "t-17")
