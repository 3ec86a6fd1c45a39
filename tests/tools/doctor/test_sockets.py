"""Printers, screens, scales and sockets: each is said to be there or not, whose it is, and what to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.config import load
from agent.standing_socket import NAME
from drivers.virtual.pcscd import VirtualPcscd
from tests.faults.privilege import reachable, refused
from tests.tools.doctor.parts import Ward
from tests.tools.doctor.test_beside_the_agent import an_agent_says, word
from tools.cli.presets import preset_text
from tools.doctor.devices import devices
from tools.doctor.finding import Finding, Verdict
from tools.doctor.installation import agent
from tools.doctor.patient import Patient, meet
from tools.doctor.sockets import sockets
from tools.doctor.whose import whose
from tools.owner import as_owner

SOMEBODY = 54_321
COUNTER = "counter-software"


def hall(directory: Path, **counter: Any) -> Patient:
    """A hall's desk with one counter, which does not run."""
    document = yaml.safe_load(preset_text("hall"))
    document["terminal"] |= {"state_dir": str(directory / "state")}
    (name,) = (name for name, lane in document["lanes"].items() if "counter" in lane)
    document["lanes"] = {
        "counter": document["lanes"][name] | {"counter": {"socket": str(directory / "c.sock")} | counter}
    }
    (directory / "hall.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (directory / "state").mkdir(exist_ok=True)
    return meet(load(directory / "hall.yaml"), None)


def of_the_counter(patient: Patient) -> Finding:
    return next(each for each in sockets(patient) if each.about == COUNTER)


def test_a_place_where_the_terminal_can_make_its_sockets_is_well(tmp_path: Path) -> None:
    assert [(each.about, each.verdict) for each in sockets(hall(tmp_path))] == [
        (NAME, Verdict.OK),
        (COUNTER, Verdict.OK),
    ]


@contextmanager
def listening(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        yield


def test_a_counter_whose_place_is_taken_or_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with listening(path):
        found = of_the_counter(hall(tmp_path))
        assert found.fault == "busy"
        assert whose(path).en in found.said.en
    assert of_the_counter(hall(tmp_path)).verdict is Verdict.OK  # what a dead terminal left is replaced
    path.unlink()
    path.write_text("a file", encoding="utf-8")
    assert of_the_counter(hall(tmp_path)).fault == "no-socket"
    found = of_the_counter(hall(tmp_path, socket=str(tmp_path / "none" / "c.sock")))
    assert found.fault == "no-directory"
    assert found.remedy is not None
    assert str(tmp_path / "none") in found.remedy.en


def test_a_place_that_is_another_users_is_said_to_be_whose_it_is(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        refused("a directory of another user is made")
    reachable(tmp_path, 0o755)
    patient = hall(tmp_path)
    os.chown(patient.state_dir, SOMEBODY, SOMEBODY)
    with as_owner(patient.state_dir):
        found = of_the_counter(patient)
    assert (found.fault, whose(tmp_path).en in found.said.en) == ("denied", True)
    assert whose(tmp_path).en == "it is root:root's, mode 0755"


def test_users_that_this_machine_does_not_know_are_named(tmp_path: Path) -> None:
    faults = [each.fault for each in sockets(hall(tmp_path, users=["root", "nobody-of-here"])) if each.fault]
    assert faults == ["no-such-user"]


def test_the_agents_own_word_on_a_counter_is_told_and_a_socket_that_was_removed_is_named(well: Ward) -> None:
    path = well.directory / "c.sock"
    with an_agent_says(well.state_dir, word()):
        standing = well.patient().standing
    assert standing is not None
    ready, lost = (
        standing.model_copy(update={"devices": (standing.devices[0].model_copy(update=each),)})
        for each in (
            {"name": COUNTER, "state": "ready"},
            {"name": COUNTER, "state": "failed", "reason": "denied", "detail": "Permission denied"},
        )
    )
    patient = hall(well.directory)

    def said_by(told: Any) -> Finding:
        return of_the_counter(Patient(patient.resolved, None, 1, told))

    with listening(path):
        assert said_by(ready).verdict is Verdict.OK
    path.unlink()
    assert said_by(ready).fault == "not-there"
    assert said_by(lost).fault == "denied"
    assert said_by(standing).fault == "not-reported"


@pytest.mark.parametrize("key", ["printer", "screen", "scale"])
def test_a_printer_a_screen_and_a_scale_are_tried_too(well: Ward, key: str) -> None:
    port = well.directory / "none" / "port"
    lane = well.document["lanes"]["north"]
    lane |= {"readers": ["scanner", "scale"]} if key == "scale" else {key: key}
    well.configure(devices=well.document["devices"] | {key: {"driver": key, "port": str(port)}})
    found = {each.about: each for each in devices(well.patient())}
    assert found[key].fault == "not-found"
    well.document["lanes"]["north"] = {"profile": "gate", "readers": ["scanner"], "settings": lane["settings"]}
    well.configure()
    assert {each.about: each.verdict for each in devices(well.patient())}[key] is Verdict.UNKNOWN  # no lane uses it


BUGGY = """
from drivers.scanner import SerialScanner

class Mine(SerialScanner):
    def {method}:
        raise ValueError("张三")
"""


@pytest.mark.parametrize("method", ["__init__(self, name, settings)", "open(self)", "close(self)"])
def test_a_bug_in_one_driver_leaves_the_other_devices_their_lines(
    well: Ward, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    well.install_driver(monkeypatch, "scanner", "Mine", BUGGY.format(method=method))
    found = {each.about: each for each in devices(well.patient())}
    assert (found["scanner"].check, found["scanner"].fault) == ("device", "driver-bug")
    assert "张三" not in found["scanner"].said.zh + found["scanner"].said.en
    assert found["board"].verdict is Verdict.OK


def test_a_port_that_is_closed_to_the_terminal_is_said_to_be_whose_it_is(well: Ward) -> None:
    port = well.directory / "paper.txt"
    well.document["lanes"]["north"]["printer"] = "printer"
    well.configure(devices=well.document["devices"] | {"printer": {"driver": "printer", "port": str(port)}})
    port.touch(0o640)
    if os.geteuid() != 0:
        refused("a file is closed to another user")
    reachable(port.parent)
    patient = well.patient()
    os.chown(patient.state_dir, SOMEBODY, SOMEBODY)
    with as_owner(patient.state_dir):
        found = {each.about: each for each in devices(patient)}["printer"]
    assert (found.fault, "it is root:root's, mode 0640" in found.said.en) == ("denied", True)


def test_what_is_virtual_is_said_to_be_there_while_the_terminal_runs(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = of_the_counter(hall(tmp_path, socket="${virtual}/counter-1.sock"))
    assert found.remedy is not None
    assert "onecard run" in found.remedy.en


def test_who_runs_on_virtual_devices_is_sent_to_no_unit(tmp_path: Path, pcscd: VirtualPcscd) -> None:
    patient = hall(tmp_path)
    pcscd.stop()
    try:
        found = [each for each in (*agent(patient), *devices(patient)) if each.fault]
    finally:
        pcscd.start()
    assert {"stopped", "no-service"} <= {each.fault for each in found}
    assert not [each.remedy for each in found if each.remedy is None or "systemctl" in each.remedy.en]
