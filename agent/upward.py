"""The terminal's side of the sync: what it tells the platform about itself, and how far the platform has followed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from agent import cose
from agent.bundles.download import Downloads, Judge
from agent.bundles.incoming import Incoming
from agent.bundles.rings import NOBODY, rings_on_disk
from agent.bundles.roles import Rings
from agent.clock import Random
from agent.keys import KeyStore, KeyStoreError, Role
from agent.logs import log
from agent.question_forms import code_sealer
from agent.questions import Questions
from agent.renewal import Renewal
from agent.reporting import report_of
from agent.standing import Standing
from agent.sync.complaints import Complaints
from agent.sync.contract import Alarm
from agent.sync.contract.commands import Result
from agent.sync.faults import LinkError
from agent.sync.link import LinkSettings
from agent.sync.metrics import LinkMetrics, link_metrics
from agent.sync.metrics import write as write_metrics
from agent.sync.service import MAX_ALARMS, Sync
from agent.sync.uplink import Phase
from agent.threads import in_thread, post
from agent.trusted_clock import TrustedClock
from agent.words import say
from offline_store.errors import StoreError
from offline_store.outbox import Outbox, Position
from offline_store.writer import JournalWriter
from profiles.reasons import ReasonEnum

METRICS_PAUSE_S = 5.0
_ANSWERED = (Phase.SENDING, Phase.IDLE, Phase.FORKED)


class Upward:
    """One terminal's way to its platform. Build it on the event loop that runs it."""

    def __init__(
        self,
        terminal: str,
        settings: LinkSettings,
        state_dir: Path,
        writer: JournalWriter,
        keys: KeyStore,
        standing: Callable[[], Standing],
        rings: Callable[[], Rings | None],
        judge: Judge,
        clock: TrustedClock,
        random: Random,
    ) -> None:
        self._terminal = terminal
        self._settings = settings
        self._state_dir = state_dir
        self._writer = writer
        self._keys = keys
        self._standing = standing
        self._rings = rings
        self._rings_on_disk: Rings = NOBODY
        self._clock = clock
        self._random = random
        self._sync: Sync | None = None
        self._renewal: Renewal | None = None
        self._stopping = False
        self._anew = False
        self._alarms: deque[Alarm] = deque(maxlen=MAX_ALARMS)
        self.questions = Questions(
            terminal, self._ask, self._answer_keys, code_sealer(terminal, self._sealing_keys), self.send, clock, random
        )
        self.doubted: Callable[[], None] = _nobody
        """Told, on the event loop, that the platform goes on taking nothing of what it is sent."""
        self.commanded: Callable[[bytes], None] = _nobody_obeys
        """Told, on the event loop, what came on ``down/command``."""
        self._complaints = Complaints(clock)
        self.downloads = Downloads(Incoming(state_dir).directory, judge, self._bundle_refused)
        self._head_seq = 0
        self._acked_seq = 0
        self._log = log(terminal=terminal)

    async def run(self) -> None:
        """Sync until :meth:`stop`. Each run builds link, uplink and outbox anew, so that a fault ends one run only.

        A new certificate is shown on a new link. Alarms that a link had not taken when its run ended go out on the
        next one.
        """
        self._anew = True
        while self._anew and not self._stopping:
            self._anew = False
            await self._synced()

    async def _synced(self) -> None:
        self._rings_on_disk = await in_thread(partial(rings_on_disk, self._state_dir, self._keys), "read-keys")
        outbox, position = await in_thread(self._open_outbox, "open-outbox")
        renewal = self._renewal = Renewal(
            self._terminal, self._keys, self._answer_keys, self._clock, self._random, self._certify, self._renewed
        )
        tasks = [asyncio.create_task(self._tell_metrics()), asyncio.create_task(renewal.run())]
        try:
            if not self._answer_keys():
                self._keys.platform_keys(Role.ACKNOWLEDGEMENT)  # says which file is missing, and what to do
            # The disk may have an acknowledgement later than memory.
            self._head_seq = max(self._head_seq, position.head_seq)
            self._acked_seq = max(self._acked_seq, position.acked_seq)
            self._sync = Sync(
                terminal=self._terminal,
                settings=self._settings,
                tls=self._keys.tls_files() if self._settings.tls else None,
                keys=self._answer_keys,
                outbox=outbox,
                acknowledgements=_Told(self._writer, asyncio.get_running_loop(), self.acknowledged),
                state_source=lambda: report_of(self._standing()),
                platform_time=self._clock.platform_said,
                clock=self._clock,
                random=self._random,
                replies=self.questions,
                downloads=self.downloads,
                doubted=self.doubted,
                certificates=renewal,
                commanded=self.commanded,
                alarms=self._alarms,
            )
            if not self._stopping:
                await self._sync.run()
        except (KeyStoreError, LinkError) as error:
            self._log.error("the platform cannot be reached with these keys", detail=say(error.zh, error.en))
            raise
        finally:
            for task in tasks:
                task.cancel()
            self._sync = None
            # It may wait for a reading that hangs in the disk.
            threading.Thread(target=outbox.close, name="close-outbox", daemon=True).start()

    def stop(self) -> None:
        """Say goodbye to the platform, within two seconds."""
        self._stopping = True
        if self._sync is not None:
            self._sync.stop()

    def _certify(self, payload: bytes) -> bool:
        return self._sync is not None and self._sync.certify(payload)

    def _renewed(self) -> None:
        self._anew = True
        if self._sync is not None:
            self._sync.stop()

    def recorded(self, seq: int) -> None:
        """The journal has grown to ``seq``."""
        self._head_seq = max(self._head_seq, seq)
        if self._sync is not None:
            self._sync.wake()

    def exchanged(self, carried: int) -> None:
        """The journal is another file now, with a chain of its own whose numbers begin anew; so many records wait."""
        self._head_seq, self._acked_seq = carried, 0
        if self._sync is not None:
            self._sync.exchange()

    def alarm(self, lane: str, reason: ReasonEnum) -> None:
        """Tell the platform at once, beside the record; the latest few wait for the sync where it does not run."""
        self.send(Alarm(code=reason.code, at_ms=self._clock.now_ms(), source=lane))

    def tell_result(self, result: Result) -> None:
        """Say what became of a command; while the link is down the journal alone says it."""
        if self._sync is not None:
            self._sync.tell_result(result.encode())

    def send(self, alarm: Alarm) -> None:
        """An alarm about the wire itself."""
        if self._sync is not None:
            self._sync.alarm(alarm)
        else:
            self._alarms.append(alarm)

    def _bundle_refused(self, code: str) -> None:
        alarm = self._complaints.about("bundle-refused", code)
        if alarm is not None:
            self.send(alarm)

    def _answer_keys(self) -> Mapping[bytes, cose.VerifyKey]:
        """Of the bundles in force; before they are loaded, of what the disk says that will be in force."""
        rings = self._rings()
        return (self._rings_on_disk if rings is None else rings).get(Role.ACKNOWLEDGEMENT, {})

    def command_keys(self) -> Mapping[bytes, cose.VerifyKey]:
        """Whose commands are carried out."""
        rings = self._rings()
        return (self._rings_on_disk if rings is None else rings).get(Role.COMMAND, {})

    def _sealing_keys(self) -> Mapping[bytes, cose.VerifyKey]:
        rings = self._rings()
        return (self._rings_on_disk if rings is None else rings).get(Role.SEALING, {})

    def _ask(self, payload: bytes) -> bool:
        return self._sync is not None and self._sync.ask(payload)

    async def _tell_metrics(self) -> None:
        """In a file, for whoever stands beside the terminal; on a disk that takes nothing it grows old."""
        while True:
            metrics = self.metrics()
            if metrics is not None:
                with contextlib.suppress(OSError):
                    await in_thread(partial(write_metrics, self._state_dir, metrics), "write-metrics")
            await asyncio.sleep(METRICS_PAUSE_S)

    def metrics(self) -> LinkMetrics | None:
        """How the link does; ``None`` while there is none."""
        if self._sync is None:
            return None
        status = self._sync.status
        return link_metrics(
            status,
            self._settings.brokers[status.link.broker].host,
            self._clock.now_ms(),
            max(0, self._head_seq - self._acked_seq),
            self.questions.counters,
            self.downloads.counters,
        )

    @property
    def certificate_ends_ms(self) -> int | None:
        """When the certificate that the link shows ends, as far as somebody has looked."""
        return None if self._renewal is None else self._renewal.ends_ms

    def follows(self) -> bool:
        """Whether the platform is there: it has answered this connection, signed and fresh."""
        return self._sync is not None and self._sync.status.phase in _ANSWERED

    def _open_outbox(self) -> tuple[Outbox, Position]:
        outbox = Outbox.open(self._state_dir)
        try:
            return outbox, outbox.position()
        except BaseException:
            outbox.close()
            raise

    def acknowledged(self, seq: int) -> None:
        """The platform has every record up to ``seq``; from the link, or by stick."""
        if seq > self._acked_seq:
            self._acked_seq = seq
            self._head_seq = max(self._head_seq, seq)  # the writer may tell of its record after the platform has
            self._log.info("acknowledged", acked=seq, head=self._head_seq, acked_ns=time.monotonic_ns())


def _nobody_obeys(payload: bytes) -> None:
    """Nobody carries out commands yet."""


def _nobody() -> None:
    """Nobody listens."""


class _Told:
    """Moves the outbox forward in the journal's writer, and tells the event loop how far."""

    def __init__(
        self, writer: JournalWriter, loop: asyncio.AbstractEventLoop, acknowledged: Callable[[int], None]
    ) -> None:
        self._writer = writer
        self._loop = loop
        self._tell = acknowledged

    def acknowledge(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        """See :meth:`offline_store.journal.Journal.acknowledge_soon`."""
        future = self._writer.acknowledge_soon(chain_id, seq, record_hash)
        future.add_done_callback(self._done)
        return future

    def rescue(self) -> Future[None]:
        """See :meth:`offline_store.writer.Writer.rescue`."""
        return self._writer.rescue()

    def _done(self, future: Future[int]) -> None:
        error = future.exception()
        if error is None:
            post(self._loop, self._tell, future.result())
        elif not isinstance(error, StoreError):
            raise error
