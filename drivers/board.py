"""Boards with outputs that open things and inputs that tell what happened: their settings, and the loop all share.

One thread owns the wire. In every turn it serves, in this order: a pulse somebody waits for, the inputs when their poll
is due, and what the outputs should be by now (fire first, then pulses that end). Inputs are read every ``poll_ms``, and
every ``rest_poll_ms`` once nothing has happened for three seconds: a fire is seen so late at most. Pulses do not wait.

**Fire.** When a fire input becomes active this thread switches the fire outputs on at once,
before it tells anybody; no queue, profile, journal or disk takes part. Each fire output is tried whatever became of
the others, all are commanded again every ``REFRESH_S``, after every reconnection, and in every turn in which the board
may end a pulse by itself; none is switched off by a pulse that ends. The latch outlives the input, the connection and
the process (``drivers.latch``) until a person resets it, which is accepted only while every fire input is known to be
inactive. Hard-wired release and fail-open power stay required beside it. Wire a fire loop normally closed and set
``active_low``, so that a broken wire opens too.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Protocol, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from drivers.api import DriverSettings, InputReading, Pulse, ReaderError, ReaderFault
from drivers.latch import LatchFile
from drivers.pace import Pace

REFRESH_S = 1.0
TIMER_SLACK_S = 1.0
"""A board's own timer may end a pulse this much late: its steps are coarse, and its clock is cheap."""
QUEUE_MAX = 128
LINES_MAX = 32
FLUSH_S = 0.2

ADDRESS_MAX = 0xFFFF
Address = Annotated[int, Field(ge=0, le=ADDRESS_MAX, strict=True)]


class InputLine(DriverSettings):
    """One input of the board."""

    address: Address
    active_low: bool = Field(default=False, description="active when the contact is open: normally-closed loops")


def _line(value: object) -> object:
    return {"address": value} if isinstance(value, int) else value


class FireSettings(DriverSettings):
    """Which inputs report fire, and which outputs they open."""

    inputs: tuple[str, ...] = Field(min_length=1)
    outputs: tuple[str, ...] = Field(min_length=1)
    reset_input: str = Field(description="a hard-wired reset button or key switch: nothing else ends a fire state")
    latch_file: Path = Field(description="exists while the latch is set; on a disk that survives a restart")


class BoardSettings(DriverSettings):
    """What every board needs to know. An input is an address, or ``{address, active_low}``."""

    outputs: dict[str, Address] = Field(min_length=1, max_length=LINES_MAX)
    inputs: dict[str, Annotated[InputLine, BeforeValidator(_line)]] = Field(default_factory=dict, max_length=LINES_MAX)
    fire: FireSettings | None = None
    poll_ms: int = Field(default=20, ge=5, le=1000, description="how often the inputs are read while something happens")
    rest_poll_ms: int = Field(default=50, ge=5, le=1000, description="and when nothing has happened for three seconds")

    @model_validator(mode="after")
    def _addresses_are_single(self) -> Self:
        for lines in (self.outputs, {name: line.address for name, line in self.inputs.items()}):
            by_address: dict[int, str] = {}
            for name, address in lines.items():
                other = by_address.setdefault(address, name)
                if other != name:
                    said = {
                        "zh": f"线路 {other} 与 {name} 的地址相同（{address}）",
                        "en": f"the lines {other} and {name} have the same address, {address}",
                    }
                    raise PydanticCustomError("said", "{en}", said)
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if self.fire is None:
            return self
        unknown = ({*self.fire.inputs, self.fire.reset_input} - set(self.inputs)) | (
            set(self.fire.outputs) - set(self.outputs)
        )
        if unknown:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": f"fire 中的线路不在此板上：{'、'.join(sorted(unknown))}",
                    "en": f"fire names lines that the board does not have: {', '.join(sorted(unknown))}",
                },
            )
        if self.fire.reset_input in self.fire.inputs:
            raise PydanticCustomError(
                "said", "{en}", {"zh": "复位输入不能同时是消防输入", "en": "the reset input cannot be a fire input"}
            )
        return self


