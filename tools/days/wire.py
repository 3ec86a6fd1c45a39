"""The way to the platform in simulated time: questions and uplink are the terminal's, only the broker is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from agent.clock import Clock, Random
from agent.question_forms import code_sealer
from agent.questions import Questions
from agent.sync.contract import Address, Alarm, Channel
from agent.sync.uplink import Publish, Uplink
from offline_store.outbox import Outbox
from offline_store.writer import JournalWriter
from tools.days.town import Bank

LATENCY_S = 0.05


class Wire:
    """One terminal's link. What is on its way when the network goes is lost, as with a broker that dies."""

    def __init__(
        self, terminal: str, outbox: Outbox, writer: JournalWriter, bank: Bank, clock: Clock, random: Random
    ) -> None:
        self._address = Address(terminal)
        self._bank = bank
        self._up = False
        self._silent = False
        self._kept: list[bytes] = []
        self._connection = 0
        sealer = code_sealer(terminal, lambda: bank.sealing)
        self.questions = Questions(terminal, self._ask, lambda: bank.answers, sealer, self._alarm, clock, random)
        self._uplink = Uplink(
            terminal, outbox, writer, lambda: bank.answers, lambda _issued, _trip: None, clock, random
        )

    @property
    def is_up(self) -> bool:
        """Whether there is a network."""
        return self._up

    def connect(self) -> None:
        """The network is there."""
        if not self._up:
            self._up = True
            self._connection += 1
            self._publish(self._uplink.connected())

    def disconnect(self) -> None:
        """The network is gone."""
        if self._up:
            self._up = False
            self._uplink.disconnected()
            self.questions.disconnected()

    def silence(self, *, silent: bool) -> None:
        """Keep the platform's replies to questions back, or let them go."""
        self._silent = silent
        if not silent:
            kept, self._kept = self._kept, []
            for reply in kept:
                self._later(self.questions.answered, reply)

    def recorded(self, _seq: int) -> None:
        """The journal has grown."""
        if self._up:
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        if self._up:
            self._publish(self._uplink.wake())

    def _ask(self, payload: bytes) -> bool:
        if self._up:
            self._later(self._arrive, payload, Channel.ASK)
        return self._up

    def _alarm(self, alarm: Alarm) -> None:
        self._later(self._arrive, alarm.encode(), Channel.ALARM)

    def _publish(self, messages: Iterable[Publish]) -> None:
        for message in messages:
            self._later(self._arrive, message.payload, message.channel)

    def _arrive(self, payload: bytes, channel: Channel) -> None:
        """The platform takes a message, and its reply is on its way."""
        reply = self._bank.ingest.handle(self._address.topic(channel), payload)
        if reply is None:
            return
        if channel is Channel.ASK and self._silent:
            self._kept.append(reply.payload)
        elif channel is Channel.ASK:
            self._later(self.questions.answered, reply.payload)
        else:
            self._later(self._acknowledged, reply.payload)

    def _acknowledged(self, payload: bytes) -> None:
        self._publish(self._uplink.answered(payload))

    def _later(self, hear: Callable[..., None], *what: object) -> None:
        """After the wire's latency, if this connection still stands then."""
        connection = self._connection

        def arrive() -> None:
            if self._up and self._connection == connection:
                hear(*what)

        asyncio.get_running_loop().call_later(LATENCY_S, arrive)
