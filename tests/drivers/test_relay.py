"""The Modbus relay board: pulses, inputs, losses, against a virtual board on a pseudo-terminal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.api import Actuator, InputReading, ReaderError, ReaderFault, Source
from drivers.board import QUEUE_MAX
from drivers.modbus import silence_ns
from drivers.relay import ModbusLink, ModbusRelay, RelaySettings
from drivers.virtual.pty import VirtualPort
from drivers.virtual.relay import FLASH_ADDRESS, VirtualRelay

WAIT_S = 20.0
OUTPUTS = {"gate": 0, "bell": 3}
INPUTS = {"passage": 2, "button": 5}
FIRE = {"inputs": ["passage"], "outputs": ["gate"], "reset_input": "button", "latch_file": "/tmp/latch"}


@pytest.fixture
def device(tmp_path: Path) -> Iterator[VirtualRelay]:
    board = VirtualRelay(tmp_path / "relay", OUTPUTS, INPUTS)
    board.plug()
    yield board
    board.unplug()


@pytest.fixture
def relay(device: VirtualRelay) -> Iterator[ModbusRelay]:
    driver = ModbusRelay("relay", settings(device))
    driver.open()
    yield driver
    driver.close()


def settings(device: VirtualRelay, **changes: object) -> RelaySettings:
    values: dict[str, object] = {
        "port": str(device.port.path),
        "baud": 115_200,
        "outputs": OUTPUTS,
        "inputs": INPUTS,
        "timeout_ms": 1000,
        "retries": 0,
    }
    return RelaySettings.model_validate(values | changes)


def next_change(relay: ModbusRelay) -> tuple[str, bool]:
    reading = relay.read(WAIT_S)
    assert isinstance(reading, InputReading)
    assert reading.reader == "relay"
    return reading.input, reading.active


def test_it_is_a_source_and_an_actuator(device: VirtualRelay) -> None:
    relay = ModbusRelay("relay", settings(device))
    assert isinstance(relay, Source)
    assert isinstance(relay, Actuator)


def test_a_pulse_switches_on_and_off_again_in_time(device: VirtualRelay, relay: ModbusRelay) -> None:
    before_ns = time.monotonic_ns()
    confirmed_ns = relay.pulse("gate", 60).result(WAIT_S).confirmed_ns
    assert device.wait("gate", on=False, timeout_s=WAIT_S)
    on, off = device.history
    assert (on.output, on.on, off.output, off.on) == ("gate", True, "gate", False)
    assert before_ns < on.at_ns < confirmed_ns
    assert off.at_ns >= confirmed_ns + 60_000_000


def test_a_second_pulse_prolongs_the_first_and_never_shortens_it(device: VirtualRelay, relay: ModbusRelay) -> None:
    first, second = relay.pulse("gate", 300), relay.pulse("gate", 1)
    first_ns = first.result(WAIT_S).confirmed_ns
    second.result(WAIT_S)
    assert device.wait("gate", on=False, timeout_s=WAIT_S)
    assert [change.on for change in device.history] == [True, False]
    assert device.history[-1].at_ns >= first_ns + 300_000_000


def test_pulses_from_many_threads_are_all_confirmed(device: VirtualRelay, relay: ModbusRelay) -> None:
    confirmed: list[int] = []
    threads = [
        threading.Thread(
            target=lambda output=output: confirmed.append(relay.pulse(output, 20).result(WAIT_S).confirmed_ns)
        )
        for output in ("gate", "bell") * 8
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert len(confirmed) == 16
    assert device.wait("gate", on=False, timeout_s=WAIT_S)
    assert device.wait("bell", on=False, timeout_s=WAIT_S)


def test_an_output_without_a_name_is_a_key_error(relay: ModbusRelay) -> None:
    with pytest.raises(KeyError):
        relay.pulse("roof", 100).result(WAIT_S)


def test_input_changes_are_reported_once_each(device: VirtualRelay, relay: ModbusRelay) -> None:
    device.press("passage", active=True)
    assert next_change(relay) == ("passage", True)
    device.press("button", active=True)
    assert next_change(relay) == ("button", True)
    device.press("passage", active=False)
    assert next_change(relay) == ("passage", False)
    assert relay.read(0.05) is None


def test_what_is_active_when_the_board_opens_is_reported(device: VirtualRelay) -> None:
    device.press("button", active=True)
    relay = ModbusRelay("relay", settings(device))
    relay.open()
    assert next_change(relay) == ("button", True)
    relay.close()


def test_an_active_low_input_is_active_when_open(device: VirtualRelay) -> None:
    relay = ModbusRelay("relay", settings(device, inputs={"passage": {"address": 2, "active_low": True}}))
    relay.open()
    assert next_change(relay) == ("passage", True)
    device.press("passage", active=True)
    assert next_change(relay) == ("passage", False)
    relay.close()


def test_unread_changes_are_bounded_and_the_newest_state_of_each_input_wins(
    device: VirtualRelay,
) -> None:
    relay = ModbusRelay("relay", settings(device, poll_ms=5))
    relay.open()
    device.press("button", active=True)
    passage = False
    while relay.status().readings_dropped < 3:
        passage = not passage
        device.press("passage", active=passage)
        deadline = time.monotonic() + WAIT_S
        while ("passage" in relay.status().active_inputs) is not passage:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    got = []
    while (reading := relay.read(0)) is not None:
        got.append((reading.input, reading.active))
    assert len(got) == QUEUE_MAX
    assert ("button", True) in got
    assert got[-1] == ("passage", passage)
    relay.close()


def test_another_thread_ends_the_wait(relay: ModbusRelay) -> None:
    got: list[object] = []
    waiting = threading.Thread(target=lambda: got.append(relay.read(60.0)))
    waiting.start()
    relay.cancel()
    waiting.join(WAIT_S)
    assert got == [None]


def test_an_unplugged_board_is_a_reader_error_and_its_changes_are_reported_after_it_returns(
    device: VirtualRelay, relay: ModbusRelay
) -> None:
    device.press("button", active=True)
    assert next_change(relay) == ("button", True)
    device.unplug()
    with pytest.raises(ReaderError) as caught:
        relay.read(WAIT_S)
    assert caught.value.fault is ReaderFault.UNPLUGGED
    with pytest.raises(ReaderError):
        relay.pulse("gate", 100).result(WAIT_S)
    relay.close()
    with pytest.raises(ReaderError) as caught:
        relay.open()
    assert caught.value.fault is ReaderFault.NOT_FOUND
    device.press("button", active=False)
    device.plug()
    relay.open()
    assert next_change(relay) == ("button", False)
    relay.pulse("gate", 10).result(WAIT_S)
    assert device.wait("gate", on=False, timeout_s=WAIT_S)
    assert [change.on for change in device.history] == [True, False]


def test_a_pulse_that_the_loss_cut_is_not_resumed(device: VirtualRelay, relay: ModbusRelay) -> None:
    end_ns = relay.pulse("gate", 50).result(WAIT_S).confirmed_ns + 50_000_000
    device.unplug()
    with pytest.raises(ReaderError):
        relay.read(WAIT_S)
    while time.monotonic_ns() < end_ns:
        time.sleep(0.005)
    device.plug()
    relay.open()
    assert [change.on for change in device.history] == [True, False]


def test_closing_ends_a_running_pulse(device: VirtualRelay, relay: ModbusRelay) -> None:
    relay.pulse("gate", 60_000).result(WAIT_S)
    relay.close()
    assert device.outputs["gate"] is False
    with pytest.raises(ReaderError):
        relay.pulse("gate", 1).result(WAIT_S)
    with pytest.raises(ReaderError):
        relay.read(0)


def test_a_pulse_left_on_by_a_killed_agent_ends_when_the_next_one_opens(device: VirtualRelay) -> None:
    killed = ModbusLink(settings(device))
    killed.open()
    killed.switch(OUTPUTS["gate"], on=True)
    killed.close()
    assert device.outputs == {"gate": True, "bell": False}
    relay = ModbusRelay("relay", settings(device))
    relay.open()
    assert device.outputs == {"gate": False, "bell": False}
    relay.close()


def test_a_board_with_flash_on_ends_the_pulse_of_a_killed_agent_by_itself(device: VirtualRelay) -> None:
    agent = (
        "import json, os, signal, sys\n"
        "from drivers.relay import ModbusRelay, RelaySettings\n"
        "relay = ModbusRelay('relay', RelaySettings.model_validate(json.loads(sys.argv[1])))\n"
        "relay.open()\n"
        "relay.pulse('gate', 250).result(20)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    values = settings(device, flash_address=FLASH_ADDRESS).model_dump(mode="json")
    ended = subprocess.run([sys.executable, "-c", agent, json.dumps(values)], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert device.wait("gate", on=False, timeout_s=WAIT_S)
    on, off = device.history
    assert off.at_ns - on.at_ns >= 250_000_000


def test_a_pulse_by_flash_on_ends_in_time_and_a_shorter_one_does_not_shorten_it(device: VirtualRelay) -> None:
    relay = ModbusRelay("relay", settings(device, flash_address=FLASH_ADDRESS))
    relay.open()
    try:
        first, second = relay.pulse("gate", 330), relay.pulse("gate", 1)
        first_ns = first.result(WAIT_S).confirmed_ns
        second.result(WAIT_S)
        assert device.wait("gate", on=False, timeout_s=WAIT_S)
        assert [change.on for change in device.history] == [True, False]
        assert device.history[-1].at_ns >= first_ns + 330_000_000
        again_ns = relay.pulse("gate", 20).result(WAIT_S).confirmed_ns
        assert device.wait("gate", on=False, timeout_s=WAIT_S)
        assert device.history[-1].at_ns >= again_ns + 20_000_000
    finally:
        relay.close()


def test_a_board_without_flash_on_refuses_it_and_the_pulse_is_a_fault(device: VirtualRelay) -> None:
    relay = ModbusRelay("relay", settings(device, flash_address=0x4000))
    relay.open()
    try:
        with pytest.raises(ReaderError, match="exception 2") as caught:
            relay.pulse("gate", 50).result(WAIT_S)
        assert caught.value.fault is ReaderFault.PROTOCOL
    finally:
        relay.close()
    assert device.history == ()


def test_a_board_that_does_not_answer_is_silent(tmp_path: Path, device: VirtualRelay) -> None:
    mute = VirtualPort(tmp_path / "mute", lambda _data: None)
    mute.plug()
    relay = ModbusRelay("relay", settings(device, port=str(mute.path)))
    with pytest.raises(ReaderError) as caught:
        relay.open()
    assert caught.value.fault is ReaderFault.SILENT
    mute.unplug()


def test_a_board_that_answers_noise_speaks_nonsense(tmp_path: Path, device: VirtualRelay) -> None:
    noisy = VirtualPort(tmp_path / "noisy", lambda _data: noisy.write(bytes(range(64))))
    noisy.plug()
    relay = ModbusRelay("relay", settings(device, port=str(noisy.path)))
    with pytest.raises(ReaderError) as caught:
        relay.open()
    assert caught.value.fault is ReaderFault.PROTOCOL
    noisy.unplug()


def test_a_coil_that_the_board_refuses_is_named(device: VirtualRelay) -> None:
    relay = ModbusRelay("relay", settings(device, outputs={"gate": 9}))
    with pytest.raises(ReaderError, match="coil 9 refused") as caught:
        relay.open()
    assert caught.value.fault is ReaderFault.PROTOCOL


def test_a_held_port_is_busy(device: VirtualRelay, relay: ModbusRelay) -> None:
    second = ModbusRelay("second", settings(device))
    with pytest.raises(ReaderError) as caught:
        second.open()
    assert caught.value.fault is ReaderFault.BUSY


def test_a_lost_answer_is_asked_for_again(tmp_path: Path, device: VirtualRelay) -> None:
    requests: list[bytes] = []

    def lose_the_first_of_two(data: bytes) -> None:
        requests.append(data)
        if len(requests) % 2 == 0:
            device.receive(data)

    flaky = VirtualPort(tmp_path / "flaky", lose_the_first_of_two)
    device.unplug()
    device.port = flaky
    flaky.plug()
    relay = ModbusRelay("relay", settings(device, port=str(flaky.path), retries=3, timeout_ms=200))
    relay.open()
    relay.pulse("gate", 10).result(WAIT_S)
    assert device.wait("gate", on=False, timeout_s=WAIT_S)
    relay.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"outputs": {}},
        {"device_id": 0},
        {"inputs": {"a": 0, "b": 5000}},
        {"inputs": {"a": 0, "b": 0}},
        {"outputs": {"a": 1, "b": 1}},
        {"unknown": 1},
        {"outputs": {"gate": True}},
        {"inputs": {"a": True}},
        {"fire": FIRE | {"inputs": ["smoke"]}},
        {"fire": FIRE | {"outputs": ["roof"]}},
        {"fire": FIRE | {"reset_input": "passage"}},
        {"fire": FIRE | {"reset_input": "smoke"}},
        {"fire": {key: value for key, value in FIRE.items() if key != "reset_input"}},
        {"flash_address": 0xFFFE},
    ],
)
def test_settings_that_cannot_work_are_refused(device: VirtualRelay, wrong: dict[str, object]) -> None:
    assert settings(device, fire=FIRE).fire is not None
    with pytest.raises(ValidationError):
        settings(device, **wrong)


def test_the_silence_between_frames_is_the_standards() -> None:
    assert silence_ns(9600) == 4_010_416
    assert silence_ns(115_200) == 1_750_000
