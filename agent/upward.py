"""The terminal's side of the sync: what it tells the platform about itself, and how far the platform has followed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from importlib.metadata import version
from pathlib import Path

from agent.clock import Clock, Random
from agent.devices import DeviceState
from agent.keys import KeyStore, Role
from agent.logs import log
from agent.sync.contract import Alarm, Buffer, ClockQuality, Condition, Report
from agent.sync.contract import DeviceState as ReportedDevice
from agent.sync.link import LinkSettings
from agent.sync.service import Sync
from offline_store.database import DATABASE_NAME
from offline_store.errors import StoreError
from offline_store.outbox import Outbox
from offline_store.writer import JournalWriter
from profiles.reasons import ReasonEnum


class Upward:
    """One terminal's way to its platform. Build it on the event loop that runs it."""

    def __init__(
        self,
        terminal: str,
        settings: LinkSettings,
        state_dir: Path,
        writer: JournalWriter,
        keys: KeyStore,
        devices: Callable[[], Iterable[DeviceState]],
        configuration: str,
        clock: Clock,
        random: Random,
    ) -> None:
        self._terminal = terminal
        self._settings = settings
        self._state_dir = state_dir
        self._writer = writer
        self._keys = keys
        self._devices = devices
        self._configuration = configuration
        self._clock = clock
        self._random = random
        self._sync: Sync | None = None
        self._head_seq = 0
        self._acked_seq = 0
        self._log = log(terminal=terminal)

    async def run(self) -> None:
        """Sync until :meth:`stop`. Each run builds link, uplink and outbox anew, so that a fault ends one run only."""
        outbox = Outbox.open(self._state_dir)
        try:
            position = outbox.position()
            self._head_seq, self._acked_seq = position.head_seq, position.acked_seq
            self._sync = Sync(
                terminal=self._terminal,
                settings=self._settings,
                tls=self._keys.tls_files() if self._settings.tls else None,
                keys=self._keys.platform_keys(Role.ACKNOWLEDGEMENT),
                outbox=outbox,
                acknowledgements=_Told(self._writer, asyncio.get_running_loop(), self._acknowledged),
                state_source=self._report,
                clock=self._clock,
                random=self._random,
            )
            await self._sync.run()
        finally:
            self._sync = None
            outbox.close()

    def stop(self) -> None:
        """Say goodbye to the platform, within a second."""
        if self._sync is not None:
            self._sync.stop()

    def recorded(self, seq: int) -> None:
        """The journal has grown to ``seq``."""
        self._head_seq = max(self._head_seq, seq)
        if self._sync is not None:
            self._sync.wake()

    def alarm(self, lane: str, reason: ReasonEnum) -> None:
        """Tell the platform at once, beside the record."""
        if self._sync is not None:
            self._sync.alarm(Alarm(code=reason.code, at_ms=self._clock.now_ms(), source=lane))

    def _acknowledged(self, seq: int) -> None:
        if seq > self._acked_seq:
            self._acked_seq = seq
            self._log.info("acknowledged", acked=seq, head=self._head_seq, acked_ns=time.monotonic_ns())

    def _report(self) -> Report:
        return Report(
            software=f"onecard-terminal/{version('onecard-terminal')}",
            configuration=self._configuration,
            devices=tuple(
                ReportedDevice(
                    name=device.name,
                    condition=Condition.READY if device.state == "ready" else Condition.FAILED,
                    reason=device.reason or None,
                )
                for device in self._devices()
            ),
            buffer=Buffer(unacknowledged=max(0, self._head_seq - self._acked_seq), size_bytes=self._size_bytes()),
            clock=ClockQuality(self._clock.state().value),
        )

    def _size_bytes(self) -> int:
        try:
            return (self._state_dir / DATABASE_NAME).stat().st_size
        except OSError:
            return 0


class _Told:
    """Moves the outbox forward in the journal's writer, and tells the event loop how far."""

    def __init__(
        self, writer: JournalWriter, loop: asyncio.AbstractEventLoop, acknowledged: Callable[[int], None]
    ) -> None:
        self._writer = writer
        self._loop = loop
        self._tell = acknowledged

    def acknowledge(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        """See :meth:`offline_store.journal.Journal.acknowledge`."""
        future = self._writer.acknowledge(chain_id, seq, record_hash)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: Future[int]) -> None:
        error = future.exception()
        if error is None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, future.result())
        elif error is not None and not isinstance(error, StoreError):
            raise error
