"""The way to one broker, step by step, for a technician: name, connection, encryption, and what the broker says.

No step disturbs a connected terminal: TLS takes nobody's session. Only where no agent runs is MQTT spoken, by one
CONNECT that keeps the session and acknowledges nothing (MQTT 3.1.1 §3.1.2.4), so that what waits there goes on waiting.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum

from agent.sync.faults import LinkFault, fault_of

ACCEPTED_S = 0.25
"""With TLS 1.3 a broker refuses a certificate after the handshake; one that says nothing for so long took it."""
_CONNACK_BYTES = 4
_REFUSALS = {4: LinkFault.REFUSED, 5: LinkFault.REFUSED, 2: LinkFault.REFUSED, 1: LinkFault.VERSION}
"""CONNACK return codes (MQTT 3.1.1 §3.2.2.3); 3 is a broker that cannot serve just now."""


class Step(Enum):
    """What is tried, in this order."""

    NAME = "name"
    TCP = "tcp"
    TLS = "tls"
    MQTT = "mqtt"


@dataclass(frozen=True, slots=True)
class Passed:
    """One step: how long it took, and its fault, after which no other step comes."""

    step: Step
    took_ms: int
    fault: LinkFault | None = None
    detail: str = ""
    broker_until: str | None = None
    """After TLS: the last moment of the broker's certificate, as OpenSSL words it."""


@dataclass(frozen=True, slots=True)
class Way:
    """One broker; ``client_id`` where MQTT may be spoken, ``tls`` ``None`` for one on this machine."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    timeout_s: float
    client_id: str | None = None


def walk(way: Way) -> Iterator[Passed]:
    """Every step up to the first that fails."""
    with contextlib.ExitStack() as open_things:
        channel: socket.socket | None = None
        for step in Step:
            if (step is Step.TLS and way.tls is None) or (step is Step.MQTT and way.client_id is None):
                continue
            started_s = time.monotonic()
            try:
                channel, until = _take(step, way, channel, open_things)
            except OSError as error:
                yield Passed(step, _since_ms(started_s), _fault(step, error), _detail(error))
                return
            except _Refused as refused:
                yield Passed(step, _since_ms(started_s), refused.fault)
                return
            yield Passed(step, _since_ms(started_s), broker_until=until)


class _Refused(Exception):
    def __init__(self, fault: LinkFault) -> None:
        super().__init__(fault.en)
        self.fault = fault


def _take(
    step: Step, way: Way, channel: socket.socket | None, open_things: contextlib.ExitStack
) -> tuple[socket.socket | None, str | None]:
    if step is Step.NAME:
        _resolve(way.host, way.port, way.timeout_s)
        return None, None
    if step is Step.TCP or channel is None:
        return open_things.enter_context(socket.create_connection((way.host, way.port), way.timeout_s)), None
    if step is Step.TLS and way.tls is not None:
        wrapped = open_things.enter_context(way.tls.wrap_socket(channel, server_hostname=way.host))
        _must_stay_silent(wrapped, way.timeout_s)
        return wrapped, str((wrapped.getpeercert() or {}).get("notAfter") or "") or None
    _connect(channel, way.client_id or "")
    return channel, None


def _resolve(host: str, port: int, timeout_s: float) -> None:
    """Resolvers have patience of their own, and no way to bound it. Raises ``OSError``, also when the time is up."""
    answer: Future[object] = Future()

    def ask() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.set_exception(error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, "no name"))

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    answer.result(timeout_s)


def _must_stay_silent(channel: ssl.SSLSocket, timeout_s: float) -> None:
    """A broker waits for the client's first word; what it says before is its refusal. Raises ``OSError``."""
    channel.settimeout(ACCEPTED_S)
    try:
        if not channel.recv(1):
            raise _Refused(LinkFault.REFUSED)
    except TimeoutError:
        return
    except (ssl.SSLError, ConnectionError) as error:
        raise _Refused(LinkFault.REFUSED) from error
    finally:
        channel.settimeout(timeout_s)
    raise _Refused(LinkFault.GARBLED)


def _connect(channel: socket.socket, client_id: str) -> None:
    """CONNECT, CONNACK, DISCONNECT. Raises ``OSError`` and :class:`_Refused`."""
    name = client_id.encode("ascii")
    body = b"\x00\x04MQTT\x04\x00\x00\x3c" + len(name).to_bytes(2, "big") + name
    channel.sendall(bytes((0x10, len(body))) + body)
    answer = b""
    while len(answer) < _CONNACK_BYTES:
        piece = channel.recv(_CONNACK_BYTES - len(answer))
        if not piece:
            raise _Refused(LinkFault.CLOSED)
        answer += piece
    if answer[:2] != b"\x20\x02":
        raise _Refused(LinkFault.GARBLED)
    if answer[3]:
        raise _Refused(_REFUSALS.get(answer[3], LinkFault.UNREACHABLE))
    channel.sendall(b"\xe0\x00")


def _fault(step: Step, error: OSError) -> LinkFault:
    if step is Step.NAME:
        return LinkFault.NO_NAME
    if step is Step.TLS and isinstance(error, ConnectionError):
        return LinkFault.CLOSED
    return fault_of(error)


def _detail(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return error.strerror or type(error).__name__


def _since_ms(started_s: float) -> int:
    return round((time.monotonic() - started_s) * 1000)
