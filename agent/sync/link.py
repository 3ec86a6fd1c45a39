"""The MQTT link: one broker, one connection at a time, kept up for ever.

Each attempt has a connection of its own, so nothing queued for a dead one is sent again on the next: what must arrive
is sent again by the uplink. MQTT 5 first; a broker that refuses it is spoken to in 3.1.1, and remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from agent.backoff import Backoff
from agent.clock import Clock, Random
from agent.keys import TlsFiles
from agent.sync.connection import Connection, Down, Endpoint, Event, Protocol, Received, Up, tls_context
from agent.sync.contract import Address, Channel
from agent.sync.faults import LinkError, LinkFault

__all__ = [
    "Down",
    "Event",
    "Link",
    "LinkError",
    "LinkFault",
    "LinkPhase",
    "LinkSettings",
    "LinkStatus",
    "Received",
    "Up",
]

_ANSWER_S = 30.0
_OTHER: dict[Protocol, Protocol] = {"5": "3.1.1", "3.1.1": "5"}


class LinkSettings(BaseModel):
    """Where the platform's broker is. TLS with this terminal's certificate; without it on the loopback only."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    host: str = Field(min_length=1, max_length=253, description="name or address, as its certificate has it")
    port: int = Field(default=8883, ge=1, le=65535)
    tls: bool = Field(default=True, description="false only for a broker on this machine")
    keepalive_s: int = Field(default=20, ge=5, le=300, description="a dead link is noticed after up to twice this time")
    connect_timeout_s: int = Field(default=5, ge=1, le=60)
    session_expiry_s: int = Field(default=7 * 86_400, ge=0, le=30 * 86_400)
    backoff_first_ms: int = Field(default=500, ge=10, le=60_000)
    backoff_cap_ms: int = Field(default=60_000, ge=10, le=3_600_000)

    @field_validator("host")
    @classmethod
    def _host_is_ascii(cls, host: str) -> str:
        labels = host.removesuffix(".").split(".")
        if (
            not host.isascii()
            or not host.isprintable()
            or " " in host
            or not all(0 < len(part) < 64 for part in labels)
        ):
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "应为主机名（每段 1 至 63 个字符）或地址",
                    "en": "should be a host name of labels of 1 to 63 characters, or an address",
                },
            )
        return host

    @model_validator(mode="after")
    def _bare_only_at_home(self) -> LinkSettings:
        if not self.tls and not _is_loopback(self.host):
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "tls: false 只用于本机的消息服务器；请设 tls: true",
                    "en": "tls: false is for a broker on this machine only; set tls: true",
                },
            )
        return self


class LinkPhase(StrEnum):
    """What the link is doing."""

    CONNECTING = "connecting"
    UP = "up"
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The link as the technician sees it. ``retry_at_ms`` is monotonic and set while waiting."""

    phase: LinkPhase
    protocol: Protocol
    fault: LinkFault | None = None
    detail: str = ""
    attempts: int = 0
    retry_at_ms: int | None = None


class Link:
    """Keeps one connection to the broker.

    ``will`` and ``goodbye`` make the retained state that stands after a lost connection and after a clean stop.
    """

    def __init__(
        self,
        address: Address,
        settings: LinkSettings,
        tls: TlsFiles | None,
        will: Callable[[], bytes],
        goodbye: Callable[[], bytes],
        clock: Clock,
        random: Random,
    ) -> None:
        """Raises :class:`LinkError` if the terminal's own credentials cannot be used."""
        self._address = address
        self._endpoint = Endpoint(
            settings.host,
            settings.port,
            tls_context(address.terminal, tls) if settings.tls else None,
            settings.keepalive_s,
            settings.connect_timeout_s,
            settings.session_expiry_s,
        )
        self.counters: Counter[str] = Counter()
        self.status = LinkStatus(LinkPhase.CONNECTING, "5")
        self._will = will
        self._goodbye = goodbye
        self._clock = clock
        self._backoff = Backoff(random, settings.backoff_first_ms, settings.backoff_cap_ms)
        self._protocol: Protocol = "5"
        self._proven = False
        self._connection: Connection | None = None
        self._stopping = asyncio.Event()

    def publish(self, channel: Channel, payload: bytes, *, retain: bool = False) -> bool:
        """Hand a message to the broker at QoS 1; ``False`` if there is no connection or no room for it."""
        connection = self._connection
        if connection is None or self.status.phase is not LinkPhase.UP:
            return False
        accepted = connection.publish(channel, payload, retain=retain)
        if not accepted:
            self.counters["unsent"] += 1
        return accepted

    def stop(self) -> None:
        """Make :meth:`run` say goodbye and end."""
        self._stopping.set()
        if self._connection is not None:
            self._connection.interrupt()

    async def run(self, handle: Callable[[Event], Awaitable[None]]) -> None:
        """Connect and reconnect until :meth:`stop`; awaits ``handle`` for each event, in order."""
        try:
            while not self._stopping.is_set():
                last = self.status
                self.status = LinkStatus(
                    LinkPhase.CONNECTING, self._protocol, last.fault, last.detail, last.attempts + 1
                )
                await self._session(handle)
                await self._pause()
        finally:
            self.status = LinkStatus(LinkPhase.STOPPED, self._protocol)

    async def _session(self, handle: Callable[[Event], Awaitable[None]]) -> None:
        """One connection up to its first :class:`Down`; paho tells of some ends twice."""
        connection = Connection(self._address, self._endpoint, self._protocol, self._will(), self.counters)
        self._connection = connection
        connection.open()
        try:
            while not self._stopping.is_set():
                event = await self._next(connection)
                if event is not None:
                    self._note(event)
                    await handle(event)
                if isinstance(event, Down):
                    return
        finally:
            self.publish(Channel.STATE, self._goodbye(), retain=True)
            self._connection = None
            await connection.close()

    async def _next(self, connection: Connection) -> Event | None:
        try:
            async with asyncio.timeout(None if self.status.phase is LinkPhase.UP else _ANSWER_S):
                return await connection.next_event()
        except TimeoutError:
            return Down(LinkFault.SILENT)

    def _note(self, event: Event) -> None:
        match event:
            case Up():
                self._proven = True
                self._backoff.reset()
                self.status = LinkStatus(LinkPhase.UP, self._protocol)
            case Down(fault, detail):
                self.status = replace(self.status, phase=LinkPhase.WAITING, fault=fault, detail=detail)
                # A 3.1.1 broker may also answer a level that it does not know by closing (MQTT 3.1.1 §3.1.2.2).
                if fault is LinkFault.VERSION or (fault is LinkFault.CLOSED and not self._proven):
                    self._protocol = _OTHER[self._protocol]

    async def _pause(self) -> None:
        delay_ms = self._backoff.next_ms()
        self.status = replace(self.status, retry_at_ms=self._clock.monotonic_ms() + delay_ms)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_ms / 1000):
                await self._stopping.wait()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
