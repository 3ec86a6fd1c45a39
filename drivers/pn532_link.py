"""Commands and answers with a PN532 over its serial interface (NXP UM0701-02 §6.2.2): one at a time, never mixed up.

Answers carry no number, so one that comes late could be taken for the answer to the next command. Hence two rules:
a command is never sent twice unless the caller says that it may be, and after any irregularity (a damaged frame, a
missing acknowledgement, an answer asked for again) the next command waits behind a barrier: an echo whose text was
never used before, before which everything is thrown away.
"""

from __future__ import annotations

import itertools
import time

from drivers.api import ReaderError, ReaderFault
from drivers.pn532_frame import Ack, ApplicationError, Frame, FrameParser, Information, Nack
from drivers.serial_port import SerialPort

FROM_HOST = 0xD4
FROM_DEVICE = 0xD5
DIAGNOSE = 0x00
ECHO_TEST = 0x00

# §7.2.11 of the manual: the serial interface needs a preamble of 55 and some time to leave its sleep.
_WAKE_UP = b"\x55\x55" + bytes(14)
_BARRIER_TRIES = 3
_REPEAT_TRIES = 3
_NACK_TRIES = 2


class LineFault(Exception):
    """One command got no usable answer, though the device answers others. ``damaged``: whether one came, damaged."""

    def __init__(self, damaged: bool) -> None:
        super().__init__("a damaged answer" if damaged else "no answer")
        self.damaged = damaged


class Pn532Link:
    """The host's end. Every call is bounded; raises ``ReaderError`` and :class:`drivers.serial_port.Cancelled`."""

    def __init__(self, port: SerialPort, ack_timeout_ms: int) -> None:
        self._port = port
        self._patience_ns = ack_timeout_ms * 1_000_000
        self._parser = FrameParser()
        self._received_bytes = 0
        self._echo_numbers = itertools.count()
        self._in_doubt = True
        self._acknowledged = False
        self._last_answer = b""

    def wake(self, code: int, data: bytes) -> None:
        """Wake the device and have it carry out its first command.

        Raises ``ReaderError``: SILENT when no byte comes back, PROTOCOL when nothing of it makes sense.
        """
        received_before = self._received_bytes
        for _ in range(_REPEAT_TRIES):
            self._port.write(_WAKE_UP)
            try:
                self._exchange(code, data, self._patience_ns)
            except LineFault:
                continue
            return self._barrier()
        raise self._dead(received_before)

    def repeat(self, code: int, data: bytes, timeout_ms: int) -> bytes:
        """:meth:`call` for a command that may be carried out twice: tried again a few times."""
        for _ in range(_REPEAT_TRIES):
            try:
                return self.call(code, data, timeout_ms)
            except LineFault:
                continue
        raise ReaderError(ReaderFault.PROTOCOL, f"no usable answer to command {code:02X}")

    def call(self, code: int, data: bytes, timeout_ms: int) -> bytes:
        """Send one command once; the answer's data behind its code. Raises :class:`LineFault` too."""
        if self._in_doubt:
            self._barrier()
        try:
            return self._exchange(code, data, timeout_ms * 1_000_000)
        except LineFault:
            self._barrier()
            raise

    def idle(self, deadline_ns: int) -> None:
        """Wait; sees at once when the port is unplugged or the wait is cancelled."""
        while time.monotonic_ns() < deadline_ns:
            self._receive(deadline_ns)

    def _barrier(self) -> None:
        """Abort what is under way (UM0701-02 §6.2.2.1 d) and let everything pass that was sent before now."""
        received_before = self._received_bytes
        for _ in range(_BARRIER_TRIES):
            echo = bytes((ECHO_TEST,)) + next(self._echo_numbers).to_bytes(8, "big")
            self._port.write(Ack().to_bytes())
            try:
                self._exchange(DIAGNOSE, echo, self._patience_ns, expected=echo)
            except LineFault:
                continue
            return
        raise self._dead(received_before)

    def _exchange(self, code: int, data: bytes, timeout_ns: int, expected: bytes | None = None) -> bytes:
        """Command, acknowledgement, answer; with ``expected``, any other answer is passed over."""
        self._receive(time.monotonic_ns())
        self._parser.reset()
        # Whatever interrupts from here on leaves an answer that may still come.
        self._in_doubt = True
        self._acknowledged = False
        dropped_before = self._parser.dropped_bytes
        answer_by_ns = time.monotonic_ns() + timeout_ns
        self._port.write(Information(bytes((FROM_HOST, code)) + data).to_bytes())
        answer = self._wait(code, expected, answer_by_ns)
        asked_again = False
        for _ in range(_NACK_TRIES):
            # Asked before it has sent this answer, the device would repeat the one before.
            if answer is not None or not self._acknowledged or not self._damaged_since(dropped_before):
                break
            asked_again = True
            self._parser.reset()
            self._port.write(Nack().to_bytes())
            answer_by_ns = max(answer_by_ns, time.monotonic_ns() + self._patience_ns)
            answer = self._wait(code, expected, answer_by_ns)
            if answer == self._last_answer:
                answer = None
        damaged = self._damaged_since(dropped_before)
        if answer is None:
            raise LineFault(damaged)
        self._last_answer = answer
        self._in_doubt = damaged or asked_again
        return answer[2:]

    def _wait(self, code: int, expected: bytes | None, answer_by_ns: int) -> bytes | None:
        """The answer's body, or ``None`` when nothing usable came in time."""
        head = bytes((FROM_DEVICE, code + 1))
        dropped_before = self._parser.dropped_bytes
        deadline_ns = answer_by_ns if self._acknowledged else time.monotonic_ns() + self._patience_ns
        while True:
            last_look = time.monotonic_ns() >= deadline_ns
            frames = self._receive(deadline_ns)
            for frame in frames or ():
                if isinstance(frame, Ack):
                    self._acknowledged = True
                    deadline_ns = answer_by_ns
                elif isinstance(frame, ApplicationError):
                    return None
                elif isinstance(frame, Information) and frame.body[:2] == head and expected in (None, frame.body[2:]):
                    return frame.body
            if frames is None or last_look:
                return None
            if self._damaged_since(dropped_before):
                # The device sends a frame without pauses: what is missing now will not come by itself.
                deadline_ns = min(deadline_ns, time.monotonic_ns() + self._patience_ns)

    def _receive(self, deadline_ns: int) -> list[Frame] | None:
        """The frames completed by what arrives next; ``None`` when the deadline comes first."""
        data = self._port.read(deadline_ns)
        self._received_bytes += len(data)
        return self._parser.feed(data) if data else None

    def _damaged_since(self, dropped_before: int) -> bool:
        return self._parser.pending_bytes > 0 or self._parser.dropped_bytes > dropped_before

    def _dead(self, received_before: int) -> ReaderError:
        silent = self._received_bytes == received_before
        return ReaderError(ReaderFault.SILENT if silent else ReaderFault.PROTOCOL, self._port.path)
