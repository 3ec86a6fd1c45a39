"""A relay board with inputs in software: a Modbus-RTU server on a pseudo-terminal, framed by pymodbus."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
)

from drivers.modbus_coil import FLASH_STEP_MS, FLASH_STEPS_MAX, OFF, ON, CoilWrite
from drivers.virtual.api import Use
from drivers.virtual.pty import VirtualPort

HISTORY_MAX = 4096
FRAME_MAX_BYTES = 256
FLASH_ADDRESS = 0x0200
"""Where the flash-on commands begin, as on Waveshare's boards."""


@dataclass(frozen=True, slots=True)
class CoilChange:
    """One coil that changed."""

    output: str
    on: bool
    at_ns: int
    """``time.monotonic_ns()``."""


class VirtualRelay:
    """The board under ``path``. Outputs and inputs have names here too, so that people can talk about them.

    It loses its memory when unplugged, as a board fed by its USB plug does: coils are off when it comes back.
    Every method may be called from any thread.
    """

    def __init__(
        self, path: Path, outputs: Mapping[str, int], inputs: Mapping[str, int], *, device_id: int = 1
    ) -> None:
        self.port = VirtualPort(path, self.receive)
        self._device_id = device_id
        self._names = {address: name for name, address in outputs.items()}
        self._addresses = dict(inputs)
        decoder = DecodePDU(is_server=True)
        decoder.register(CoilWrite)
        self._framer = FramerRTU(decoder)
        self._received = b""
        self._changed = threading.Condition()
        self._coils = dict.fromkeys(outputs, False)
        self._flashes: dict[str, threading.Timer] = {}
        self._contacts = dict.fromkeys(inputs.values(), False)
        self._history: deque[CoilChange] = deque(maxlen=HISTORY_MAX)
        self._readings = 0

    def plug(self) -> None:
        """Appear under the path."""
        self.port.plug()

    def unplug(self) -> None:
        """Vanish, and fall back: every coil is off."""
        self.port.unplug()
        self.lose_power()

    @property
    def use(self) -> Use:
        """Whether a terminal has the board open."""
        return self.port.use

    def lose_power(self) -> None:
        """Forget everything for a moment too short to be missed: every coil is off."""
        with self._changed:
            self._received = b""
            for output in self._coils:
                self._set(output, on=False)

    def press(self, name: str, active: bool) -> None:
        """Close (``True``) or open the contact of an input. Raises ``KeyError`` for an unknown one."""
        with self._changed:
            self._contacts[self._addresses[name]] = active

    def wait_read(self, timeout_s: float) -> bool:
        """Wait until the terminal has read the contacts as they are now; ``False`` after the timeout."""
        with self._changed:
            before = self._readings
            return self._changed.wait_for(lambda: self._readings > before, timeout_s)

    @property
    def inputs(self) -> dict[str, bool]:
        """The contacts by name, ``True`` for closed."""
        with self._changed:
            return {name: self._contacts[address] for name, address in self._addresses.items()}

    @property
    def outputs(self) -> dict[str, bool]:
        """The coils by name."""
        with self._changed:
            return dict(self._coils)

    @property
    def history(self) -> tuple[CoilChange, ...]:
        """The last ``HISTORY_MAX`` changes, oldest first."""
        with self._changed:
            return tuple(self._history)

    def wait(self, output: str, *, on: bool, timeout_s: float) -> bool:
        """Wait until a coil is in this state; ``False`` after the timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: self._coils[output] is on, timeout_s)

    def receive(self, data: bytes) -> None:
        """What came over the wire, split anywhere; the answer goes out through ``port``."""
        self._received = (self._received + data)[-FRAME_MAX_BYTES:]
        try:
            used, request = self._framer.handleFrame(self._received, 0, 0)
        except ModbusException:
            self._received = b""
            return
        self._received = self._received[used:]
        if request is not None and request.dev_id == self._device_id:
            with self._changed:
                answer = self._answer(request)
            answer.dev_id = request.dev_id
            self.port.write(self._framer.buildFrame(answer))

    def _answer(self, request: ModbusPDU) -> ModbusPDU:
        wanted = range(request.address, request.address + request.count)
        match request:
            case CoilWrite():
                return self._write(request)
            case ReadDiscreteInputsRequest():
                self._readings += 1
                self._changed.notify_all()
                return ReadDiscreteInputsResponse(bits=[self._contacts.get(address, False) for address in wanted])
            case ReadCoilsRequest():
                return ReadCoilsResponse(bits=[self._coils.get(self._names.get(each, ""), False) for each in wanted])
        return ExceptionResponse(request.function_code, ExcCodes.ILLEGAL_FUNCTION)

    def _write(self, request: CoilWrite) -> ModbusPDU:
        output = self._names.get(request.address)
        flashed = self._names.get(request.address - FLASH_ADDRESS)
        if output is not None and request.value in (ON, OFF):
            self._set(output, on=request.value == ON)
        elif flashed is not None and 0 < request.value <= FLASH_STEPS_MAX:
            self._set(flashed, on=True)
            self._flash(flashed, request.value * FLASH_STEP_MS / 1000)
        else:
            unknown = output is None and flashed is None
            code = ExcCodes.ILLEGAL_ADDRESS if unknown else ExcCodes.ILLEGAL_VALUE
            return ExceptionResponse(request.function_code, code)
        return CoilWrite(request.address, request.value)

    def _flash(self, output: str, seconds: float) -> None:
        def end() -> None:
            with self._changed:
                if self._flashes.get(output) is timer:
                    self._set(output, on=False)

        if output in self._flashes:
            self._flashes[output].cancel()
        timer = self._flashes[output] = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()

    def _set(self, output: str, *, on: bool) -> None:
        if not on and output in self._flashes:  # switching on does not stop a board's timer
            self._flashes.pop(output).cancel()
        if self._coils[output] is not on:
            self._coils[output] = on
            self._history.append(CoilChange(output, on, time.monotonic_ns()))
            self._changed.notify_all()