class BoardLink(Protocol):
    """The wire to one board; used by one thread at a time. Every method but ``close`` raises :class:`ReaderError`."""

    def open(self) -> None:
        """Open the wire."""

    def close(self) -> None:
        """Release the wire; harmless when closed, never raises."""

    def switch(self, address: int, on: bool) -> int:
        """Switch one output; returns when the board has confirmed it: when the command had left, in monotonic ns."""

    def pulse(self, address: int, pulse_ms: int) -> int:
        """Switch one output on as :meth:`switch` does; a board that can ends the pulse by itself, not before its time.

        What ends it in good order is :meth:`switch`: the board's own timer is for the day on which nobody sends that.
        """

    def read_inputs(self) -> Mapping[int, bool]:
        """The contacts of all configured inputs by address, ``True`` for closed."""


@dataclass(frozen=True, slots=True)
class BoardStatus:
    """What a technician wants to see."""

    fire_latched: bool | None
    """``None`` while the disk has not said yet whether the latch was set before the restart."""
    latch_saved: bool
    active_inputs: tuple[str, ...]
    """As wired, whatever the latch says."""
    readings_dropped: int
    fault: ReaderFault | None
    """Why the board does not work now."""


PULSE_WAITS_S = 2.0
"""A board with a queue gives no pulse late: by then the lane has told the citizen that it does not open."""


@dataclass(frozen=True, slots=True)
class _Order:
    output: str
    pulse_ms: int
    done: Future[Pulse]
    given_ns: int


