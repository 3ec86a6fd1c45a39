"""Pictures from an IP camera: JPEG parts of a ``multipart/x-mixed-replace`` answer to one HTTP GET (RFC 2046 §5.1).

There is no standard for it beyond that; what real cameras do differently is borne: a boundary declared with or without
its two hyphens, parts without a length, bare line feeds.
"""

from __future__ import annotations

import base64
import re
import socket
from contextlib import ExitStack, suppress
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit

from drivers.api import ReaderError, ReaderFault

PART_MAX_BYTES = 8 * 1024 * 1024
HEAD_MAX_BYTES = 4096
RECEIVE_SIZE_BYTES = 65_536

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_STATUS_FAULTS = {401: ReaderFault.DENIED, 403: ReaderFault.DENIED, 404: ReaderFault.NOT_FOUND}


class NotMultipart(ValueError):
    """The bytes are not the announced parts."""


class PartSplitter:
    """Bytes in, however split; whole parts out, in order."""

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"--" + boundary.removeprefix("--").encode("ascii")
        self._received = bytearray()
        self._length: int | None = None
        self._in_part = False

    def feed(self, data: bytes) -> list[bytes]:
        """The parts that these bytes complete. Raises :class:`NotMultipart`."""
        self._received += data
        parts: list[bytes] = []
        while (part := self._take()) is not None:
            if part:
                parts.append(part)
        if len(self._received) > PART_MAX_BYTES:
            raise NotMultipart("a part is too long")
        return parts

    def _take(self) -> bytes | None:
        if not self._in_part and not self._take_head():
            return None
        end = self._length if self._length is not None else self._received.find(self._delimiter)
        if not 0 <= end <= len(self._received):
            return None
        part = bytes(self._received[:end])
        del self._received[:end]
        self._in_part = False
        return part if self._length is not None else part.removesuffix(b"\n").removesuffix(b"\r")

    def _take_head(self) -> bool:
        start = self._received.find(self._delimiter)
        if start < 0:
            if len(self._received) > HEAD_MAX_BYTES:
                raise NotMultipart("no part begins")
            return False
        end = _HEAD_END.search(self._received, start)
        if end is None:
            if len(self._received) - start > HEAD_MAX_BYTES:
                raise NotMultipart("a part has no end of its head")
            return False
        length = _LENGTH.search(self._received, start, end.start() + 1)
        self._length = int(length[1]) if length else None
        if self._length is not None and self._length > PART_MAX_BYTES:
            raise NotMultipart("a part is too long")
        del self._received[: end.end()]
        self._in_part = True
        return True


class MjpegStream:
    """One connection to a camera. Only :meth:`interrupt` may be called from another thread."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = urlsplit(url)
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._interrupted = False
        self._stream: tuple[HTTPResponse, PartSplitter] | None = None
        self._held = ExitStack()

    def open(self) -> None:
        """Connect and ask for the stream. Raises :class:`ReaderError`; its text never holds the URL's password."""
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        try:
            connection = kind(self._url.hostname or "", self._url.port, timeout=self._timeout_s)
            self._held.callback(connection.close)
            connection.connect()
            self._socket = connection.sock
            if self._interrupted:  # before there was a socket to shut
                self.interrupt()
            connection.request("GET", _target(self._url), headers=_authorization(self._url))
            answer = self._held.enter_context(connection.getresponse())
        except TimeoutError as error:
            raise self._fault(ReaderFault.SILENT, "no answer") from error
        except (OSError, ValueError) as error:
            raise self._fault(ReaderFault.NOT_FOUND, type(error).__name__) from error
        except HTTPException as error:
            raise self._fault(ReaderFault.PROTOCOL, type(error).__name__) from error
        self._stream = (answer, PartSplitter(self._boundary(answer)))

    def parts(self) -> list[bytes]:
        """Wait for bytes; the parts that they complete. Raises :class:`ReaderError`."""
        if self._stream is None:
            raise self._fault(ReaderFault.UNPLUGGED, "not open")
        answer, splitter = self._stream
        try:
            received = answer.read1(RECEIVE_SIZE_BYTES)
            if received:
                return splitter.feed(received)
        except TimeoutError as error:
            raise self._fault(ReaderFault.SILENT, "no pictures") from error
        except NotMultipart as error:
            raise self._fault(ReaderFault.PROTOCOL, str(error)) from error
        except (OSError, ValueError, HTTPException) as error:
            raise self._fault(ReaderFault.UNPLUGGED, type(error).__name__) from error
        raise self._fault(ReaderFault.UNPLUGGED, "the stream ended")

    def interrupt(self) -> None:
        """End the blocked call of another thread, which then raises."""
        self._interrupted = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        self._held.close()

    def _boundary(self, answer: HTTPResponse) -> str:
        if answer.status != 200:  # RFC 9110 §15.3.1
            raise self._fault(_STATUS_FAULTS.get(answer.status, ReaderFault.PROTOCOL), f"HTTP {answer.status}")
        kind = Message()
        kind["Content-Type"] = answer.headers.get("Content-Type", "")
        boundary = kind.get_boundary()
        if kind.get_content_maintype() != "multipart" or not boundary or not boundary.isascii():
            raise self._fault(ReaderFault.PROTOCOL, "not a stream of pictures")
        return boundary

    def _fault(self, fault: ReaderFault, why: str) -> ReaderError:
        return ReaderError(fault, f"{self._url.hostname}: {why}")


def _target(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _authorization(url: SplitResult) -> dict[str, str]:
    """Basic authentication (RFC 7617), if the URL names a user."""
    if url.username is None:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}
