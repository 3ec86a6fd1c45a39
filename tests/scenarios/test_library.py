"""A self-service machine on virtual devices, and a library's system that goes away and comes back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from agent.config import load
from drivers.virtual.bench import Library, LibraryState, Plug, Scan
from offline_store.loans import latest
from tests.scenarios.site import DEADLINE_S, Site, started
from tools.cli.bench_process import running_devices
from tools.cli.presets import preset_text

CARD = "gen3-chen"
BOOKS = [f"3100000000{number:02d}" for number in range(1, 6)]


class Desk(Site):
    """One machine."""

    def log_in(self) -> None:
        self.insert(CARD)
        self.expect("decision", reason="library-welcome")
        self.expect("show", tone="ok")
        self.remove()
        self.expect("removed")

    def scan(self, item: str) -> None:
        self.devices.ask(Scan(do="scan", text=item))

    def library(self) -> LibraryState:
        state = self.devices.ask(Library()).library
        assert state is not None
        return state

    def plug(self, *, back: bool) -> None:
        self.devices.ask(Plug(do="replug" if back else "unplug", device="library"))

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline_s, what
            time.sleep(0.02)


@contextmanager
def desk(directory: Path) -> Iterator[Desk]:
    """The preset library in a directory of the test's, running and in touch with its system."""
    document = yaml.safe_load(preset_text("library"))
    document["terminal"] |= {"id": f"library-{os.getpid()}", "state_dir": str(directory / "state")}
    # A machine that stalls is not a disk, a board, a reader or a library that is lost.
    document["lanes"]["desk"] |= {"append_deadline_ms": 10_000}
    document["lanes"]["desk"]["settings"] |= {"ask_deadline_ms": 15_000}
    document["devices"]["card-field"]["ack_timeout_ms"] = 1000
    document["devices"]["board"]["timeout_ms"] = 1000
    config = directory / "library.yaml"
    config.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    with running_devices(load(config)) as devices, started(config, devices) as terminal:
        site = Desk(config, directory / "state", devices, terminal)
        in_touch(site)
        yield site


def in_touch(site: Desk) -> None:
    site.expect("ready")
    site.seen = 0
    site.expect("device", device="library", state="ready")


def test_an_outage_and_a_kill_lose_no_loan_and_the_library_is_told_of_each_once(tmp_path: Path) -> None:
    with desk(tmp_path) as site:
        site.log_in()
        site.scan(BOOKS[0])
        site.expect("loan", reason="lent")
        assert [change.output for change in site.relay().history if change.on] == ["desensitise"]

        site.plug(back=False)
        site.scan(BOOKS[1])
        site.expect("loan", reason="lent-offline")
        os.kill(site.terminal.pid, signal.SIGKILL)
        site.terminal.stop()
        with started(site.config, site.devices) as again:
            site.terminal, site.seen = again, 0
            site.expect("ready")
            site.log_in()
            site.scan(BOOKS[1])
            site.expect("outcome", reason="loan-offline-out")
            site.press("end", active=True)
            site.expect("show", en="You are logged out; thank you")
            site.scan(BOOKS[0])
            site.expect("loan", reason="returned-offline")
            site.plug(back=True)
            site.until(lambda: all(row.result for row in latest(site.state_dir, 10)), "it was never told")
            site.expect("device", device="library", state="ready")

            state = site.library()
            assert [(move.act, move.item, move.no_block) for move in state.moves] == [
                ("out", BOOKS[0], False),
                ("out", BOOKS[1], True),
                ("in", BOOKS[0], True),
            ]
            assert list(state.loans) == [BOOKS[1]]
            loans = {record.entry.id: record for record in site.records() if record.entry.kind == "loan-asked"}
            rows = latest(site.state_dir, 10)
            assert [row.result for row in rows] == ["loan-told", "loan-told"]
            for row, move in zip(rows, state.moves[1:], strict=True):
                assert loans[row.id].entry.public["item"] == move.item
                assert row.at_ms == loans[row.id].entry.time_ms
                told = time.strftime("%Y%m%d    %H%M%S", time.gmtime(row.at_ms / 1000 + 8 * 3600))
                assert move.date == told, "not the day on which it happened"
            assert site.reasons().count("loan-told") == 2

            site.scan(BOOKS[1])
            site.expect("loan", reason="returned")
            assert site.library().loans == {}
            again.stop()