class Board:
    """Source of :class:`InputReading` and actuator over any :class:`BoardLink`.

    Inputs count as inactive until first read: what is active when the board opens is reported, and after a
    reconnection what changed meanwhile. A fire input is reported as active for as long as the latch is set, after the
    outputs were commanded. Unread readings are kept up to ``QUEUE_MAX``; beyond it the oldest that a later one of the
    same input supersedes goes, those of fire inputs last: the newest state of every input always arrives.
    """

    Settings: ClassVar[type[DriverSettings]] = BoardSettings

    def __init__(self, name: str, settings: BoardSettings, link: BoardLink) -> None:
        self.name = name
        self._settings = settings
        self._link = link
        fire = settings.fire
        self._fire_inputs = fire.inputs if fire else ()
        self._fire_outputs = fire.outputs if fire else ()
        self._reset_input = fire.reset_input if fire else None
        self._latch = LatchFile(fire.latch_file) if fire else None
        # Shared with other threads, under the lock.
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._arrived = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._fault: ReaderError | None = _not_open(name)
        self._orders: deque[_Order] = deque()
        self._readings: deque[InputReading] = deque()
        self._dropped = 0
        self._cancelled = False
        self._latched: bool | None = None if fire else False
        self._active: dict[str, bool] = {}
        self._reported: dict[str, bool] = {}
        # Of the thread that owns the wire.
        self._confirmed: dict[str, bool] = {}
        self._ends_ns: dict[str, int] = {}
        self._timed_until_ns: dict[str, int] = {}
        self._pace = Pace(settings.poll_ms, settings.rest_poll_ms)
        self._next_poll_ns = 0
        self._next_refresh_ns = 0

    def open(self) -> None:
        """Open the board, read its inputs, bring its outputs to what they should be, and start the loop."""
        self._stop()
        self._link.open()
        self._confirmed.clear()
        self._next_poll_ns = 0
        if self._latch is not None:
            self._latch.look()
        try:
            self._turn()
        except ReaderError:
            self._link.close()
            raise
        with self._lock:
            self._fault = None
            self._stopping = False
            self._thread = threading.Thread(target=self._run, name=f"board {self.name}", daemon=True)
            self._thread.start()

    def contacts(self) -> dict[str, bool]:
        """Which inputs are active now, by name: a technician's look while the board is closed; nothing is switched."""
        self._link.open()
        try:
            states = self._link.read_inputs()
        finally:
            self._link.close()
        return {name: states[line.address] is not line.active_low for name, line in self._settings.inputs.items()}

    def close(self) -> None:
        """End running pulses, leave fire outputs as they are, release the wire."""
        self._stop()
        if self._latch is not None:
            self._latch.flush(FLUSH_S)

    def cancel(self) -> None:
        """Make the ``read`` that waits, else the next one, return ``None``."""
        with self._lock:
            self._cancelled = True
            self._arrived.notify()

    def read(self, timeout_s: float) -> InputReading | None:
        """The next change of an input. Raises :class:`ReaderError` once the board is lost and all is read."""
        with self._lock:
            self._arrived.wait_for(self._something_to_say, timeout_s)
            if self._cancelled:
                self._cancelled = False
                return None
            if self._readings:
                return self._readings.popleft()
            if self._fault is not None:
                raise ReaderError(self._fault.fault, self._fault.detail)
            return None

    def pulse(self, output: str, pulse_ms: int) -> Future[Pulse]:
        """Switch ``output`` on for ``pulse_ms`` from its confirmation, and tell when that was.

        A second pulse prolongs the first, it never shortens it. It is served after the exchange with the board that is
        under way. Raises ``KeyError``; the future holds a :class:`ReaderError` when the board does not work, or could
        not begin within :data:`PULSE_WAITS_S`: then it never does.
        """
        if output not in self._settings.outputs:
            raise KeyError(output)
        order = _Order(output, pulse_ms, Future(), time.monotonic_ns())
        with self._lock:
            fault = self._fault
            if fault is None:
                self._orders.append(order)
                self._wake.notify()
        if fault is not None:
            order.done.set_exception(ReaderError(fault.fault, fault.detail))
        return order.done

    def reset_fire(self) -> bool:
        """A person ends the fire state; ``False`` if it is not latched, or an input is active or unknown."""
        with self._lock:
            if self._fault is not None or not self._latched or self._fire_is_active():
                return False
            self._unlatch()
            self._wake.notify()
            return True

    def status(self) -> BoardStatus:
        """A view of this moment."""
        with self._lock:
            return BoardStatus(
                fire_latched=self._latched,
                latch_saved=self._latch is None or self._latch.saved,
                active_inputs=tuple(name for name, active in self._active.items() if active),
                readings_dropped=self._dropped,
                fault=self._fault.fault if self._fault else None,
            )

    def _something_to_say(self) -> bool:
        return bool(self._cancelled or self._readings or self._fault)

    def _stop(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
            self._stopping = True
            self._wake.notify()
        if thread is not None:
            thread.join()
        self._link.close()

    # The loop

    def _run(self) -> None:
        fault = _not_open(self.name)
        try:
            while not self._stopping:
                self._turn()
                self._rest()
            self._end_pulses()
        except ReaderError as error:
            fault = error
        finally:
            self._give_up(fault)

    def _turn(self) -> None:
        with self._lock:
            order = self._orders.popleft() if self._orders else None
            if self._latched is None and self._latch is not None:
                self._latched = self._latch.found
        if order is not None:
            self._serve(order)
        if time.monotonic_ns() >= self._next_poll_ns:
            self._poll()
        self._open_for_fire()
        self._switch_off_what_ended()

    def _rest(self) -> None:
        due_ns = min([self._next_poll_ns, *self._ends_ns.values()])
        with self._lock:
            if not self._orders and not self._stopping:
                self._wake.wait(max(0, due_ns - time.monotonic_ns()) / 1e9)

    def _serve(self, order: _Order) -> None:
        if time.monotonic_ns() - order.given_ns > PULSE_WAITS_S * 1e9:
            order.done.set_exception(ReaderError(ReaderFault.SILENT, f"{self.name}: busy for too long"))
            return
        try:
            commanded_ns = self._begin(order)
        except BaseException as error:  # whoever waits for this pulse must hear of any fault
            order.done.set_exception(error)
            raise
        now_ns = time.monotonic_ns()
        self._pace.happened(now_ns)
        end_ns = now_ns + order.pulse_ms * 1_000_000
        self._ends_ns[order.output] = max(end_ns, self._ends_ns.get(order.output, 0))
        order.done.set_result(Pulse(commanded_ns, now_ns))

    def _begin(self, order: _Order) -> int:
        """Begin a pulse, or prolong the one that runs: when the command had left, in monotonic ns."""
        if not self._may_switch_off(order.output):
            return self._switch(order.output, on=True)  # a board must not end by itself what stands open for fire
        now_ns = time.monotonic_ns()
        left_ns = self._ends_ns.get(order.output, 0) - now_ns
        pulse_ms = max(order.pulse_ms, -(-left_ns // 1_000_000))
        self._confirmed.pop(order.output, None)
        self._timed_until_ns[order.output] = now_ns + pulse_ms * 1_000_000 + int(TIMER_SLACK_S * 1e9)
        return self._link.pulse(self._settings.outputs[order.output], pulse_ms)

    def _poll(self) -> None:
        if not self._settings.inputs:
            self._next_poll_ns = self._pace.next_ns(time.monotonic_ns())
            return
        contacts = self._link.read_inputs()
        at_ns = time.monotonic_ns()
        with self._lock:
            before = self._active
            just_set = self._take_over(contacts)
            if self._active != before or self._latched or self._ends_ns:
                self._pace.happened(at_ns)
        self._next_poll_ns = self._pace.next_ns(at_ns)
        try:
            self._open_for_fire()
        finally:
            self._tell(at_ns, just_set)

    def _take_over(self, contacts: Mapping[int, bool]) -> bool:
        """Note the inputs and what they mean for the latch; whether they set it just now."""
        before = self._active
        self._active = {name: contacts[line.address] != line.active_low for name, line in self._settings.inputs.items()}
        if self._fire_is_active():
            just_set = not self._latched
            self._latched = True
            return just_set
        # Only a button seen released before: one that is stuck must not end a fire state.
        button = self._reset_input
        if self._latched and button is not None and self._active[button] and before.get(button) is False:
            self._unlatch()
        return False

    def _tell(self, at_ns: int, just_set: bool) -> None:
        with self._lock:
            if just_set and self._latch is not None:
                self._latch.keep(bool(self._latched))
            for name, active in self._active.items():
                is_fire = name in self._fire_inputs
                if is_fire and self._latched is None:
                    continue  # the disk has not said yet whether the latch was set
                state = bool(self._latched) if is_fire else active
                # Of fire its absence is told too: who remembers one from before a restart must hear that it is over.
                if state != self._reported.get(name, None if is_fire else False):
                    self._reported[name] = state
                    self._keep(InputReading(reader=self.name, at_ns=at_ns, input=name, active=state))
                    self._arrived.notify()

    def _keep(self, reading: InputReading) -> None:
        self._readings.append(reading)
        if len(self._readings) > QUEUE_MAX:
            # More readings than inputs: some input has a newer one further back.
            inputs = [each.input for each in self._readings]
            superseded = [index for index, name in enumerate(inputs) if name in inputs[index + 1 :]]
            del self._readings[min(superseded, key=lambda index: (inputs[index] in self._fire_inputs, index))]
            self._dropped += 1

    def _open_for_fire(self) -> None:
        if not self._latched:
            return
        now_ns = time.monotonic_ns()
        # A board that lost its power for a moment has forgotten what we commanded, and one that still times a pulse
        # from before the fire may shut when that ends.
        refresh = now_ns >= self._next_refresh_ns
        if refresh:
            self._next_refresh_ns = now_ns + int(REFRESH_S * 1e9)
        for output in self._fire_outputs:
            if refresh or now_ns < self._timed_until_ns.get(output, 0):
                self._confirmed.pop(output, None)
        faults: list[ReaderError] = []
        for output in self._fire_outputs:
            if self._confirmed.get(output) is not True:
                try:
                    self._switch(output, on=True)
                except ReaderError as error:
                    faults.append(error)
        if faults:
            raise faults[0]

    def _switch_off_what_ended(self) -> None:
        now_ns = time.monotonic_ns()
        self._ends_ns = {output: end_ns for output, end_ns in self._ends_ns.items() if end_ns > now_ns}
        for output in self._settings.outputs:
            if (
                output not in self._ends_ns
                and self._may_switch_off(output)
                and self._confirmed.get(output) is not False
            ):
                self._switch(output, on=False)

    def _may_switch_off(self, output: str) -> bool:
        # A latch that the disk has not told yet may be set: then a door that stands open stays open.
        return output not in self._fire_outputs or self._latched is False

    def _end_pulses(self) -> None:
        self._ends_ns.clear()
        self._switch_off_what_ended()

    def _switch(self, output: str, *, on: bool) -> int:
        self._confirmed.pop(output, None)
        commanded_ns = self._link.switch(self._settings.outputs[output], on)
        self._confirmed[output] = on
        return commanded_ns

    def _fire_is_active(self) -> bool:
        return any(self._active.get(name, True) for name in self._fire_inputs)

    def _unlatch(self) -> None:
        self._latched = False
        if self._latch is not None:
            self._latch.keep(False)

    def _give_up(self, fault: ReaderError) -> None:
        with self._lock:
            self._fault = fault
            orders, self._orders = self._orders, deque()
            self._arrived.notify()
        for order in orders:
            order.done.set_exception(ReaderError(fault.fault, fault.detail))


def _not_open(name: str) -> ReaderError:
    return ReaderError(ReaderFault.UNPLUGGED, f"{name} is not open")
