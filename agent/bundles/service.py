"""The bundles of one terminal: loaded at the start, installed while lanes run, announced before they expire.

One task on the event loop installs, one bundle at a time. What takes long (digests, inflating, writing) is done in a
thread; the record and the version are committed together by the journal's writer; then the snapshot of lists is
swapped. Lanes never wait for any of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent import cose
from agent.bundles.check import Place, Standing, check
from agent.bundles.contents import Configuration, Content, Opener, snapshot
from agent.bundles.envelope import unseal
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.incoming import Incoming
from agent.bundles.install import Shelf, envelope_of
from agent.bundles.manifest import Kind, Manifest
from agent.bundles.rings import NOBODY, SAVED_KEYS, rings_on_disk, saved_keys
from agent.bundles.roles import Rings, Signatory
from agent.clock import Clock, RecordIds
from agent.credentials.lists import CurrentLists
from agent.credentials.trust import Expiry, Freshness
from agent.disk_waits import DiskHangs, durable_at_last
from agent.keys import KeyStore, KeyStoreError
from agent.logs import log
from agent.records import CONTEXT
from agent.sync.contract.errors import ContractError
from agent.threads import in_thread
from agent.words import say, tell, why_en, why_zh
from offline_store.bundles import InstalledBundle, installed
from offline_store.errors import StoreError
from offline_store.journal import Append
from offline_store.record import Entry
from offline_store.writer import JournalWriter

POLL_S = 0.5
AGAIN_S = 30.0
"""A file for which there was no room, or no key, is tried again so much later."""
HOUR_MS = 3_600_000
SPOILT_S = 3_600.0
"""A body that was not what was signed is not fetched again before."""
MAX_SPOILT = 256
_SPOILT = (BundleFault.TRUNCATED, BundleFault.ALTERED, BundleFault.CONTENT)
_MAY_WAIT = (BundleFault.SIGNATURE, BundleFault.WRONG_ROLE, BundleFault.WRONG_BASE)
"""Faults that another file of the same visit may cure: new keys, or the base of a delta."""


@dataclass(frozen=True)
class BundlePorts:
    """What the service reaches out to."""

    writer: JournalWriter
    keys: KeyStore
    clock: Clock
    ids: RecordIds
    recover: Callable[[], Awaitable[None]]
    """Brings the writer back after a fault: :meth:`agent.memory.Memory.reload`."""
    aged: Callable[[BundleStanding], None]
    """Told once when a bundle is in its grace, and once when it has expired."""
    signed_at: Callable[[int], None]
    """Told when a bundle that counts was signed: it is not earlier now."""
    damaged: Callable[[str], None]
    """Told the name of an installed bundle that cannot be read any more."""
    recorded: Callable[[int], None]
    """Told how far the journal has grown."""


@dataclass(frozen=True, slots=True)
class BundleStanding:
    """One installed bundle for people and the platform. A damaged one is not in force and has no expiry."""

    name: str
    version: int
    expiry: Expiry | None


class Bundles:
    """All bundles of one terminal; ``lists`` holds the snapshot that decisions read."""

    def __init__(self, state_dir: Path, place: Place, ports: BundlePorts, lists: CurrentLists) -> None:
        self.lists = lists
        self._state_dir = state_dir
        self._place = place
        self._ports = ports
        self._shelf = Shelf(state_dir)
        self._incoming = Incoming(state_dir)
        self._opener = Opener(cose.key_id(ports.keys.sealing_public()), ports.keys.unseal)
        self._rings: Rings = NOBODY
        self._floors: dict[str, int] = {}
        self._in_force: dict[str, tuple[Manifest, Content]] = {}
        self._announced: dict[str, Freshness] = {}
        self._again_s: dict[str, float] = {}
        self._spoilt: dict[bytes, float] = {}
        self._log = log()

    def load(self) -> None:
        """Put in force what is installed; blocking, before lanes start. Raises ``StoreError`` and ``OSError``.

        A bundle whose file is damaged is not in force: its version stays the floor, and it may be installed again.
        What only denies, a card register or an emergency list, is then known to be lost, and refuses instead.
        """
        self._shelf.make()
        self._incoming.make()
        self._incoming.sweep()
        self._rings = rings_on_disk(self._state_dir, self._ports.keys)
        for row in installed(self._state_dir):
            self._floors[row.name] = row.version
            try:
                manifest = Manifest.decode(row.manifest)
                self._in_force[row.name] = manifest, self._opened(row, manifest)
                self._ports.signed_at(manifest.issued_ms)
            except (BundleError, ContractError) as error:
                self._log.error("bundle is damaged", path=row.name, version=row.version, detail=str(error))
                self._ports.damaged(row.name)
        self._shelf.sweep(manifest for manifest, _ in self._in_force.values())
        if self._floors:
            self._swap()

    def _opened(self, row: InstalledBundle, manifest: Manifest) -> Content:
        """What an installed bundle holds; a damaged ``keys`` bundle is written again from the store's copy."""
        try:
            return self._shelf.open(manifest, self._opener)
        except BundleError:
            content = saved_keys(self._state_dir, row.manifest) if manifest.kind is Kind.KEYS else None
            if content is None:
                raise
            self._shelf.restore(manifest, content)
            return self._shelf.open(manifest, self._opener)

    async def run(self) -> None:
        """Install what is dropped, and announce what gets old; until cancelled. ``OSError`` ends it."""
        while True:
            self._announce()
            waiting = [path for path in await in_thread(self._incoming.files, "bundles") if self._is_due(path)]
            while waiting and (left := await self._visit(waiting)) != waiting:
                waiting = left
            for path in waiting:
                await self._take(path, last=True)
            await asyncio.sleep(POLL_S)

    def _is_due(self, path: Path) -> bool:
        return asyncio.get_running_loop().time() >= self._again_s.get(path.name, 0.0)

    async def install(self, path: Path) -> Manifest:
        """Install one bundle file; it is in force when this returns. Raises :class:`BundleError` with nothing changed.

        ``StoreError`` and ``OSError`` if the disk does not take it; nothing has changed then either.
        """
        envelope = await in_thread(partial(envelope_of, path), "bundles")
        moment = self._ports.clock.moment()
        manifest = check(envelope, Signatory(self._rings), self._place, self._standing(), moment)
        base = self._in_force[manifest.name][0] if manifest.name in self._in_force else None
        content = await in_thread(partial(self._shelf.stage, path, manifest, base, self._opener), "bundles")
        saves = await in_thread(partial(self._saves, manifest), "bundles")
        appended = await durable_at_last(self._ports.writer.submit(self._append(manifest, saves)), self._hangs)
        self._ports.recorded(appended.records[-1].seq)
        self._ports.signed_at(manifest.issued_ms)
        self._floors[manifest.name] = manifest.bundle_version
        self._in_force[manifest.name] = manifest, content
        if isinstance(content, Mapping):
            self._rings = content
        self._swap()
        if base is not None and base.bundle_version != manifest.bundle_version:
            await _remove(self._shelf.path(base))
        self._log.info("bundle installed", path=manifest.name, version=manifest.bundle_version)
        return manifest

    def _hangs(self, error: DiskHangs) -> None:
        """The disk has the bundle and does not answer: what is in force goes on, and gets old, meanwhile."""
        self._log.error("bundle could not be recorded", detail=tell(error))
        self._announce()

    def judge(self, envelope: bytes) -> Manifest:
        """What an envelope promises, if it may be installed now. Raises :class:`BundleError`.

        A body that was not what was signed is refused for a while: whoever brought it will bring the same again.
        """
        manifest = check(envelope, Signatory(self._rings), self._place, self._standing(), self._ports.clock.moment())
        if self._spoilt.get(manifest.body_sha256, 0.0) > asyncio.get_running_loop().time():
            raise BundleError(BundleFault.ALTERED, manifest.name)
        return manifest

    def keys(self) -> Rings:
        """The platform's keys in force, by role: see :mod:`agent.bundles.rings`."""
        return self._rings

    def versions(self) -> dict[str, int]:
        """The version of every bundle that is in force, by name."""
        return {name: manifest.bundle_version for name, (manifest, _) in self._in_force.items()}

    def configuration(self) -> Configuration | None:
        """The newest configuration that the platform gave this terminal."""
        _, content = self._in_force.get(Kind.CONFIGURATION.value, (None, None))
        return content if isinstance(content, Configuration) else None

    def standings(self) -> list[BundleStanding]:
        """What is installed, by name."""
        least_ms = self._ports.clock.moment().least_ms
        expiries = {name: manifest.term.expiry(least_ms) for name, (manifest, _) in self._in_force.items()}
        return [BundleStanding(name, version, expiries.get(name)) for name, version in sorted(self._floors.items())]

    async def _visit(self, waiting: list[Path]) -> list[Path]:
        """Try each file once; those that another one may have helped meanwhile are left."""
        return [path for path in waiting if not await self._take(path, last=False)]

    async def _take(self, path: Path, *, last: bool) -> bool:
        """Install or refuse one file; ``False`` if it stays for another try."""
        try:
            await self.install(path)
        except BundleError as error:
            if error.fault is BundleFault.INSTALLED:
                await _remove(path)
                return True
            if error.fault in _MAY_WAIT and not last:
                return False
            self._log.warning("bundle refused", path=path.name, fault=error.fault.code, detail=tell(error))
            if error.fault in _SPOILT:
                await self._remember_spoilt(path)
            return await self._put_aside(path, error)
        except StoreError as error:
            self._log.error("bundle could not be recorded", path=path.name, detail=tell(error))
            await self._ports.recover()
            return False
        except (OSError, KeyStoreError) as error:
            # The next file may be smaller; this one is tried again when somebody has had the time to make room.
            detail = tell(error) if isinstance(error, KeyStoreError) else say(why_zh(error), why_en(error))
            self._log.error("bundle could not be installed", path=path.name, detail=detail)
            self._again_s[path.name] = asyncio.get_running_loop().time() + AGAIN_S
            return True
        await _remove(path)
        return True

    async def _remember_spoilt(self, path: Path) -> None:
        try:
            envelope = await in_thread(partial(envelope_of, path), "bundles")
            manifest = Manifest.decode(unseal(envelope, Signatory(self._rings).all_keys).payload)
        except (BundleError, ContractError):
            return  # nobody signed it: there is nothing to remember
        if len(self._spoilt) >= MAX_SPOILT:
            self._spoilt.pop(next(iter(self._spoilt)))
        self._spoilt[manifest.body_sha256] = asyncio.get_running_loop().time() + SPOILT_S

    async def _put_aside(self, path: Path, error: BundleError) -> bool:
        try:
            await in_thread(partial(self._incoming.refuse, path, error), "bundles")
        except OSError as fault:
            self._log.error("bundle stays", path=path.name, detail=say(why_zh(fault), why_en(fault)))
            self._again_s[path.name] = asyncio.get_running_loop().time() + AGAIN_S
        return True

    def _saves(self, manifest: Manifest) -> dict[str, bytes]:
        """What the store keeps of a bundle's content beside its file: the keys by which all others are judged."""
        return {SAVED_KEYS: self._shelf.path(manifest).read_bytes()} if manifest.kind is Kind.KEYS else {}

    def _standing(self) -> dict[str, Standing]:
        held = {name: manifest.content_sha256 for name, (manifest, _) in self._in_force.items()}
        return {name: Standing(version, held.get(name)) for name, version in self._floors.items()}

    def _swap(self) -> None:
        self.lists.swap(snapshot(self._in_force, self._floors.keys() - self._in_force.keys()))

    def _append(self, manifest: Manifest, saves: Mapping[str, bytes]) -> Append:
        """The record that pins what is in force from now on, and what is installed."""
        clock = self._ports.clock
        entry = Entry(
            id=self._ports.ids.new(),
            kind=CONTEXT,
            time_ms=clock.now_ms(),
            time_quality=clock.state().value,
            monotonic_ms=clock.monotonic_ms(),
            public={"bundles": {manifest.name: manifest.bundle_version}},
        )
        row = InstalledBundle(manifest.name, manifest.bundle_version, manifest.encode())
        return Append((entry,), saves=saves, bundles=(row,))

    def _announce(self) -> None:
        """Say once when a bundle gets old, with its age, while there is time to bring a new one."""
        for standing in self.standings():
            if standing.expiry is None:
                continue
            freshness = standing.expiry.freshness
            known = self._announced.get(standing.name, Freshness.FRESH)
            self._announced[standing.name] = freshness
            if freshness not in (known, Freshness.FRESH):
                hours = standing.expiry.age_ms // HOUR_MS
                age = say(f"已签发 {hours} 小时", f"{hours} h old")
                self._log.warning(
                    "bundle is old", path=standing.name, version=standing.version, state=freshness.value, detail=age
                )
                self._ports.aged(standing)


async def _remove(path: Path) -> None:
    await in_thread(partial(path.unlink, missing_ok=True), "bundles")
