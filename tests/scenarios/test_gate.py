"""A gate as its users have it: what they do, what opens, what is recorded."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest

from drivers.virtual.bench import Plug
from drivers.virtual.cards.cardfile import read_card_file
from offline_store.database import DATABASE_NAME
from tests.scenarios.site import Site, gate, started, taken_by_another


def pass_through(site: Site, card: str = "gen3-chen", reader: str = "pn532") -> None:
    site.insert(card, reader)
    site.expect("decision", reason="granted")
    site.press("passage", active=True)
    site.expect("outcome", reason="passed")
    site.press("passage", active=False)
    site.remove(reader)
    site.expect("removed")


def test_cards_over_pcsc_and_serial_open_the_gate_and_every_step_is_recorded(tmp_path: Path) -> None:
    with gate(tmp_path, open_pulse_ms=50) as site:
        pass_through(site, "gen2-li", "pcsc-0")
        site.expect_relay("gate", on=False)
        pass_through(site, "gen3-chen", "pn532")
        site.insert("gen2-wang", "pcsc-0", tear_after=3)
        site.expect("decision", reason="card-removed")
        assert [change.on for change in site.relay().history if change.on] == [True, True]
        assert site.reasons() == ["granted", "passed", "granted", "passed", "card-removed"]
        assert [record.seq for record in site.records()] == list(range(1, 9))


def test_no_personal_data_is_in_the_log_or_in_the_journal(tmp_path: Path) -> None:
    with gate(tmp_path) as site:
        pass_through(site, "gen2-li", "pcsc-0")
        site.insert("gen2-wang", "pcsc-0", garbage=7)
        site.expect("decision")
        assert site.terminal.stop() == 0
        log = json.dumps(site.terminal.lines, ensure_ascii=False)
        database = b"".join(path.read_bytes() for path in site.state_dir.glob(f"{DATABASE_NAME}*"))
    (application,) = read_card_file("gen2-li").model_dump(mode="json")["applications"]
    secrets = [str(application[key]) for key in ("identifier", "card_number", "id_number", "name")]
    assert all(secrets)
    for secret in secrets:
        assert secret not in log
        assert secret.lower() not in log
        assert secret.encode() not in database
    assert bytes.fromhex(secrets[0]) not in database


def test_a_terminal_ends_cleanly_on_sigterm_and_goes_on_where_it_was(tmp_path: Path) -> None:
    with gate(tmp_path) as site:
        pass_through(site)
        assert site.terminal.stop() == 0
        before = site.records()
        with started(site.config, site.devices) as again:
            site.terminal, site.seen = again, 0
            site.expect("ready")
            pass_through(site, "gen2-li", "pcsc-0")
        after = site.records()
        assert after[: len(before)] == before
        assert site.reasons()[-2:] == ["granted", "passed"]


def test_a_terminal_killed_in_mid_crossing_does_not_open_again_and_says_so(tmp_path: Path) -> None:
    with gate(tmp_path) as site:
        site.insert("gen3-chen")
        site.expect("decision", reason="granted")
        os.kill(site.terminal.pid, signal.SIGKILL)
        site.terminal.stop()
        site.remove()
        opened = sum(change.on for change in site.relay().history)
        with started(site.config, site.devices) as again:
            site.terminal, site.seen = again, 0
            site.expect("outcome", reason="outcome-unknown")
        assert site.reasons() == ["granted", "outcome-unknown"]
        assert sum(change.on for change in site.relay().history) == opened


def test_a_second_agent_on_one_store_is_refused_with_the_first_ones_process_id(tmp_path: Path) -> None:
    with gate(tmp_path) as site, started(site.config, site.devices) as second:
        second.wait_for(lambda line: False, 20)
        said = " ".join(str(line["event"]) for line in second.lines)
        assert str(site.terminal.pid) in said
        assert "Traceback" not in said
        pass_through(site)


@pytest.mark.parametrize("device", ["pcscd", "pn532", "relay"])
def test_a_device_pulled_out_is_a_visible_state_and_works_again_when_it_is_back(tmp_path: Path, device: str) -> None:
    name, reader = {"pcscd": ("card-slot", "pcsc-0"), "pn532": ("card-field", "pn532"), "relay": ("board", "pn532")}[
        device
    ]
    with gate(tmp_path) as site:
        site.devices.ask(Plug(do="unplug", device=device))
        site.expect("device", device=name, state="failed")
        site.devices.ask(Plug(do="replug", device=device))
        site.expect("device", device=name, state="ready")
        pass_through(site, reader=reader)


def test_a_gate_that_does_not_move_is_said_and_recorded(tmp_path: Path) -> None:
    with gate(tmp_path) as site:
        site.devices.ask(Plug(do="unplug", device="relay"))
        site.expect("device", device="board", state="failed")
        site.insert("gen3-chen")
        site.expect("decision", reason="granted")
        site.expect("outcome", reason="actuator-failed")


def test_fire_opens_with_the_database_locked_and_the_lane_full_and_is_recorded_afterwards(tmp_path: Path) -> None:
    with gate(tmp_path, passage_input=None, double_tap_ms=0) as site:
        blocker = sqlite3.connect(site.state_dir / DATABASE_NAME, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        for _ in range(6):
            site.insert("gen3-chen")
            site.insert("gen3-transit")
        site.expect("show", tone="no")
        assert not any(change.on for change in site.relay().history)
        site.press("fire", active=True)
        site.expect_relay("gate", on=True)
        site.press("fire", active=False)
        blocker.execute("ROLLBACK")
        blocker.close()
        site.expect("life-safety", reason="fire")
        assert site.relay().outputs["gate"]
        site.press("fire-reset", active=True)
        site.expect("life-safety", reason="fire-cleared")
        site.expect_relay("gate", on=False)


def test_fire_opens_although_the_journal_cannot_be_opened_and_is_recorded_when_it_can(tmp_path: Path) -> None:
    with gate(tmp_path) as site:
        assert site.terminal.stop() == 0
        with ExitStack() as taken:
            taken.enter_context(taken_by_another(site.state_dir / DATABASE_NAME))
            with started(site.config, site.devices) as again:
                site.terminal, site.seen = again, 0
                site.expect("journal cannot be opened")
                site.seen = 0  # the board may have been the first
                site.expect("device", device="board", state="ready")
                site.press("fire", active=True)
                site.expect_relay("gate", on=True)
                taken.close()
                site.expect("life-safety", reason="fire")
        assert site.reasons()[-1] == "fire"


def test_a_damaged_journal_is_kept_and_the_gate_serves_on(tmp_path: Path) -> None:
    with gate(tmp_path, double_tap_ms=0) as site:
        pass_through(site)
        assert site.terminal.stop() == 0
        database = site.state_dir / DATABASE_NAME
        database.write_bytes(b"not a database" * 1_000)
        with started(site.config, site.devices) as again:
            site.terminal, site.seen = again, 0
            site.expect("journal rescued")
            site.expect("alarm", reason="journal-rescued")
            site.expect("ready")
            pass_through(site)
            assert again.stop() == 0
        assert (site.state_dir / "damaged-1" / DATABASE_NAME).read_bytes().startswith(b"not a database")
        assert [record.entry.kind for record in site.records()][:2] == ["genesis", "damage"]
