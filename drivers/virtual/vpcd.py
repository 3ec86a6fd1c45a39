"""The card's side of vpcd, the virtual PC/SC reader of the vsmartcard project.

A virtual card is a TCP client of the reader driver inside pcscd. Each message is a 2-byte big-endian length and a body;
a body of one byte is a control (:class:`Control`), any other is a command APDU to answer.
"""

from __future__ import annotations

import logging
import socket
import threading
from enum import IntEnum

from drivers.virtual.api import CardProgram, Torn

_RETRY_S = 0.05
_LENGTH_BYTES = 2
_MESSAGE_MAX_BYTES = 0xFFFF
_NO_ANSWER_TO_RESET = bytes(64)
"""Longer than any ATR (33 bytes, ISO/IEC 7816-3 §8.2), so pcscd sees a card whose power-up fails: vpcd has no message
for a present card that stays mute."""

log = logging.getLogger(__name__)


class Control(IntEnum):
    """The one-byte messages of the reader."""

    OFF = 0
    ON = 1
    RESET = 2
    ATR = 4


class VpcdSlot:
    """A :class:`~drivers.virtual.api.CardSlot` at one vpcd port; safe to use from any thread.

    An inserted card survives a restart of pcscd: it connects again until it is removed. Silence in mid-session (an
    empty answer) cannot be said in this protocol; like :class:`Torn` it ends the presentation.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._lock = threading.Lock()
        self._inserted: _Insertion | None = None

    def insert(self, program: CardProgram) -> None:
        with self._lock:
            if self._inserted is not None:
                self._inserted.end()
            self._inserted = _Insertion(self._address, program)

    def remove(self) -> None:
        with self._lock:
            if self._inserted is not None:
                self._inserted.end()
                self._inserted = None


class _Insertion:
    """One card between insert and remove, with a thread that answers for it."""

    def __init__(self, address: tuple[str, int], program: CardProgram) -> None:
        self._address = address
        self._program = program
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        threading.Thread(target=self._run, name=f"vpcd-{address[1]}", daemon=True).start()

    def end(self) -> None:
        """The reader sees the removal at once; a command that the program works on gets no answer."""
        with self._lock:
            self._ended.set()
            if self._connection is not None:
                _shut(self._connection)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with socket.create_connection(self._address) as connection:
                    self._adopt(connection)
                    self._serve(connection)
            except Torn:
                return
            except OSError as error:
                log.debug("vpcd port %d: %s", self._address[1], error)
            finally:
                with self._lock:
                    self._connection = None
            self._ended.wait(_RETRY_S)

    def _adopt(self, connection: socket.socket) -> None:
        with self._lock:
            self._connection = connection
            if self._ended.is_set():
                _shut(connection)

    def _serve(self, connection: socket.socket) -> None:
        while (message := _receive(connection)) is not None:
            answer = self._answer(message)
            if answer is not None and not self._ended.is_set():
                connection.sendall(len(answer).to_bytes(_LENGTH_BYTES, "big") + answer)

    def _answer(self, message: bytes) -> bytes | None:
        if len(message) <= 1:
            return self._control(message)
        answer = self._program.answer(message)
        if not 0 < len(answer) <= _MESSAGE_MAX_BYTES:
            raise Torn
        return answer

    def _control(self, message: bytes) -> bytes | None:
        if message == bytes([Control.ATR]):
            return self._program.atr or _NO_ANSWER_TO_RESET
        if message in (bytes([Control.ON]), bytes([Control.RESET])):
            self._program.reset()
        return None


def _receive(connection: socket.socket) -> bytes | None:
    length = _receive_exactly(connection, _LENGTH_BYTES)
    return None if length is None else _receive_exactly(connection, int.from_bytes(length, "big"))


def _receive_exactly(connection: socket.socket, size_bytes: int) -> bytes | None:
    """Exactly so many bytes, or ``None`` when the reader has closed the connection."""
    parts = bytearray()
    while len(parts) < size_bytes:
        # Length and body come in two segments: without an immediate ACK Nagle's algorithm holds the second one back
        # for 40 ms, and the kernel forgets the option, so it is set before each receive.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        part = connection.recv(size_bytes - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        log.debug("the reader had closed the connection already")
