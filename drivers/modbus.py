"""Modbus-RTU as a client: pymodbus's transactions over our own serial port (Modbus over Serial Line V1.02).

pymodbus's own serial client sleeps in steps of a millisecond while it waits and leaves no silence between frames; this
one wakes with the first byte and keeps the silence.
"""

from __future__ import annotations

import logging
import struct
import time

from pymodbus.client import ModbusBaseSyncClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.transport import CommParams, CommType

from drivers.api import ReaderError, ReaderFault
from drivers.modbus_coil import OFF, ON, CoilWrite, flash_steps
from drivers.serial_port import SerialPort

# Its errors reach us as exceptions, and a log handler that hangs must not hang the thread that opens for fire.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)

READ_DISCRETE_INPUTS = 2
_HEAD_BYTES = 3
_CRC_BYTES = 2


def silence_ns(baud: int) -> int:
    """The silence between two frames: 3.5 characters of 11 bits, 1.75 ms above 19200 baud (V1.02 §2.5.1.1)."""
    return 1_750_000 if baud > 19200 else 38_500_000_000 // baud


class _Wire(ModbusBaseSyncClient):
    """pymodbus's three hooks (send, receive, connected) on a :class:`SerialPort`, whose faults pass through."""

    def __init__(self, port: SerialPort, baud: int, timeout_s: float, retries: int) -> None:
        parameters = CommParams(comm_type=CommType.SERIAL, host=port.path, baudrate=baud, timeout_connect=timeout_s)
        super().__init__(FramerType.RTU, retries, parameters, None, None, None)
        self.register(CoilWrite)
        self.heard = False
        self.answered = False
        self.sent_ns = 0
        self._port = port
        self._timeout_ns = int(timeout_s * 1e9)
        self._silence_ns = silence_ns(baud)
        self._last_byte_ns = 0

    def connect(self) -> bool:
        return True

    def send(self, request: bytes, addr: tuple[str, int] | None = None) -> int:  # noqa: ARG002 - pymodbus's signature
        quiet_ns = time.monotonic_ns() - self._last_byte_ns
        if quiet_ns < self._silence_ns:
            time.sleep((self._silence_ns - quiet_ns) / 1e9)
        if not self.answered:
            # The late answer to an earlier request looks like the answer to this one: RTU frames carry no number.
            self._port.read(deadline_ns=0)
        self._port.write(request)
        self.sent_ns = time.monotonic_ns()
        return len(request)

    def recv(self, size: int | None) -> bytes:  # noqa: ARG002 - pymodbus's signature
        data = self._port.read(time.monotonic_ns() + self._timeout_ns)
        if data:
            self.heard = True
            self._last_byte_ns = time.monotonic_ns()
        else:
            self.answered = False
        return data

    def exchange(self, request: bytes, size_bytes: int) -> bytes:
        """Send, and return as much of an answer as comes, at most one read more than ``size_bytes``."""
        self.send(request)
        answer = b""
        while len(answer) < size_bytes and (data := self.recv(None)):
            answer += data
        return answer


def _framed(message: bytes) -> bytes:
    """With the checksum behind it (V1.02 §2.5.1.2), which pymodbus holds with its bytes swapped, as they are sent."""
    return message + FramerRTU.compute_CRC(message).to_bytes(_CRC_BYTES, "big")


class ModbusClient:
    """One board on one serial line. Every call raises :class:`ReaderError`.

    SILENT if nothing came back within the timeout and the retries, PROTOCOL if what came was no answer or a refusal.
    """

    def __init__(self, port: SerialPort, baud: int, device_id: int, timeout_s: float, retries: int) -> None:
        self._wire = _Wire(port, baud, timeout_s, retries)
        self._path = port.path
        self._device_id = device_id
        self._requests: dict[tuple[int, int], bytes] = {}
        self._last = b"", b""
        self._last_states: list[bool] = []

    def write_coil(self, address: int, on: bool) -> int:
        """Write Single Coil (V1.1b3 §6.5): returns when the board has echoed the request.

        The result is ``time.monotonic_ns()`` of the moment at which the request had been written.
        """
        return self._write(address, ON if on else OFF)

    def flash_coil(self, address: int, pulse_ms: int) -> int:
        """Flash-on (:mod:`drivers.modbus_coil`): the board ends the pulse by itself, at the step after ``pulse_ms``."""
        return self._write(address, flash_steps(pulse_ms))

    def _write(self, address: int, value: int) -> int:
        self._wire.heard = False
        try:
            answer = self._wire.execute(False, CoilWrite(address, value, self._device_id))
        except ModbusException as error:
            raise self._no_answer() from error
        self._wire.answered = True
        self._check(answer, f"coil {address}")
        if not isinstance(answer, CoilWrite) or (answer.address, answer.value) != (address, value):
            raise ReaderError(ReaderFault.PROTOCOL, f"{self._path}: coil {address} was not confirmed")
        return self._wire.sent_ns

    def read_discrete_inputs(self, address: int, count: int) -> list[bool]:
        """Read Discrete Inputs (V1.1b3 §6.2): ``count`` states from ``address`` on."""
        glance = self._glance(address, count)
        if glance is not None:
            return glance
        self._wire.heard = False
        try:
            answer = self._wire.read_discrete_inputs(address, count=count, device_id=self._device_id)
        except ModbusException as error:
            raise self._no_answer() from error
        self._wire.answered = True
        self._check(answer, f"{count} inputs from {address}")
        if not count <= len(answer.bits) < count + 8:
            raise ReaderError(ReaderFault.PROTOCOL, f"{self._path}: {len(answer.bits)} bits for {count} inputs")
        return list(answer.bits[:count])

    def _glance(self, address: int, count: int) -> list[bool] | None:
        """One poll as it nearly always goes; ``None``: anything else came, or nothing, and the whole transaction asks.

        Boards are polled fifty times a second, mostly for the answer that came before: that is compared, not parsed.
        """
        if not self._wire.answered:
            return None
        request = self._requests.get((address, count))
        if request is None:
            request = self._requests[address, count] = _framed(
                struct.pack(">BBHH", self._device_id, READ_DISCRETE_INPUTS, address, count)
            )
        size_bytes = -(-count // 8)
        answer = self._wire.exchange(request, _HEAD_BYTES + size_bytes + _CRC_BYTES)
        if (request, answer) == self._last:
            return list(self._last_states)
        head = bytes((self._device_id, READ_DISCRETE_INPUTS, size_bytes))
        if answer[:_HEAD_BYTES] != head or answer != _framed(answer[:-_CRC_BYTES]):
            self._wire.answered = False  # what is still on the line belongs to no later request
            return None
        bits = int.from_bytes(answer[_HEAD_BYTES:-_CRC_BYTES], "little")
        self._last = request, answer
        self._last_states = [bool(bits >> number & 1) for number in range(count)]
        return list(self._last_states)

    def _no_answer(self) -> ReaderError:
        self._wire.answered = False
        return ReaderError(ReaderFault.PROTOCOL if self._wire.heard else ReaderFault.SILENT, self._path)

    def _check(self, answer: ModbusPDU, asked: str) -> None:
        if answer.isError():
            raise ReaderError(
                ReaderFault.PROTOCOL, f"{self._path}: {asked} refused with exception {answer.exception_code}"
            )
