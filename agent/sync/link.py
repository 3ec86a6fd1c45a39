"""The MQTT link: several brokers in order, one connection at a time, kept up for ever.

The first broker is the one to be at. When it cannot be had the next ones are tried in their order, and from one of
those the way back is looked for: now and then a second connection is made beside the one that serves, which is left
only when the other stands, answers subscribed to. A broker that takes TCP and TLS and refuses MQTT, or never answers,
costs nothing. Nodes of one cluster know a client id once: there the new connection ends the old one in the moment in
which it is accepted, and the link goes on with it; an old one is never made again, so the two cannot fight. Between
rounds through all brokers the pauses grow, jittered and capped.

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
from agent.sync.connection import (
    Connection,
    Down,
    Endpoint,
    Event,
    Protocol,
    Received,
    Up,
    heed_dates,
    tls_context,
)
from agent.sync.contract import Address, Channel
from agent.sync.faults import LinkError, LinkFault
from agent.sync.pace import LEAST_KBIT_S
from profiles.api import ClockState

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


MAX_FALLBACKS = 7
STEADY_S = 60.0
"""A connection that stood for so long was a good one: the next pause is short, and the first broker comes first."""


class BrokerAddress(BaseModel):
    """Where one broker is."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    host: str = Field(min_length=1, max_length=253, description="name or address, as its certificate has it")
    port: int = Field(default=8883, ge=1, le=65535)

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


class LinkSettings(BrokerAddress):
    """Where the platform's broker is. TLS with this terminal's certificate; without it on the loopback only."""

    fallbacks: tuple[BrokerAddress, ...] = Field(
        default=(),
        max_length=MAX_FALLBACKS,
        description="brokers to go to, in this order, when the first cannot be had",
    )
    bandwidth_kbit_s: int | None = Field(
        default=None, ge=LEAST_KBIT_S, le=10_000_000, description="cap on the journal's upload; null: none"
    )
    failback_s: int = Field(default=600, ge=1, le=86_400, description="how often a better broker is looked for")
    tls: bool = Field(default=True, description="false only for a broker on this machine")
    keepalive_s: int = Field(default=20, ge=5, le=300, description="a dead link is noticed after up to twice this time")
    connect_timeout_s: int = Field(default=5, ge=1, le=60)
    session_expiry_s: int = Field(default=7 * 86_400, ge=0, le=30 * 86_400)
    backoff_first_ms: int = Field(default=500, ge=10, le=60_000)
    backoff_cap_ms: int = Field(default=60_000, ge=10, le=3_600_000)

    @property
    def brokers(self) -> tuple[BrokerAddress, ...]:
        """All of them, the first one first."""
        return (self, *self.fallbacks)

    @model_validator(mode="after")
    def _bare_only_at_home(self) -> LinkSettings:
        if not self.tls and not all(_is_loopback(broker.host) for broker in self.brokers):
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
    """The link as the technician sees it. ``retry_at_ms`` is monotonic and set while waiting; broker 0 is the first."""

    phase: LinkPhase
    protocol: Protocol
    fault: LinkFault | None = None
    detail: str = ""
    attempts: int = 0
    retry_at_ms: int | None = None
    broker: int = 0


@dataclass(slots=True)
class _Broker:
    """One broker, and what was learnt of it: which level it speaks, and whether it ever answered."""

    endpoint: Endpoint
    protocol: Protocol = "5"
    proven: bool = False


