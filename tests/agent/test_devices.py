"""Devices in threads: every fault is a visible state with a reason, and the device is opened again."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from queue import SimpleQueue
from typing import ClassVar

from agent.backoff import Backoff
from agent.devices import EARLY_MAX, MAX_UNDER_WAY, STOP_LOOK_S, DeviceState, Hearers, LaneOutputs, SourceThread
from drivers.api import (
    CardError,
    CardFault,
    CodeReading,
    DriverSettings,
    InputReading,
    Pulse,
    ReaderError,
    ReaderFault,
    Reading,
)
from tests.agent.seeded import SeededRandom

DEADLINE_S = 10.0


class ScriptedSource:
    """A driver whose device does what the test puts into its queue."""

    Settings: ClassVar[type[DriverSettings]] = DriverSettings
    name = "slot"

    def __init__(self) -> None:
        self.script: SimpleQueue[Reading | Exception | None] = SimpleQueue()
        self.opened = 0
        self.closed = 0

    def open(self) -> None:
        self.opened += 1

    def close(self) -> None:
        self.closed += 1

    def cancel(self) -> None:
        self.script.put(None)

    def read(self, timeout_s: float) -> Reading | None:
        item = self.script.get()
        if isinstance(item, Exception):
            raise item
        return item


class Pump:
    """A source thread whose reports and readings the test waits for."""

    def __init__(self) -> None:
        self.source = ScriptedSource()
        self.states: asyncio.Queue[DeviceState] = asyncio.Queue()
        self.readings: asyncio.Queue[Reading | CardFault] = asyncio.Queue()
        backoff = Backoff(SeededRandom(), first_ms=1, cap_ms=4)
        loop = asyncio.get_running_loop()
        self.thread = SourceThread(
            self.source, loop, self.readings.put_nowait, self.states.put_nowait, backoff, now_ms=lambda: 0
        )
        self.thread.start()

    async def state(self) -> tuple[str, str]:
        state = await asyncio.wait_for(self.states.get(), DEADLINE_S)
        return state.state, state.reason

    async def reading(self) -> Reading | CardFault:
        return await asyncio.wait_for(self.readings.get(), DEADLINE_S)

    def keep_the_loop_busy_until_only(self, left: int) -> None:
        """Hold up the event loop, which therefore takes nothing, until so little of the script is left."""
        deadline_s = time.monotonic() + DEADLINE_S
        while self.source.script.qsize() > left and time.monotonic() < deadline_s:
            time.sleep(0.001)

    async def stop(self) -> None:
        self.thread.stop()
        await asyncio.to_thread(self.thread.join, DEADLINE_S)


def code(text: str) -> CodeReading:
    return CodeReading(reader="slot", at_ns=0, text=text)


async def test_a_broken_reader_is_closed_reported_and_opened_again() -> None:
    pump = Pump()
    assert await pump.state() == ("ready", "")
    pump.source.script.put(ReaderError(ReaderFault.UNPLUGGED))
    assert await pump.state() == ("failed", "unplugged")
    assert await pump.state() == ("ready", "")
    pump.source.script.put(code("EC1:A"))
    assert await pump.reading() == code("EC1:A")
    assert (pump.source.opened, pump.source.closed) == (2, 1)
    await pump.stop()


async def test_a_bug_in_a_driver_is_survived_and_its_text_is_not_told() -> None:
    pump = Pump()
    assert await pump.state() == ("ready", "")
    pump.source.script.put(ValueError("李秀英"))
    state = await asyncio.wait_for(pump.states.get(), DEADLINE_S)
    assert (state.state, state.reason) == ("failed", "driver-bug")
    assert state.detail.startswith("ValueError at test_devices.py:")
    assert await pump.state() == ("ready", "")
    await pump.stop()


async def test_a_card_held_by_another_program_is_one_refusal_and_a_state_until_it_is_free() -> None:
    pump = Pump()
    assert await pump.state() == ("ready", "")
    for _ in range(3):
        pump.source.script.put(CardError(CardFault.SHARED))
    pump.source.script.put(code("EC1:A"))
    assert await pump.reading() is CardFault.SHARED
    assert await pump.reading() == code("EC1:A")
    assert [await pump.state() for _ in range(4)] == [("failed", "shared")] * 3 + [("ready", "")]
    await pump.stop()


async def test_a_card_fault_concerns_one_presentation_only() -> None:
    pump = Pump()
    assert await pump.state() == ("ready", "")
    pump.source.script.put(CardError(CardFault.REMOVED))
    assert await pump.reading() is CardFault.REMOVED
    assert pump.source.closed == 0
    await pump.stop()


async def test_a_device_that_floods_waits_for_a_busy_event_loop_and_loses_nothing() -> None:
    pump = Pump()
    assert await pump.state() == ("ready", "")
    said = [code(f"EC1:{number}") for number in range(4 * MAX_UNDER_WAY)]
    for reading in said:
        pump.source.script.put(reading)
    pump.keep_the_loop_busy_until_only(3 * MAX_UNDER_WAY - 1)  # as much as may be under way, and one that waits
    time.sleep(3 * STOP_LOOK_S)  # noqa: ASYNC251 -- whatever more it could say, it would say now
    assert pump.source.script.qsize() == 3 * MAX_UNDER_WAY - 1
    assert [await pump.reading() for _ in said] == said
    await pump.stop()


async def test_a_device_that_waits_for_a_busy_event_loop_can_be_stopped() -> None:
    pump = Pump()
    assert await pump.state() == ("ready", "")
    for number in range(2 * MAX_UNDER_WAY):
        pump.source.script.put(code(f"EC1:{number}"))
    pump.keep_the_loop_busy_until_only(MAX_UNDER_WAY - 1)
    pump.thread.stop()
    pump.thread.join(DEADLINE_S)  # on the event loop, which therefore takes nothing meanwhile
    assert "read-slot" not in [thread.name for thread in threading.enumerate()]


class ScriptedActuator:
    """An actuator that confirms or fails from a thread of its own, as boards do."""

    Settings: ClassVar[type[DriverSettings]] = DriverSettings
    name = "board"

    def __init__(self, answer: Pulse | ReaderError) -> None:
        self._answer = answer

    def open(self) -> None: ...

    def close(self) -> None: ...

    def cancel(self) -> None: ...

    def pulse(self, output: str, pulse_ms: int) -> Future[Pulse]:
        if output != "gate":
            raise KeyError(output)
        future: Future[Pulse] = Future()
        answer = self._answer
        if isinstance(answer, Pulse):
            threading.Thread(target=future.set_result, args=(answer,)).start()
        else:
            threading.Thread(target=future.set_exception, args=(answer,)).start()
        return future


async def pulsed(answer: Pulse | ReaderError, output: str = "gate") -> tuple[Pulse | None, str]:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Pulse | None, str]] = loop.create_future()
    outputs = LaneOutputs(ScriptedActuator(answer), loop)
    outputs.actuate(output, 500, lambda pulse, fault: done.set_result((pulse, fault)))
    return await asyncio.wait_for(done, DEADLINE_S)


async def test_a_confirmed_pulse_comes_back_with_its_moments() -> None:
    assert await pulsed(Pulse(41, 42)) == (Pulse(41, 42), "")


async def test_a_silent_board_comes_back_as_a_fault() -> None:
    assert await pulsed(ReaderError(ReaderFault.SILENT)) == (None, "silent")


async def test_an_output_that_the_board_does_not_have_comes_back_as_a_fault() -> None:
    assert await pulsed(Pulse(1, 2), output="roof") == (None, "no-such-output")


def test_what_a_board_says_before_its_lanes_are_there_is_kept_and_a_bouncing_sensor_pushes_no_fire_out() -> None:
    def change(name: str, *, active: bool) -> InputReading:
        return InputReading(reader="board", at_ns=0, input=name, active=active)

    hearers = Hearers()
    hearers.offer(change("fire", active=True))
    for number in range(2 * EARLY_MAX):
        hearers.offer(change("passage", active=number % 2 == 0))
    heard: list[Reading | CardFault] = []
    hearers.listen([heard.append])
    assert len(heard) == EARLY_MAX
    assert (heard[0], heard[-1]) == (change("fire", active=True), change("passage", active=False))
