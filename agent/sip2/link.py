"""One connection to the library's system: one question at a time, each with a deadline.

The rules:

1. A question bears a sequence number, and only an answer of its kind with the same number is its answer. Other
   numbers are late answers to what was given up: a few are skipped, more end the connection.
2. An answer with a wrong checksum is asked for again (97), at most ``MAX_RESENDS`` times; the system may ask the same
   of us (96). The system, which remembers the last number, does nothing twice.
3. Whatever else goes wrong ends the connection, so that no later answer can be taken for that of another question.
   What became of the question is then unknown, and whoever asked must find out.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TypeVar, cast

from agent.sip2.errors import Sip2Error, Sip2Fault
from agent.sip2.line import LineBuffer
from agent.sip2.messages import Message, RequestAcsResend, RequestScResend, read_answer

MAX_RESENDS = 2
MAX_STRAYS = 3
_READ_BYTES = 4_096

M = TypeVar("M", bound=Message)


class Sip2Link:
    """An open connection. Use :meth:`open`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, encoding: str, *, checked: bool
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._encoding = encoding
        self._checked = checked
        self._lines = LineBuffer()
        self._sequence = 0
        self._asking = asyncio.Lock()
        self.is_open = True

    @classmethod
    async def open(
        cls,
        place: tuple[str, int],
        encoding: str,
        deadline_s: float,
        *,
        checked: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> Sip2Link:
        """Connect to host and port. Raises :class:`Sip2Error`."""
        try:
            async with asyncio.timeout(deadline_s):
                reader, writer = await asyncio.open_connection(*place, ssl=tls)
        except (OSError, TimeoutError) as error:
            raise Sip2Error(Sip2Fault.UNREACHABLE, type(error).__name__) from None
        return cls(reader, writer, encoding, checked=checked)

    def close(self) -> None:
        """End the connection; harmless when it has ended."""
        self.is_open = False
        self._writer.close()

    async def ask(self, question: Message, answer: type[M], deadline_s: float) -> M:
        """Ask and wait for the answer. Raises :class:`Sip2Error`; then the connection has ended."""
        answered = False
        try:
            async with asyncio.timeout(deadline_s), self._asking:
                if not self.is_open:
                    raise Sip2Error(Sip2Fault.CLOSED)
                reply = await self._ask(question, answer.code)
                answered = True
        except TimeoutError:
            raise Sip2Error(Sip2Fault.SILENT) from None
        except OSError as error:
            raise Sip2Error(Sip2Fault.CLOSED, type(error).__name__) from None
        finally:
            if not answered:
                self.close()
        return cast("M", reply)

    async def _ask(self, question: Message, answer_code: str) -> Message:
        sequence = self._sequence if self._checked else None
        self._sequence = (self._sequence + 1) % 10
        line = question.to_bytes(sequence, self._encoding, checked=self._checked)
        await self._send(line)
        resends = strays = 0
        while resends <= MAX_RESENDS and strays <= MAX_STRAYS:
            try:
                received = read_answer(await self._next_line(), self._encoding)
            except Sip2Error as error:
                if error.fault is not Sip2Fault.CHECKSUM:
                    raise
                resends += 1
                await self._send(RequestAcsResend().to_bytes(None, self._encoding))
                continue
            if isinstance(received.message, RequestScResend):
                resends += 1
                await self._send(line)
            elif self._checked and (received.sequence != sequence or not received.checked):
                strays += 1
            elif received.message.code != answer_code:
                raise Sip2Error(Sip2Fault.UNEXPECTED)
            else:
                return received.message
        raise Sip2Error(Sip2Fault.CHECKSUM if resends > MAX_RESENDS else Sip2Fault.SEQUENCE)

    async def _send(self, line: bytes) -> None:
        self._writer.write(line)
        await self._writer.drain()

    async def _next_line(self) -> bytes:
        while (line := self._lines.next()) is None:
            data = await self._reader.read(_READ_BYTES)
            if not data:
                raise Sip2Error(Sip2Fault.CLOSED)
            self._lines.feed(data)
        return line

    async def wait_closed(self) -> None:
        """Wait until the socket is gone."""
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
