"""Devices at work: each in a thread of its own, opened again after every fault, its state always visible.

Threads speak to the event loop only by :func:`agent.threads.post`. This is the supervisor's one place that survives any
fault of a driver.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.backoff import Backoff
from agent.logs import log
from agent.queues import drop_superseded
from agent.threads import post
from drivers.api import Actuator, CardError, CardFault, Device, InputReading, Pulse, ReaderError, Reading, Source

READ_TIMEOUT_S = 1.0
DRIVER_BUG = "driver-bug"
"""The fault of a device whose driver raised what no driver may."""
EARLY_MAX = 256
_ROOMS = {"agent", "drivers", "profiles", "offline_store"}
MAX_UNDER_WAY = 32
"""What a device says waits in the device, not in memory, while so much of it waits for the event loop."""
STOP_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class DeviceState:
    """How a device is: ``ready`` or ``failed``, with its reason; failed is also a reader whose card another holds."""

    name: str
    state: str
    reason: str = ""
    detail: str = ""
    since_ms: int = 0
    retry_ms: int = 0


class Conditions:
    """How every device is, and what else a technician must mend, by what was reported last. Used on the event loop."""

    def __init__(self, names: Collection[str]) -> None:
        self._missing = set(names)
        self._states: dict[str, DeviceState] = {}
        self._all_reported = asyncio.Event()

    def report(self, state: DeviceState) -> None:
        """Keep what a device said about itself."""
        self._states[state.name] = state
        self._missing.discard(state.name)
        if not self._missing:
            self._all_reported.set()

    def forget(self, *names: str) -> None:
        """What was reported under these names is over."""
        for name in names:
            self._states.pop(name, None)

    def states(self) -> tuple[DeviceState, ...]:
        """All that have reported."""
        return tuple(self._states.values())

    async def all_reported(self, timeout_s: float) -> int:
        """Wait until every device has said once how it is; how many have not when the time is up."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_reported.wait(), timeout_s)
        return len(self._missing)


class Hearers:
    """The lanes that hear one board.

    What it says before they are there is kept for them; beyond ``EARLY_MAX``, of each input's changes the newest ones.
    """

    def __init__(self) -> None:
        self._offers: list[Callable[[Reading | CardFault], None]] = []
        self._early: deque[Reading | CardFault] = deque()

    def listen(self, offers: list[Callable[[Reading | CardFault], None]]) -> None:
        """From now on these are told everything, beginning with what was said before."""
        self._offers = offers
        while self._early:
            self.offer(self._early.popleft())

    def offer(self, reading: Reading | CardFault) -> None:
        """An input changed."""
        if not self._offers:
            self._early.append(reading)
            if len(self._early) > EARLY_MAX:
                drop_superseded(self._early, _input_of)
        for offer in self._offers:
            offer(reading)


def _input_of(reading: Reading | CardFault) -> str | None:
    return reading.input if isinstance(reading, InputReading) else None


