"""Set-ups that are broken on purpose, one at a time: each is named, with what follows from it and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from agent.kernel_time import KernelTime, boot_id
from agent.timekeeper import SAVED_KEY
from agent.trusted_clock import TrustedClock
from drivers.virtual.api import Use
from drivers.virtual.pcscd import VirtualPcscd
from drivers.virtual.pty import VirtualPort
from offline_store.database import DATABASE_NAME
from offline_store.journal import Append
from offline_store.lock import LOCK_NAME
from offline_store.outbox import Outbox
from tests.agent.sync.broker import Authority
from tests.faults.privilege import refused
from tests.offline_store.parts import spoil
from tests.offline_store.small_disk import fill, mounted
from tests.tools.doctor.parts import DAY_MS, NAME, YEAR, Ward, passage, ward
from tools.doctor.examine import CHECKS
from tools.doctor.finding import Verdict

DEADLINE_S = 20.0
Wrong = set[tuple[str, str]]


def test_one_that_is_well_has_nothing_to_be_mended(well: Ward) -> None:
    assert well.wrong() == set()
    checks = {each.check for each in well.findings() if each.verdict is Verdict.OK}
    assert {"device", "board", "disk", "disk.reserve", "database", "chain", "buffer", "certificate", "list"} <= checks
    assert {"route.name", "route.tcp", "route.tls", "route.mqtt", "permissions"} <= checks


# Devices


def scanner_is_absent(well: Ward) -> None:
    well.scanner.port.unplug()


def pcsc_reader_is_absent(well: Ward) -> None:
    well.configure(devices=well.document["devices"] | {"scanner": {"driver": "pcsc", "reader": "ACR122U*"}})


def fire_input_is_active(well: Ward) -> None:
    well.relay.press("fire", active=True)


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    """flock(1) holds the file, as another driver would hold its port."""
    process = subprocess.Popen(["flock", str(path), "-c", "echo held; exec cat"], stdin=-1, stdout=-1)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
    finally:
        process.communicate()


def test_a_port_that_another_process_holds(well: Ward) -> None:
    with held_by_another_process(well.scanner.port.path):
        assert well.scanner.port.use is Use.IN_USE
        assert well.wrong() == {("device", "busy")}


def test_a_board_that_is_silent(well: Ward) -> None:
    well.relay.unplug()
    mute = VirtualPort(well.relay.port.path, lambda data: None)
    mute.plug()
    well.document["devices"]["board"]["timeout_ms"] = 50
    well.configure()
    assert well.wrong() == {("board", "silent")}
    mute.unplug()


def test_a_pcsc_reader_that_is_absent(well: Ward, pcscd: VirtualPcscd) -> None:
    pcsc_reader_is_absent(well)
    assert well.wrong() == {("device", "not-found")}


def test_a_pcscd_that_is_stopped(well: Ward, pcscd: VirtualPcscd) -> None:
    pcsc_reader_is_absent(well)
    pcscd.stop()
    try:
        assert well.wrong() == {("device", "no-service")}
    finally:
        pcscd.start()


# The store


def a_key_is_open_to_others(well: Ward) -> None:
    (well.state_dir / "keys" / "checkpoint.pem").chmod(0o644)


def the_medium_key_is_gone(well: Ward) -> None:
    (well.state_dir / "keys" / "medium-1.key").unlink()


def a_configuration_that_others_may_change(well: Ward) -> None:
    well.config.chmod(0o666)


def the_database_is_damaged(well: Ward) -> None:
    path = well.state_dir / DATABASE_NAME
    content = bytearray(path.read_bytes())
    content[4096 + 200 : 5 * 4096] = b"\xa5" * (4 * 4096 - 200)
    path.write_bytes(content)


def a_record_is_altered(well: Ward) -> None:
    spoil(
        well.state_dir,
        "UPDATE record SET body = CAST(substr(body, 1, length(body) - 1)"
        " || CASE WHEN substr(body, -1) = x'00' THEN x'01' ELSE x'00' END AS BLOB) WHERE place = 7",
    )


def a_record_is_missing(well: Ward) -> None:
    spoil(well.state_dir, "DELETE FROM record WHERE place = 9")


def the_database_is_of_newer_software(well: Ward) -> None:
    spoil(well.state_dir, "PRAGMA user_version = 999")


def the_journal_is_nearly_full(well: Ward) -> None:
    well.configure(journal={"reserve_mb": 1, "size_limit_mb": 16})
    now_ms = round(time.time() * 1000)
    well.append(*(Append((passage(number, now_ms + 600 * number),)) for number in range(2000)))


def the_platform_takes_nothing(well: Ward) -> None:
    with closing(Outbox.open(well.state_dir)) as outbox:
        position = outbox.position()
    with closing(well.journal()) as journal:
        journal.acknowledge(position.chain_id, position.head_seq, position.head_hash)
    old_ms = round(time.time() * 1000) - 3 * DAY_MS
    well.append(Append((passage(1, old_ms),)))


def the_reserve_is_gone(well: Ward) -> None:
    (well.state_dir / "reserve").unlink()


def test_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk, ward(disk) as well:
        fill(disk)
        assert well.wrong() == {("disk", "full"), ("database", "unreadable")}


def test_a_disk_that_is_read_only(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk, ward(disk) as well:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        found = well.wrong()
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert found == {("disk", "read-only"), ("database", "unreadable")}


def test_a_file_of_another_user(well: Ward) -> None:
    if os.geteuid() != 0:
        refused("a file is given to another user")
    os.chown(well.state_dir / DATABASE_NAME, 65_534, -1)
    assert well.wrong() == {("permissions", "owner")}


# Time, certificates and lists


def the_clock_is_behind_what_is_known(well: Ward) -> None:
    clock = TrustedClock(lambda: KernelTime(0, 0, synchronised=False, max_error_ms=0))
    clock.signed_at(round(time.time() * 1000) + 400 * DAY_MS)
    well.append(Append(saves={SAVED_KEY: clock.saved(boot_id())}))


def the_certificate_has_ended(well: Ward) -> None:
    well.enrol(well.authority.issue(NAME, life=-timedelta(hours=1)))


def the_certificate_ends_soon(well: Ward) -> None:
    well.enrol(well.authority.issue(NAME, life=timedelta(days=9)))


def the_certificate_is_another_terminals(well: Ward) -> None:
    well.enrol(well.authority.issue("gate-8", life=YEAR))


def the_certificate_is_gone(well: Ward) -> None:
    (well.state_dir / "keys" / "tls.pem").unlink()


def the_list_is_stale(well: Ward) -> None:
    now_ms = round(time.time() * 1000)
    well.install_list(issued_ms=now_ms - 40 * DAY_MS, expires_ms=now_ms - 10 * DAY_MS)


def the_list_is_damaged(well: Ward) -> None:
    (well.state_dir / "bundles" / "trust.1").write_bytes(b"other")


# The way to the platform


def strangers(well: Ward) -> Authority:
    directory = well.directory / "strangers"
    directory.mkdir()
    return Authority(directory, life=YEAR)


def the_broker_is_of_an_unknown_authority(well: Ward) -> None:
    (well.state_dir / "keys" / "ca.pem").write_bytes((strangers(well).directory / "ca.pem").read_bytes())


def the_broker_has_another_name(well: Ward) -> None:
    well.authority.issue("server", address="127.0.0.9", life=YEAR)
    well.broker.stop()
    well.broker.start()


def the_broker_does_not_know_who_issued_the_certificate(well: Ward) -> None:
    well.enrol(strangers(well).issue(NAME, life=YEAR))


def the_broker_refuses_the_log_in(well: Ward) -> None:
    well.broker.rules = "clientid_prefixes other-\n"
    well.broker.stop()
    well.broker.start()


def the_broker_is_down(well: Ward) -> None:
    well.broker.stop()


def the_broker_has_no_name(well: Ward) -> None:
    well.configure(platform={"host": "broker.invalid"})


def test_a_broker_that_takes_the_connection_and_says_nothing(well: Ward) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        well.configure(platform={"host": "127.0.0.1", "port": mute.getsockname()[1], "connect_timeout_s": 1})
        assert well.wrong() == {("route.tls", "silent")}


def test_a_second_broker_that_works_is_tried_after_the_first(well: Ward) -> None:
    port = well.broker.port
    well.configure(platform={"host": "127.0.0.1", "port": 1, "fallbacks": [{"host": "127.0.0.1", "port": port}]})
    route = [each for each in well.findings() if each.check.startswith("route.")]
    found = [(each.check, each.about, each.verdict) for each in route]
    assert ("route.tcp", "127.0.0.1:1", Verdict.FAIL) in found
    assert ("route.mqtt", f"127.0.0.1:{port}", Verdict.OK) in found
    for each in route:  # the check is named before its sentence, which need not do it again
        names = CHECKS[each.check]
        assert each.said.en.split(":")[0] not in names.en
        assert each.said.zh.split("：")[0] not in names.zh


BROKEN: list[tuple[Callable[[Ward], None], Wrong]] = [
    (scanner_is_absent, {("device", "not-found")}),
    (fire_input_is_active, {("board", "fire-active")}),
    (a_key_is_open_to_others, {("permissions", "open")}),
    (the_medium_key_is_gone, {("keys", "no-medium-key")}),
    (a_configuration_that_others_may_change, {("permissions", "writable")}),
    (the_database_is_damaged, {("database", "damaged")}),
    (a_record_is_altered, {("chain", "altered")}),
    (a_record_is_missing, {("chain", "missing")}),
    (the_database_is_of_newer_software, {("database", "newer-schema")}),
    (the_journal_is_nearly_full, {("buffer", "nearly-full")}),
    (the_platform_takes_nothing, {("buffer.waiting", "not-draining")}),
    (the_reserve_is_gone, {("disk.reserve", "missing")}),
    (the_clock_is_behind_what_is_known, {("clock.trust", "before-floor")}),
    (the_certificate_has_ended, {("certificate", "expired"), ("route.tls", "refused")}),
    (the_certificate_ends_soon, {("certificate", "ends-soon")}),
    (the_certificate_is_another_terminals, {("certificate", "other-terminal"), ("route.tls", "no-credentials")}),
    (the_certificate_is_gone, {("certificate", "not-usable"), ("route.tls", "no-credentials")}),
    (the_list_is_stale, {("list", "expired")}),
    (the_list_is_damaged, {("list", "damaged")}),
    (the_broker_is_of_an_unknown_authority, {("route.tls", "untrusted")}),
    (the_broker_has_another_name, {("route.tls", "wrong-name")}),
    (the_broker_does_not_know_who_issued_the_certificate, {("route.tls", "refused")}),
    (the_broker_refuses_the_log_in, {("route.mqtt", "refused")}),
    (the_broker_is_down, {("route.tcp", "unreachable")}),
    (the_broker_has_no_name, {("route.name", "no-name")}),
]


@pytest.mark.parametrize(("spoiled", "wrong"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_broken_is_named(well: Ward, spoiled: Callable[[Ward], None], wrong: Wrong) -> None:
    spoiled(well)
    assert well.wrong() == wrong


# The agent


def test_an_agent_that_holds_the_store_and_does_not_answer(well: Ward) -> None:
    with held_by_another_process(well.state_dir / LOCK_NAME):
        patient = well.patient()
        assert patient.runs
        assert well.wrong() == {("agent", "no-answer")}
        assert not any(each.check in {"device", "board"} for each in well.findings())  # it holds them