class Link:
    """Keeps one connection to the best broker that can be had.

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
        context = tls_context(address.terminal, tls) if settings.tls else None
        self._brokers = [
            _Broker(
                Endpoint(
                    broker.host,
                    broker.port,
                    context,
                    settings.keepalive_s,
                    settings.connect_timeout_s,
                    settings.session_expiry_s,
                )
            )
            for broker in settings.brokers
        ]
        self._at = 0
        self._up_at_s = 0.0
        self._failback_s: float = settings.failback_s
        self._random = random
        self.counters: Counter[str] = Counter()
        self.status = LinkStatus(LinkPhase.CONNECTING, "5")
        self._will = will
        self._goodbye = goodbye
        self._clock = clock
        self._backoff = Backoff(random, settings.backoff_first_ms, settings.backoff_cap_ms)
        self._connection: Connection | None = None
        self._better: tuple[int, Connection] | None = None
        self._stopping = asyncio.Event()

    def publish(self, channel: Channel, payload: bytes, *, retain: bool = False) -> bool:
        """Hand a message to the broker at QoS 1; ``False`` if there is no connection or no room for it."""
        connection = self._connection
        if connection is None or self.status.phase is not LinkPhase.UP:
            return False
        accepted = connection.publish(channel, payload, retain=retain)
        if accepted:
            self.counters.update({"up-messages": 1, "up-bytes": len(payload)})
        else:
            self.counters["unsent"] += 1
        return accepted

    def hear(self, topic_filter: str) -> None:
        """Subscribe to something below the bundles, for as long as this connection stands."""
        if self._connection is not None:
            self._connection.hear(topic_filter)

    def hear_no_more(self, topic_filter: str) -> None:
        """Unsubscribe from it."""
        if self._connection is not None:
            self._connection.hear_no_more(topic_filter)

    def stop(self) -> None:
        """Make :meth:`run` say goodbye and end."""
        self._stopping.set()
        if self._connection is not None:
            self._connection.interrupt()

    async def run(self, handle: Callable[[Event], Awaitable[None]]) -> None:
        """Connect and reconnect until :meth:`stop`; awaits ``handle`` for each event, in order."""
        try:
            while not self._stopping.is_set():
                better, self._better = self._better, None
                self._at, connection = better or (self._at, self._open(self._at))
                last = self.status
                self.status = LinkStatus(
                    LinkPhase.CONNECTING,
                    self._broker.protocol,
                    last.fault,
                    last.detail,
                    last.attempts + 1,
                    broker=self._at,
                )
                came_up = await self._session(connection, handle)
                if self._better is None:
                    await self._go_on(came_up=came_up)
        finally:
            if self._better is not None:
                await self._better[1].close()
            self.status = LinkStatus(LinkPhase.STOPPED, self._broker.protocol, broker=self._at)

    @property
    def _broker(self) -> _Broker:
        return self._brokers[self._at]

    def _open(self, number: int) -> Connection:
        broker = self._brokers[number]
        if broker.endpoint.tls is not None:
            heed_dates(broker.endpoint.tls, trusted=self._clock.state() is not ClockState.UNTRUSTED)
        connection = Connection(self._address, broker.endpoint, broker.protocol, self._will(), self.counters)
        connection.open()
        return connection

    async def _session(self, connection: Connection, handle: Callable[[Event], Awaitable[None]]) -> bool:
        """One connection up to its first :class:`Down`: whether it ever was up.

        paho tells of some ends twice. A better broker that is being tried when this one is lost is gone on with.
        """
        came_up, self._connection = False, connection
        looking = asyncio.create_task(self._look_for_better(connection))
        try:
            while not self._stopping.is_set():
                event = await self._next(connection)
                if event is None and not self._stopping.is_set():
                    event = Down(LinkFault.BETTER)
                if event is not None:
                    came_up |= isinstance(event, Up)
                    self._note(event)
                    await handle(event)
                if isinstance(event, Down):
                    break
        finally:
            looking.cancel()
            self.publish(Channel.STATE, self._goodbye(), retain=True)
            self._connection = None
            await connection.close()
        return came_up

    async def _look_for_better(self, connection: Connection) -> None:
        """While the link is at a later broker: try those before it, and wake :meth:`_session` when one stands."""
        while self._at:
            share = int.from_bytes(self._random.token(2), "big") / 0xFFFF
            await asyncio.sleep(self._failback_s * (0.75 + share / 4))  # a city's terminals do not return all at once
            for number in range(self._at):
                if await self._stands(number):
                    connection.interrupt()
                    return

    async def _stands(self, number: int) -> bool:
        """Try a broker beside the connection that serves; one that comes up, or is still tried, is ``_better``."""
        candidate = self._open(number)
        self._better = number, candidate
        try:
            async with asyncio.timeout(_ANSWER_S):
                outcome = await candidate.outcome()
        except TimeoutError:
            outcome = Down(LinkFault.SILENT)
        if isinstance(outcome, Up):
            return True
        self._better = None
        self._learn(self._brokers[number], outcome.fault)
        await candidate.close()
        return False

    async def _next(self, connection: Connection) -> Event | None:
        try:
            async with asyncio.timeout(None if self.status.phase is LinkPhase.UP else _ANSWER_S):
                return await connection.next_event()
        except TimeoutError:
            return Down(LinkFault.SILENT)

    def _note(self, event: Event) -> None:
        match event:
            case Received(_, payload):
                self.counters.update({"down-messages": 1, "down-bytes": len(payload)})
            case Up():
                self.counters["connections"] += 1
                self._broker.proven = True
                self._up_at_s = asyncio.get_running_loop().time()
                self.status = LinkStatus(LinkPhase.UP, self._broker.protocol, broker=self._at)
            case Down(fault, detail):
                self.counters[f"ended-{fault.code}"] += 1
                self.status = replace(self.status, phase=LinkPhase.WAITING, fault=fault, detail=detail)
                self._learn(self._broker, fault)

    def _learn(self, broker: _Broker, fault: LinkFault) -> None:
        # A 3.1.1 broker may also answer a level that it does not know by closing (MQTT 3.1.1 §3.1.2.2).
        if fault is LinkFault.VERSION or (fault is LinkFault.CLOSED and not broker.proven):
            broker.protocol = _OTHER[broker.protocol]

    async def _go_on(self, *, came_up: bool) -> None:
        """After a connection that stood, to the first broker; else to the next one."""
        if came_up and asyncio.get_running_loop().time() - self._up_at_s >= STEADY_S:
            self._backoff.reset()
            self._at = 0
            await self._pause()
        elif came_up:
            # A broker that takes everybody and drops them keeps nobody from the others, and is not hammered.
            self._at = (self._at + 1) % len(self._brokers)
            await self._pause()
        else:
            self._at = (self._at + 1) % len(self._brokers)
            if self._at == 0:
                await self._pause()

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
