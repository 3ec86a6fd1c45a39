"""The fire input: opens before anything else, whatever hangs, and stays open until a person resets it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.api import InputReading, ReaderError
from drivers.relay import ModbusRelay, RelaySettings
from drivers.virtual.relay import FLASH_ADDRESS, VirtualRelay

WAIT_S = 20.0
OUTPUTS = {"gate": 0, "door": 1, "bell": 2}
INPUTS = {"passage": 0, "smoke": 1, "key": 2}


@pytest.fixture
def device(tmp_path: Path) -> Iterator[VirtualRelay]:
    board = VirtualRelay(tmp_path / "relay", OUTPUTS, INPUTS)
    board.plug()
    yield board
    board.unplug()


@pytest.fixture
def latch_file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "fire"


@pytest.fixture
def boards(device: VirtualRelay, latch_file: Path) -> Iterator[Callable[..., ModbusRelay]]:
    """Makes drivers of the one board, as successive starts of the agent would; closes them all."""
    made: list[ModbusRelay] = []

    def make(*, outputs: dict[str, int] = OUTPUTS, smoke_active_low: bool = False, **more: object) -> ModbusRelay:
        fire = {"inputs": ["smoke"], "outputs": ["gate", "door"], "reset_input": "key", "latch_file": str(latch_file)}
        settings = {
            "port": str(device.port.path),
            "baud": 115_200,
            "outputs": outputs,
            "inputs": INPUTS | {"smoke": {"address": 1, "active_low": smoke_active_low}},
            "fire": fire,
            "timeout_ms": 1000,
            "retries": 0,
            "poll_ms": 5,
        }
        made.append(ModbusRelay("relay", RelaySettings.model_validate(settings | more)))
        return made[-1]

    yield make
    for board in made:
        board.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def open_everywhere(device: VirtualRelay) -> bool:
    return device.wait("gate", on=True, timeout_s=WAIT_S) and device.wait("door", on=True, timeout_s=WAIT_S)


def shut_everywhere(device: VirtualRelay) -> bool:
    return device.wait("gate", on=False, timeout_s=WAIT_S) and device.wait("door", on=False, timeout_s=WAIT_S)


def first_active(relay: ModbusRelay) -> InputReading | None:
    """The next input that became active; that no fire burns is told first."""
    while (reading := relay.read(WAIT_S)) is not None and not reading.active:
        pass
    return reading


def test_that_no_fire_burns_is_told_at_the_start(boards: Callable[..., ModbusRelay]) -> None:
    relay = boards()
    relay.open()
    reading = relay.read(WAIT_S)
    assert reading is not None
    assert (reading.input, reading.active) == ("smoke", False)


def test_fire_opens_its_outputs_and_no_other_and_is_reported_afterwards(
    device: VirtualRelay, boards: Callable[..., ModbusRelay]
) -> None:
    relay = boards()
    relay.open()
    device.press("smoke", active=True)
    reading = first_active(relay)
    assert isinstance(reading, InputReading)
    assert (reading.input, reading.active) == ("smoke", True)
    assert device.outputs == {"gate": True, "door": True, "bell": False}
    assert relay.status().fire_latched is True


def test_fire_opens_although_nobody_reads_and_the_queue_is_full(
    device: VirtualRelay, boards: Callable[..., ModbusRelay]
) -> None:
    relay = boards()
    relay.open()
    while relay.status().readings_dropped == 0:
        device.press("passage", active=True)
        until(lambda: "passage" in relay.status().active_inputs)
        device.press("passage", active=False)
        until(lambda: "passage" not in relay.status().active_inputs)
    device.press("smoke", active=True)
    assert open_everywhere(device)
    readings = iter(lambda: relay.read(1.0), None)
    assert "smoke" in [reading.input for reading in readings]


def test_fire_opens_and_the_loop_goes_on_although_the_disk_hangs(
    device: VirtualRelay, boards: Callable[..., ModbusRelay], latch_file: Path
) -> None:
    relay = boards()
    relay.open()
    until(lambda: relay.status().fire_latched is False)
    latch_file.parent.mkdir()
    os.mkfifo(latch_file)  # opening a FIFO to write waits for a reader, as a hung disk does
    device.press("smoke", active=True)
    assert open_everywhere(device)
    device.press("passage", active=True)
    inputs = [reading.input for _ in range(2) if (reading := first_active(relay)) is not None]
    assert inputs == ["smoke", "passage"]
    assert relay.status().latch_saved is False
    relay.pulse("bell", 1).result(WAIT_S)
    assert device.wait("bell", on=False, timeout_s=WAIT_S)
    descriptor = os.open(latch_file, os.O_RDONLY)
    os.close(descriptor)


def test_a_latch_that_cannot_be_looked_at_counts_as_set(
    device: VirtualRelay, boards: Callable[..., ModbusRelay], latch_file: Path
) -> None:
    latch_file.parent.symlink_to(latch_file.parent)  # too many levels of symbolic links: an error of the disk
    boards().open()
    assert open_everywhere(device)


def test_the_latch_outlives_the_input_and_every_pulse(device: VirtualRelay, boards: Callable[..., ModbusRelay]) -> None:
    relay = boards()
    relay.open()
    device.press("smoke", active=True)
    assert open_everywhere(device)
    device.press("smoke", active=False)
    until(lambda: "smoke" not in relay.status().active_inputs)
    relay.pulse("gate", 1).result(WAIT_S)
    relay.pulse("bell", 30).result(WAIT_S)
    assert device.wait("bell", on=False, timeout_s=WAIT_S)
    assert device.outputs == {"gate": True, "door": True, "bell": False}
    assert {change.output for change in device.history if not change.on} == {"bell"}


def test_a_fire_output_opens_again_when_the_board_ends_a_pulse_by_itself(
    device: VirtualRelay, boards: Callable[..., ModbusRelay]
) -> None:
    relay = boards(flash_address=FLASH_ADDRESS)
    relay.open()
    relay.pulse("gate", 600).result(WAIT_S)
    device.press("smoke", active=True)
    assert device.wait("door", on=True, timeout_s=WAIT_S)
    # The board's own timer shuts it for less than a turn of the driver, which only the board's record shows surely.
    until(lambda: [change.on for change in device.history if change.output == "gate"] == [True, False, True])


def test_while_the_board_times_a_pulse_a_fire_output_is_commanded_in_every_turn(
    device: VirtualRelay, boards: Callable[..., ModbusRelay]
) -> None:
    relay = boards(flash_address=FLASH_ADDRESS)
    relay.open()
    relay.pulse("gate", 60_000).result(WAIT_S)
    device.press("smoke", active=True)
    assert device.wait("door", on=True, timeout_s=WAIT_S)
    for _ in range(5):
        device.lose_power()  # shut, as by the end of the board's own timer, at any time
        # What follows one reading of the inputs is over at the next: no refresh comes that often.
        assert device.wait_read(WAIT_S)
        assert device.wait_read(WAIT_S)
        assert device.outputs["gate"]


def test_a_pulse_under_fire_does_not_start_the_timer_of_the_board(
    device: VirtualRelay, boards: Callable[..., ModbusRelay]
) -> None:
    relay = boards(flash_address=FLASH_ADDRESS)
    relay.open()
    device.press("smoke", active=True)
    assert open_everywhere(device)
    relay.pulse("gate", 100).result(WAIT_S)
    relay.pulse("bell", 400).result(WAIT_S)
    assert device.wait("bell", on=False, timeout_s=WAIT_S)
    assert [change.on for change in device.history if change.output == "gate"] == [True]


def test_the_latch_outlives_a_reconnection(device: VirtualRelay, boards: Callable[..., ModbusRelay]) -> None:
    relay = boards()
    relay.open()
    device.press("smoke", active=True)
    assert open_everywhere(device)
    device.press("smoke", active=False)
    until(lambda: "smoke" not in relay.status().active_inputs)
    device.unplug()
    assert not device.outputs["gate"]
    until(lambda: relay.status().fault is not None)
    assert relay.reset_fire() is False
    device.plug()
    relay.open()
    assert open_everywhere(device)


def test_a_board_that_forgot_its_outputs_is_commanded_again(
    device: VirtualRelay, boards: Callable[..., ModbusRelay]
) -> None:
    relay = boards()
    relay.open()
    device.press("smoke", active=True)
    assert open_everywhere(device)
    device.lose_power()
    assert device.outputs == {"gate": False, "door": False, "bell": False}
    assert device.wait("gate", on=True, timeout_s=WAIT_S)
    assert device.wait("door", on=True, timeout_s=WAIT_S)


def test_the_latch_outlives_a_restart_without_closing_for_a_moment(
    device: VirtualRelay, boards: Callable[..., ModbusRelay], latch_file: Path
) -> None:
    first = boards()
    first.open()
    device.press("smoke", active=True)
    assert open_everywhere(device)
    until(latch_file.exists)
    device.press("smoke", active=False)
    first.close()
    second = boards()
    second.open()
    until(lambda: second.status().fire_latched is True)
    assert device.outputs == {"gate": True, "door": True, "bell": False}
    assert all(change.on for change in device.history)
    reading = second.read(WAIT_S)
    assert isinstance(reading, InputReading)
    assert (reading.input, reading.active) == ("smoke", True)


def test_a_restart_into_a_fire_opens_at_once(device: VirtualRelay, boards: Callable[..., ModbusRelay]) -> None:
    device.press("smoke", active=True)
    boards().open()
    assert device.outputs == {"gate": True, "door": True, "bell": False}


def test_a_reset_is_refused_while_the_input_is_active_and_shuts_afterwards(
    device: VirtualRelay, boards: Callable[..., ModbusRelay], latch_file: Path
) -> None:
    relay = boards()
    relay.open()
    assert relay.reset_fire() is False
    device.press("smoke", active=True)
    assert open_everywhere(device)
    assert relay.reset_fire() is False
    device.press("smoke", active=False)
    until(lambda: "smoke" not in relay.status().active_inputs)
    assert relay.reset_fire() is True
    assert shut_everywhere(device)
    readings = [first_active(relay), relay.read(WAIT_S), relay.read(0.05)]
    assert [(reading.input, reading.active) for reading in readings if reading] == [("smoke", True), ("smoke", False)]
    until(lambda: relay.status().latch_saved)
    assert not latch_file.exists()
    device.press("smoke", active=True)
    assert open_everywhere(device)


def test_the_key_resets_only_when_turned_after_the_fire_is_over(
    device: VirtualRelay, boards: Callable[..., ModbusRelay]
) -> None:
    relay = boards()
    relay.open()
    device.press("smoke", active=True)
    assert open_everywhere(device)
    device.press("key", active=True)
    until(lambda: "key" in relay.status().active_inputs)
    device.press("smoke", active=False)
    until(lambda: "smoke" not in relay.status().active_inputs)
    relay.pulse("bell", 30).result(WAIT_S)
    assert device.wait("bell", on=False, timeout_s=WAIT_S)
    assert relay.status().fire_latched is True
    device.press("key", active=False)
    until(lambda: "key" not in relay.status().active_inputs)
    device.press("key", active=True)
    assert shut_everywhere(device)
    assert relay.status().fire_latched is False


def test_a_key_that_is_stuck_at_the_start_does_not_reset(
    device: VirtualRelay, boards: Callable[..., ModbusRelay], latch_file: Path
) -> None:
    latch_file.parent.mkdir()
    latch_file.touch()
    device.press("key", active=True)
    relay = boards()
    relay.open()
    assert open_everywhere(device)
    assert relay.status().fire_latched is True


def test_a_broken_wire_of_a_normally_closed_loop_opens(
    device: VirtualRelay, boards: Callable[..., ModbusRelay]
) -> None:
    device.press("smoke", active=True)
    relay = boards(smoke_active_low=True)
    relay.open()
    until(lambda: relay.status().fire_latched is False)
    device.press("smoke", active=False)
    assert open_everywhere(device)


def test_an_output_that_fails_does_not_keep_the_others_shut(
    device: VirtualRelay, boards: Callable[..., ModbusRelay]
) -> None:
    device.press("smoke", active=True)
    relay = boards(outputs=OUTPUTS | {"gate": 9})
    with pytest.raises(ReaderError, match="coil 9"):
        relay.open()
    assert device.outputs["door"] is True


def test_a_running_pulse_keeps_its_time_when_the_fire_is_reset(
    device: VirtualRelay, boards: Callable[..., ModbusRelay]
) -> None:
    relay = boards()
    relay.open()
    device.press("smoke", active=True)
    assert open_everywhere(device)
    device.press("smoke", active=False)
    until(lambda: "smoke" not in relay.status().active_inputs)
    confirmed_ns = relay.pulse("gate", 200).result(WAIT_S).confirmed_ns
    assert relay.reset_fire() is True
    assert shut_everywhere(device)
    ended = next(change for change in device.history if change.output == "gate" and not change.on)
    assert ended.at_ns >= confirmed_ns + 200_000_000


def test_stopping_the_agent_leaves_fire_outputs_on(device: VirtualRelay, boards: Callable[..., ModbusRelay]) -> None:
    relay = boards()
    relay.open()
    relay.pulse("bell", 60_000).result(WAIT_S)
    device.press("smoke", active=True)
    assert open_everywhere(device)
    relay.close()
    assert device.outputs == {"gate": True, "door": True, "bell": False}