class DeviceThread(ABC):
    """One device at work: opened, worked with until a fault, told of, closed, and after a while opened again."""

    def __init__(
        self,
        device: Device,
        name: str,
        work: str,
        loop: asyncio.AbstractEventLoop,
        report: Callable[[DeviceState], None],
        backoff: Backoff,
        now_ms: Callable[[], int],
    ) -> None:
        self._device = device
        self._name = name
        self._loop = loop
        self._report = report
        self._backoff = backoff
        self._now_ms = now_ms
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{work}-{name}", daemon=True)
        self._told: tuple[str, str, str] | None = None
        self._log = log(device=name)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; does not wait."""
        self._stopping.set()
        self._device.cancel()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end; one that hangs in its driver is left behind."""
        self._thread.join(timeout_s)

    @abstractmethod
    def _work(self) -> None:
        """Say ``ready``, and work with the open device until it is stopped. Raises :class:`ReaderError`."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._device.open()
                self._work()
            except ReaderError as error:
                retry_ms = self._backoff.next_ms()
                self._tell("failed", error.fault.code, error.detail, retry_ms)
            except Exception as error:  # noqa: BLE001 -- the supervisor: a driver's bug must not take the lane away
                retry_ms = self._backoff.next_ms()
                self._tell("failed", DRIVER_BUG, place_of(error), retry_ms)
            else:
                retry_ms = 0
            self._close()
            self._stopping.wait(retry_ms / 1000)

    def _close(self) -> None:
        try:
            self._device.close()
        except Exception as error:  # noqa: BLE001 -- the supervisor: a device that cannot be closed is opened again
            self._log.error("device", state="failed", reason=DRIVER_BUG, detail=place_of(error))

    def _tell(self, state: str, reason: str = "", detail: str = "", retry_ms: int = 0) -> None:
        if (state, reason, detail) != self._told:
            self._told = (state, reason, detail)
            tell = self._log.info if state == "ready" else self._log.warning
            tell("device", state=state, reason=reason, detail=detail, retry_ms=retry_ms)
        self._post(self._report, DeviceState(self._name, state, reason, detail, self._now_ms(), retry_ms))

    def _post(self, callback: Callable[[Any], None], value: object) -> None:
        post(self._loop, callback, value)


class SourceThread(DeviceThread):
    """Runs one source: what it reads is delivered on the event loop."""

    def __init__(
        self,
        source: Source,
        loop: asyncio.AbstractEventLoop,
        deliver: Callable[[Reading | CardFault], None],
        report: Callable[[DeviceState], None],
        backoff: Backoff,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(source, source.name, "read", loop, report, backoff, now_ms)
        self._source = source
        self._deliver = deliver
        self._under_way = threading.BoundedSemaphore(MAX_UNDER_WAY)

    def _work(self) -> None:
        self._tell("ready")
        held = False
        while not self._stopping.is_set():
            try:
                reading = self._source.read(READ_TIMEOUT_S)
            except CardError as error:
                self._backoff.reset()
                is_held = error.fault is CardFault.SHARED
                if is_held:
                    self._tell("failed", error.fault.code, error.detail)
                elif held:
                    self._tell("ready")
                if not (held and is_held):  # one refusal for as long as the other program holds the card
                    self._post(self._deliver, error.fault)
                held = is_held
                continue
            self._backoff.reset()
            if reading is not None:
                if held:
                    self._tell("ready")
                held = False
                self._post(self._deliver, reading)

    def _post(self, callback: Callable[[Any], None], value: object) -> None:
        while not self._under_way.acquire(timeout=STOP_LOOK_S):
            if self._stopping.is_set():
                return
        post(self._loop, self._arrive, callback, value)

    def _arrive(self, callback: Callable[[Any], None], value: object) -> None:
        self._under_way.release()
        callback(value)


class NoOutputs:
    """The outputs of a lane without a board: every pulse comes back as a fault."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def actuate(self, output: str, pulse_ms: int, done: Callable[[Pulse | None, str], None]) -> None:
        """Refuse."""
        del output, pulse_ms
        post(self._loop, done, None, "no-board")


class LaneOutputs:
    """An actuator as a lane sees it. Implements :class:`agent.lane.Outputs`; nothing here waits."""

    def __init__(self, actuator: Actuator, loop: asyncio.AbstractEventLoop) -> None:
        self._actuator = actuator
        self._loop = loop

    def actuate(self, output: str, pulse_ms: int, done: Callable[[Pulse | None, str], None]) -> None:
        """Begin one pulse; ``done`` is called on the event loop."""
        try:
            pulse = self._actuator.pulse(output, pulse_ms)
        except KeyError:
            post(self._loop, done, None, "no-such-output")
        except Exception as error:  # noqa: BLE001 -- the supervisor: a driver's bug must not stop the lane
            log().error("actuator", fault=DRIVER_BUG, detail=place_of(error))
            post(self._loop, done, None, DRIVER_BUG)
        else:
            pulse.add_done_callback(lambda ended: self._post(done, ended))

    def _post(self, done: Callable[[Pulse | None, str], None], ended: Future[Pulse]) -> None:
        error = ended.exception()
        if error is None:
            post(self._loop, done, ended.result(), "")
        else:
            code = error.fault.code if isinstance(error, ReaderError) else DRIVER_BUG
            post(self._loop, done, None, code)


def place_of(error: BaseException) -> str:
    """Type and place of a bug; never its text, which may hold what a card said. Of a group, its first member's."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    place, frame = "?", error.__traceback__
    while frame is not None:
        path = Path(frame.tb_frame.f_code.co_filename)
        if _ROOMS & set(path.parts):  # a library's own line says little
            place = f"{path.name}:{frame.tb_lineno}"
        frame = frame.tb_next
    return f"{type(error).__name__} at {place}"
