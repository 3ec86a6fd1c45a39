"""Bundles that come over the link: what is offered is judged, fetched chunk by chunk, and handed to the drop folder.

Rules, so that no broker can do more than delay:

1. Of an offer only what would be installed counts: signature, role, audience, version and time are checked before a
   byte is asked for. Of what counts the smallest is taken, so a delta where its base is in force.
2. One bundle at a time, ``WINDOW`` chunks under way; more are not held in memory. Others wait, one of each name, the
   newest; at most ``MAX_WAITING``.
3. A chunk counts if it is of the body that was asked for, within the window, and has its size. One that is not below
   the root that was signed is asked for again alone, until it came altered ``MAX_ALTERED`` times: then this body waits
   for ``SPOILT_S``, and its siblings have their turn. The whole must have the signed SHA-256, which is held against it
   when it is installed; a body that had not is not fetched again for a while
   (:meth:`agent.bundles.service.Bundles.judge`), its siblings are.
4. What does not come is asked for again after a pause that doubles up to ``PAUSE_CAP_S``; after ``MAX_SILENCES`` of
   them the others have their turn, and this one comes last.
5. The link going away stops nothing but the asking; a restart goes on from the part file.

Used on one event loop. Every touch of the disk is a thread's (:mod:`agent.bundles.at_disk`): lanes decide on this loop.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from agent.bundles.at_disk import AtDisk, Elsewhere
from agent.bundles.chunk_tree import proves
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.install import RESERVE_BYTES
from agent.bundles.manifest import Manifest
from agent.bundles.part import Part, leftovers
from agent.logs import log
from agent.sync.contract import Chunk, ContractError, Offer, Want, chunk_filter
from agent.sync.service import Wire
from agent.threads import in_thread
from agent.words import say, why_en, why_zh

WINDOW = 8
MAX_WAITING = 64
PAUSE_S = 5.0
PAUSE_CAP_S = 300.0
MAX_SILENCES = 6
MAX_ALTERED = 4
SPOILT_S = 3_600.0
_QUIET = frozenset({BundleFault.INSTALLED, BundleFault.ROLLBACK, BundleFault.AUDIENCE, BundleFault.WRONG_BASE})
"""What every offer to everybody says to most: no cause for a complaint."""

T = TypeVar("T")

Judge = Callable[[bytes], Manifest]
"""What an envelope promises, if it may be installed now; raises :class:`BundleError`."""
Complain = Callable[[str], None]
"""Told the code of a fault, for the platform."""


@dataclass
class _Fetch:
    """The bundle that comes now; ``early`` holds chunks that overtook others.

    With those that are being written they are ``WINDOW`` at most. ``begun``: its file is there; ``over``: its turn is.
    """

    envelope: bytes
    part: Part
    begun: bool = False
    over: bool = False
    taken: int = 0
    """How many chunks, from the first on, were handed to the disk; ``part.chunks`` are there."""
    asked_until: int = 0
    silences: int = 0
    early: dict[int, bytes] = field(default_factory=dict)
    altered: Counter[int] = field(default_factory=Counter)
    """How often each chunk came altered."""

    @property
    def manifest(self) -> Manifest:
        return self.part.manifest

    @property
    def topics(self) -> str:
        return chunk_filter(self.manifest.name, self.manifest.bundle_version)


class Downloads:
    """All downloads of one terminal."""

    def __init__(self, directory: Path, judge: Judge, complain: Complain, elsewhere: Elsewhere = in_thread) -> None:
        self._directory = directory
        self._disk = AtDisk("download", elsewhere)
        self._judge = judge
        self._complain = complain
        self._in_service = False
        self._early_offers: list[bytes] = []
        self._waiting: dict[str, tuple[bytes, Manifest]] = {}
        self._now: _Fetch | None = None
        self._wire: Wire | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._spoilt: OrderedDict[bytes, float] = OrderedDict()
        """Bodies of which a chunk came altered too often, and until when they wait."""
        self.counters: Counter[str] = Counter()
        self._log = log()

    def begin_service(self) -> None:
        """The bundles in force are known: go on with what an earlier start left, and with what came meanwhile."""
        self._disk.put(partial(leftovers, self._directory), self._resume, lambda _: self._resume({}))

    def _resume(self, found: dict[Path, bytes]) -> None:
        self._in_service = True
        for path, envelope in found.items():
            try:
                self._put(envelope, self._judge(envelope))
            except BundleError:
                self._remove(partial(path.unlink, missing_ok=True))
        for payload in self._early_offers:
            self.offered(payload)
        self._early_offers.clear()
        self._next()

    def connected(self, wire: Wire) -> None:
        """The link is up."""
        self._wire = wire
        if self._now is not None and self._now.begun:
            self._now.silences = 0
            wire.hear(self._now.topics)
            self._request(self._now)
        self._next()

    def disconnected(self) -> None:
        """The link is down."""
        self._wire = None
        self._stop_waiting()

    def offered(self, payload: bytes) -> None:
        """Something came as an offer, from whomever."""
        if not self._in_service:
            self._early_offers = [*self._early_offers, payload][-MAX_WAITING:]
            return
        try:
            envelopes = Offer.decode(payload).envelopes
        except ContractError:
            self._refuse("malformed-offer")
            return
        fitting = [(envelope, manifest) for envelope in envelopes if (manifest := self._promised(envelope))]
        if fitting:
            self._put(*min(fitting, key=lambda choice: choice[1].body_bytes))
            self._next()

    def chunk(self, payload: bytes) -> None:
        """Something came below a version's topic."""
        now = self._now
        try:
            chunk = Chunk.decode(payload)
        except ContractError:
            self._refuse("malformed-chunk")
            return
        if now is None or not now.begun or chunk.body_sha256 != now.manifest.body_sha256:
            self.counters["stray-chunks"] += 1
            return
        if not now.taken <= chunk.number < now.part.chunks + WINDOW or not now.part.fits(chunk.number, chunk.data):
            self.counters["unwanted-chunks"] += 1
            return
        root = now.manifest.chunk_root
        if root is not None and not proves(chunk.data, chunk.number, now.part.total, chunk.path or (), root):
            self._altered(now, chunk.number)
            return
        now.early[chunk.number] = chunk.data
        self._write(now)

    def _altered(self, now: _Fetch, number: int) -> None:
        self._refuse("altered-chunk")
        if number in now.early:
            return
        now.altered[number] += 1
        if now.altered[number] < MAX_ALTERED:
            self._ask(now, number, 1)
            return
        self._spoilt[now.manifest.body_sha256] = asyncio.get_running_loop().time() + SPOILT_S
        while len(self._spoilt) > MAX_WAITING:
            self._spoilt.popitem(last=False)
        self._give_up(now)
        self._next()

    def _promised(self, envelope: bytes) -> Manifest | None:
        try:
            manifest = self._judge(envelope)
        except BundleError as error:
            self.counters[f"refused-{error.fault.code}"] += 1
            if error.fault not in _QUIET:
                self._refuse(error.fault.code)
            return None
        if self._spoilt.get(manifest.body_sha256, 0.0) > asyncio.get_running_loop().time():
            self.counters["spoilt"] += 1
            return None
        return manifest

    def _refuse(self, code: str) -> None:
        self.counters[code] += 1
        self._complain(code)

    def _put(self, envelope: bytes, manifest: Manifest) -> None:
        """Let a bundle wait for its turn, in the place of an older one of its name."""
        now = self._now
        if now is not None and now.manifest.name == manifest.name:
            if now.manifest.bundle_version >= manifest.bundle_version:
                return
            self._give_up(now)
        known = self._waiting.get(manifest.name)
        if known is not None and known[1].bundle_version > manifest.bundle_version:
            return
        if known is None and len(self._waiting) >= MAX_WAITING:
            self.counters["too-many-waiting"] += 1  # it is offered again
            return
        self._waiting[manifest.name] = envelope, manifest

    def _next(self) -> None:
        """Begin with what has waited longest, if nothing is under way and somebody can be asked."""
        while self._in_service and self._wire is not None and self._now is None and self._waiting:
            envelope, _ = self._waiting.pop(next(iter(self._waiting)))
            manifest = self._promised(envelope)
            if manifest is None:
                continue
            self._now = fetch = _Fetch(envelope, Part(self._directory, envelope, manifest))
            self._at_disk(fetch, partial(self._begin, fetch), self._began)

    def _begin(self, fetch: _Fetch) -> None:
        self._check_room(fetch.manifest)
        fetch.part.open()

    def _began(self, now: _Fetch, _nothing: None) -> None:
        now.begun, now.taken = True, now.part.chunks
        if self._wire is not None:
            self._wire.hear(now.topics)
        self._wrote(now, 0)

    def _at_disk(self, fetch: _Fetch, work: Callable[[], T], then: Callable[[_Fetch, T], None]) -> None:
        """Unless its turn is over by then."""

        def done(result: T) -> None:
            if not fetch.over:
                then(fetch, result)

        def failed(error: OSError) -> None:
            if not fetch.over:
                self._failed(fetch, error)

        self._disk.put(work, done, failed)

    def _write(self, now: _Fetch) -> None:
        """Write what has come in order."""
        pieces = []
        while now.taken in now.early:
            pieces.append(now.early.pop(now.taken))
            now.taken += 1
        if pieces:
            self._at_disk(now, partial(now.part.append, pieces), self._wrote)

    def _wrote(self, now: _Fetch, count: int) -> None:
        """Ask for what is missing, and finish when nothing is."""
        now.part.chunks += count
        if count:
            self.counters["chunks"] += count
            now.silences = 0
        if now.part.chunks == now.part.total:
            self._stop_waiting()
            self._at_disk(now, now.part.finish, self._finished)
        elif now.part.chunks >= now.asked_until:
            self._request(now)

    def _request(self, now: _Fetch) -> None:
        first = now.taken
        if self._wire is None or first == now.part.total:
            return
        count = min(WINDOW, now.part.total - first, *(number - first for number in now.early))
        now.asked_until = first + count
        self._ask(now, first, count)
        self._stop_waiting()
        pause_s = min(PAUSE_CAP_S, PAUSE_S * 2**now.silences)
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._silent, now)

    def _ask(self, now: _Fetch, first: int, count: int) -> None:
        manifest = now.manifest
        want = Want(
            name=manifest.name,
            bundle_version=manifest.bundle_version,
            body_sha256=manifest.body_sha256,
            first=first,
            count=count,
        )
        if self._wire is not None:
            self._wire.ask(want.encode())

    def _silent(self, now: _Fetch) -> None:
        """Nothing came for a while: ask again, or let the others have their turn."""
        if now is not self._now:
            return
        now.silences += 1
        self.counters["silences"] += 1
        if now.silences > MAX_SILENCES and self._waiting:
            self._leave(now)
            self._put(now.envelope, now.manifest)
            self._next()
        else:
            now.silences = min(now.silences, MAX_SILENCES)
            self._request(now)

    def _finished(self, now: _Fetch, path: Path) -> None:
        self._leave(now)
        self.counters["fetched"] += 1
        self._log.info("bundle fetched", path=path.name, version=now.manifest.bundle_version)
        self._next()

    def _failed(self, fetch: _Fetch, error: OSError) -> None:
        """The disk does not take it: others may be smaller; this one is offered again some day."""
        self._log.error(
            "bundle could not be fetched", path=fetch.manifest.name, detail=say(why_zh(error), why_en(error))
        )
        self._refuse("no-room" if error.errno == errno.ENOSPC else "disk")
        self._give_up(fetch)
        self._next()

    def _give_up(self, fetch: _Fetch) -> None:
        self._leave(fetch)
        self._remove(fetch.part.remove)

    def _remove(self, work: Callable[[], None]) -> None:
        """What stays for all that is looked at by the next start."""
        self._disk.put(work, lambda _: None, lambda _: None)

    def _leave(self, fetch: _Fetch) -> None:
        fetch.over = True
        if fetch is self._now:
            self._now = None
            self._stop_waiting()
            if self._wire is not None:
                self._wire.hear_no_more(fetch.topics)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_room(self, manifest: Manifest) -> None:
        wanted_bytes = manifest.body_bytes + manifest.content_bytes + RESERVE_BYTES
        if shutil.disk_usage(self._directory).free < wanted_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._directory))
