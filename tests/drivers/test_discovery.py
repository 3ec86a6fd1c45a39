"""What is plugged in: PC/SC readers of a real pcscd, serial devices that answer, and ports that nobody may disturb."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.discovery import Found, Kind, Why, cameras, pcsc_readers, serial_ports
from drivers.probing import probe
from drivers.virtual.pcscd import VirtualPcscd
from drivers.virtual.pn532 import VirtualPn532
from drivers.virtual.pty import VirtualPort
from drivers.virtual.relay import VirtualRelay
from drivers.virtual.scanner import VirtualScanner


def found_at(path: Path) -> Found:
    (found,) = [each for each in serial_ports([str(path)]) if each.address == str(path)]
    return found


def test_every_reader_of_pcscd_is_listed_and_none_while_it_is_down(pcscd: VirtualPcscd) -> None:
    listed = pcsc_readers()
    assert len(listed) == 4
    assert {(each.kind, each.drivers, each.why) for each in listed} == {(Kind.PCSC, ("pcsc",), Why.LISTED)}
    assert len({each.address for each in listed}) == 4
    pcscd.stop()
    try:
        assert pcsc_readers() == []
    finally:
        pcscd.start()


def test_a_port_that_is_named_is_listed_with_all_that_may_be_behind_it(tmp_path: Path) -> None:
    port = VirtualPort(tmp_path / "port", lambda data: None)
    port.plug()
    assert found_at(port.path).drivers == ("keypad", "pn532", "relay", "scale", "scanner", "vehicles")
    port.unplug()
    assert [each for each in serial_ports([str(port.path)]) if each.address == str(port.path)] == []


def test_a_pn532_a_board_and_a_mute_device_are_told_apart(tmp_path: Path) -> None:
    reader = VirtualPn532(tmp_path / "reader")
    relay = VirtualRelay(tmp_path / "relay", {"gate": 0}, {"passage": 0})
    scanner = VirtualScanner(tmp_path / "scanner")
    for device in (reader, relay, scanner.port):
        device.plug()
    told = {name: probe(found_at(tmp_path / name)) for name in ("reader", "relay", "scanner")}
    for device in (reader, relay, scanner.port):
        device.unplug()
    assert (told["reader"].drivers, told["reader"].why) == (("pn532",), Why.ANSWERED)
    assert (told["relay"].drivers, told["relay"].why) == (("relay",), Why.ANSWERED)
    assert (told["scanner"].drivers, told["scanner"].why) == (("scanner", "keypad", "vehicles"), Why.MUTE)
    assert not relay.history


def test_a_port_that_another_process_holds_is_not_disturbed(tmp_path: Path) -> None:
    received: list[bytes] = []
    port = VirtualPort(tmp_path / "port", received.append)
    port.plug()
    with held(port.path):
        assert probe(found_at(port.path)).why is Why.HELD
    assert received == []
    port.unplug()


@contextmanager
def held(path: Path) -> Iterator[None]:
    process = subprocess.Popen(["flock", str(path), "-c", "echo held; exec cat"], stdin=-1, stdout=-1)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield
    process.communicate()


@pytest.mark.parametrize("why", [Why.CONSOLE, Why.LISTED, Why.CAPTURES])
def test_consoles_readers_and_cameras_are_never_written_to(why: Why) -> None:
    kind = Kind.SERIAL if why is Why.CONSOLE else Kind.CAMERA
    found = Found(kind, "/nowhere", "it", (), why)
    assert probe(found) == found


def test_what_is_no_camera_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "sys/video0").mkdir(parents=True)
    (tmp_path / "sys/video0/name").write_text("a file that captures nothing\n")
    (tmp_path / "video0").touch()
    assert cameras(tmp_path, tmp_path / "sys") == []
    assert cameras(tmp_path, tmp_path / "none") == []
