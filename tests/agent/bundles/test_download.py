"""Downloads: what is offered is judged before it is fetched, restarts go on, and no broker can do more than delay."""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import os
import random
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from agent import cose
from agent.bundles import download
from agent.bundles.at_disk import Elsewhere
from agent.bundles.chunk_tree import ChunkTree
from agent.bundles.download import MAX_ALTERED, MAX_WAITING, WINDOW, Downloads
from agent.bundles.envelope import head, seal
from agent.bundles.incoming import Incoming
from agent.bundles.install import envelope_of
from agent.bundles.manifest import Kind, Manifest
from agent.sync.contract import Chunk, Offer, Want
from agent.sync.contract.downloads import CHUNK_BYTES, chunk_count
from agent.threads import in_thread
from tests.agent.bundles.parts import DAY_MS, ISSUER, NOW_MS, Terminal, issue, new_signer, signer_for
from tests.agent.bundles.test_service import running, until
from tests.agent.simulated import run_simulated
from tools import bundles as platform

ENTRIES = 8 * 900_000
REVOKED = 700_000
"""Random bits hardly compress, so such a deny list comes in more chunks than are under way at once."""


@dataclass
class Giver:
    """The other end of the wire: gives chunks of the bundles that it has, or something else."""

    downloads: Downloads | None = None
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    trees: dict[bytes, ChunkTree] = field(default_factory=dict)
    wants: list[Want] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)
    spoil: Callable[[int, bytes], bytes | None] = field(default=lambda _number, data: data)
    backwards: bool = False

    def ask(self, payload: bytes) -> bool:
        want = Want.decode(payload)
        self.wants.append(want)
        asyncio.get_running_loop().call_soon(self.give, want)
        return True

    def hear(self, topic_filter: str) -> None:
        self.heard.add(topic_filter)

    def hear_no_more(self, topic_filter: str) -> None:
        self.heard.discard(topic_filter)

    def has(self, bundle: bytes) -> bytes:
        """Take a bundle file; its envelope."""
        size_bytes = int.from_bytes(bundle[4:6], "big")
        envelope = bundle[6 : 6 + size_bytes]
        manifest = platform.manifest_of(envelope)
        body = self.bodies[manifest.body_sha256] = bundle[6 + size_bytes :]
        if manifest.chunk_root is not None:
            pieces = (body[first : first + CHUNK_BYTES] for first in range(0, len(body), CHUNK_BYTES))
            self.trees[manifest.body_sha256] = ChunkTree(pieces)
        return envelope

    def give(self, want: Want) -> None:
        body = self.bodies.get(want.body_sha256, b"")
        tree = self.trees.get(want.body_sha256)
        numbers = list(range(want.first, want.first + want.count))
        for number in reversed(numbers) if self.backwards else numbers:
            data = body[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES]
            spoilt = self.spoil(number, data) if data else None
            if spoilt and self.downloads is not None:
                path = None if tree is None else tree.path(number)
                chunk = Chunk(body_sha256=want.body_sha256, number=number, data=spoilt, path=path)
                self.downloads.chunk(chunk.encode())


@dataclass
class Desk:
    """A terminal with its downloads, and what they complained of."""

    terminal: Terminal
    giver: Giver = field(default_factory=Giver)
    complaints: list[str] = field(default_factory=list)
    elsewhere: Elsewhere = in_thread

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        directory = Incoming(self.terminal.state_dir).directory
        self.downloads = Downloads(directory, self.terminal.bundles.judge, self.complaints.append, self.elsewhere)
        self.giver.downloads = self.downloads

    def offer(self, *bundles: bytes) -> None:
        self.downloads.offered(Offer(envelopes=tuple(map(self.giver.has, bundles))).encode())

    def fetched(self) -> list[Manifest]:
        files = Incoming(self.terminal.state_dir).files()
        return [platform.manifest_of(envelope_of(path)) for path in files]


@pytest.fixture
def desk(terminal: Terminal) -> Desk:
    return Desk(terminal)


@cache
def some_revoked() -> tuple[int, ...]:
    return tuple(random.Random(1).sample(range(ENTRIES), REVOKED))


@cache
def large(version: int = 1) -> bytes:
    """A full bundle of many chunks; each version revokes a few more."""
    content = platform.status_content(ENTRIES, {*some_revoked(), *range(version)})
    return platform.full_bundle(issue(Kind.STATUS, version), content, signer_for(Kind.STATUS))


def small_delta(terminal: Terminal, old: int, new: int) -> bytes:
    """What leads from one large version to another."""
    fulls = [terminal.parsed(large(version)) for version in (old, new)]
    return platform.delta_bundle(fulls[0], fulls[1], signer_for(Kind.STATUS))


@contextlib.asynccontextmanager
async def in_service(desk: Desk) -> AsyncIterator[None]:
    desk.downloads.connected(desk.giver)
    desk.downloads.begin_service()
    yield
    desk.downloads.disconnected()


async def at_once(work: Callable[[], Any], _name: str) -> Any:
    """In simulated time no thread is waited for."""
    return work()


async def test_a_disk_that_hangs_in_a_download_keeps_nobody_else_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lanes decide on the loop that hears of chunks: also a sync of many megabytes would be everybody's."""
    hangs, goes_on, sync = threading.Event(), threading.Event(), os.fsync

    def hang(descriptor: int) -> None:
        hangs.set()
        assert goes_on.wait(5), "nobody came to let the disk go on: the event loop stood still"
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", hang)
    async with in_service(desk):
        desk.offer(large())
        await until(hangs.is_set)
        goes_on.set()
        await until(lambda: len(desk.fetched()) == 1)


async def test_a_bundle_of_many_chunks_comes_whole_and_is_installed(desk: Desk) -> None:
    bundle = large()
    assert chunk_count(len(bundle)) > WINDOW + 1
    async with in_service(desk), running(desk.terminal):
        desk.offer(bundle)
        await until(lambda: desk.terminal.standing() == {f"status-{ISSUER}": 1})
    assert [want.first for want in desk.giver.wants] == list(range(0, chunk_count(len(bundle)), WINDOW))
    assert desk.giver.heard == set()
    assert desk.complaints == []


async def test_chunks_that_overtake_each_other_are_put_in_order(desk: Desk) -> None:
    desk.giver.backwards = True
    async with in_service(desk):
        desk.offer(large())
        await until(lambda: desk.downloads.counters["fetched"] == 1)
    assert len(desk.fetched()) == 1


async def test_the_delta_is_taken_where_its_base_is_in_force_and_the_full_one_elsewhere(desk: Desk) -> None:
    terminal = desk.terminal
    async with in_service(desk), running(terminal):
        desk.offer(large(2), small_delta(terminal, 1, 2))
        await until(lambda: terminal.standing() == {f"status-{ISSUER}": 2})
        desk.offer(large(3), small_delta(terminal, 2, 3))
        await until(lambda: terminal.standing() == {f"status-{ISSUER}": 3})
    sizes = [len(desk.giver.bodies[want.body_sha256]) for want in desk.giver.wants]
    assert [size_bytes > CHUNK_BYTES for size_bytes in sizes] == [True] * (len(sizes) - 1) + [False]


async def test_a_delta_that_is_larger_than_the_full_one_is_left(desk: Desk) -> None:
    """Of a list of which all entries go, the full one is next to nothing."""
    terminal, signer = desk.terminal, signer_for(Kind.STATUS)
    nobody = platform.full_bundle(issue(Kind.STATUS, 2), platform.status_content(ENTRIES, set()), signer)
    delta = platform.delta_bundle(terminal.parsed(large(1)), terminal.parsed(nobody), signer)
    assert len(delta) > len(nobody)
    async with in_service(desk), running(terminal):
        desk.offer(large(1))
        await until(lambda: terminal.standing() == {f"status-{ISSUER}": 1})
        desk.offer(delta, nobody)
        await until(lambda: terminal.standing() == {f"status-{ISSUER}": 2})
    (taken,) = {want.body_sha256 for want in desk.giver.wants if want.bundle_version == 2}
    assert desk.giver.bodies[taken] in nobody


async def test_what_would_not_be_installed_is_not_asked_for(desk: Desk) -> None:
    terminal = desk.terminal
    await terminal.install(terminal.full(Kind.STATUS, 5))
    refused = [
        terminal.full(Kind.STATUS, 4),
        terminal.full(Kind.STATUS, 5),
        terminal.full(Kind.STATUS, 6, audience="terminal:gate-8"),
        terminal.full(Kind.STATUS, 6, audience="site:elsewhere"),
        terminal.full(Kind.STATUS, 6, expires_ms=NOW_MS - DAY_MS, issued_ms=NOW_MS - 9 * DAY_MS, grace_ms=0),
        platform.full_bundle(issue(Kind.STATUS, 6), terminal.content(Kind.STATUS), new_signer()),
        platform.full_bundle(issue(Kind.TRUST, 6), terminal.content(Kind.TRUST), signer_for(Kind.STATUS)),
    ]
    async with in_service(desk):
        for bundle in refused:
            desk.offer(bundle)
        desk.downloads.offered(b"no offer")
        await until(lambda: len(desk.complaints) == 4)
    assert desk.giver.wants == []
    assert sorted(desk.complaints) == ["expired", "malformed-offer", "signature", "wrong-role"]
    assert not any(path.suffix == ".fetch" for path in Incoming(terminal.state_dir).directory.iterdir())


async def test_a_restart_goes_on_from_what_is_there(desk: Desk) -> None:
    bundle, stop_at = large(), WINDOW + 1
    desk.giver.spoil = lambda number, data: data if number < stop_at else None
    async with in_service(desk):
        desk.offer(bundle)
        await until(lambda: desk.downloads.counters["chunks"] == stop_at)
    desk.giver.wants.clear()
    desk.giver.spoil = lambda _number, data: data
    desk.begin()
    async with in_service(desk):
        await until(lambda: len(desk.fetched()) == 1)
    assert desk.giver.wants[0].first == stop_at
    [file] = Incoming(desk.terminal.state_dir).files()
    assert file.read_bytes() == bundle


async def test_what_a_restart_finds_and_nobody_would_install_any_more_is_removed(desk: Desk) -> None:
    directory = Incoming(desk.terminal.state_dir).directory
    stranger = platform.full_bundle(issue(Kind.STATUS, 1), desk.terminal.content(Kind.STATUS), new_signer())
    (directory / "status-1057-1-00.fetch").write_bytes(stranger[:500])
    (directory / "noise.fetch").write_bytes(b"noise")
    async with in_service(desk):
        await until(lambda: not any(directory.iterdir()))
        assert list(directory.iterdir()) == []


async def test_a_connection_that_comes_and_goes_delays_and_nothing_else(desk: Desk) -> None:
    bundle = large()
    desk.giver.spoil = lambda number, data: data if number < 3 else None
    async with in_service(desk):
        desk.offer(bundle)
        await until(lambda: desk.downloads.counters["chunks"] == 3)
    desk.giver.spoil = lambda _number, data: data
    desk.downloads.connected(desk.giver)
    await until(lambda: len(desk.fetched()) == 1)
    assert desk.giver.wants[-1].first >= 3


async def test_chunks_of_other_bodies_sizes_and_places_change_nothing(desk: Desk) -> None:
    bundle = large()
    digest = platform.manifest_of(desk.giver.has(bundle)).body_sha256
    desk.giver.has(large(9))
    desk.giver.spoil = lambda _number, _data: None
    async with in_service(desk):
        desk.offer(bundle)
        await until(lambda: bool(desk.giver.wants))
        for chunk in (
            Chunk(body_sha256=b"x" * 32, number=0, data=b"d" * CHUNK_BYTES),
            Chunk(body_sha256=digest, number=WINDOW, data=b"d" * CHUNK_BYTES),
            Chunk(body_sha256=digest, number=0, data=b"short"),
            Chunk(body_sha256=digest, number=30_000, data=b"d"),
        ):
            desk.downloads.chunk(chunk.encode())
        desk.downloads.chunk(b"garbage")
        assert desk.downloads.counters["stray-chunks"] == 1
        assert desk.downloads.counters["unwanted-chunks"] == 3
        desk.giver.spoil = lambda _number, data: data
        desk.giver.give(desk.giver.wants[0])
        await until(lambda: len(desk.fetched()) == 1)


def without_tree(bundle: bytes, signer: cose.Es256Signer) -> bytes:
    """The same bundle as it was made before chunks proved themselves."""
    size_bytes = int.from_bytes(bundle[4:6], "big")
    manifest = platform.manifest_of(bundle[6 : 6 + size_bytes]).model_copy(update={"chunk_root": None})
    return head(seal(manifest.encode(), signer)) + bundle[6 + size_bytes :]


async def test_a_body_that_a_broker_altered_is_refused_and_its_sibling_is_fetched_instead(desk: Desk) -> None:
    terminal = desk.terminal
    await terminal.install(large(1))
    full, delta = large(2), without_tree(small_delta(terminal, 1, 2), signer_for(Kind.STATUS))
    altered = platform.manifest_of(desk.giver.has(delta)).body_sha256
    async with in_service(desk), running(terminal):
        desk.offer(full, delta)
        desk.giver.bodies[altered] = b"\x01" * len(desk.giver.bodies[altered])
        await until(lambda: any(Incoming(terminal.state_dir).refused.glob("*.bundle")))
        desk.offer(full, delta)
        await until(lambda: terminal.standing() == {f"status-{ISSUER}": 2})
    assert [want.body_sha256 == altered for want in desk.giver.wants][:2] == [True, False]
    assert sum(want.body_sha256 == altered for want in desk.giver.wants) == 1


async def test_one_altered_chunk_is_asked_for_again_alone(desk: Desk) -> None:
    lies = {3: MAX_ALTERED - 1, 9: 1}

    def lie(number: int, data: bytes) -> bytes:
        lies[number] = lies.get(number, 0) - 1
        return bytes([data[0] ^ 1]) + data[1:] if lies[number] >= 0 else data

    desk.giver.spoil = lie
    async with in_service(desk), running(desk.terminal):
        desk.offer(large())
        await until(lambda: desk.terminal.standing() == {f"status-{ISSUER}": 1})
    asked = [(want.first, want.count) for want in desk.giver.wants]
    assert asked.count((3, 1)) == MAX_ALTERED - 1
    assert asked.count((9, 1)) == 1
    assert sum(count for _, count in asked) == chunk_count(len(desk.giver.bodies[desk.giver.wants[0].body_sha256])) + 4
    assert desk.complaints == ["altered-chunk"] * 4


async def test_a_chunk_that_always_comes_altered_lets_the_sibling_through(desk: Desk) -> None:
    terminal = desk.terminal
    await terminal.install(large(1))
    full, delta = large(2), small_delta(terminal, 1, 2)
    altered = platform.manifest_of(desk.giver.has(delta)).body_sha256
    async with in_service(desk), running(terminal):
        desk.offer(full, delta)
        desk.giver.bodies[altered] = b"\x01" * len(desk.giver.bodies[altered])
        await until(lambda: desk.complaints.count("altered-chunk") == MAX_ALTERED)
        desk.offer(full, delta)
        await until(lambda: terminal.standing() == {f"status-{ISSUER}": 2})
    assert sum(want.body_sha256 == altered for want in desk.giver.wants) == MAX_ALTERED


async def test_two_bundles_come_one_after_the_other(desk: Desk) -> None:
    terminal = desk.terminal
    async with in_service(desk), running(terminal):
        desk.offer(terminal.full(Kind.TRUST))
        desk.offer(terminal.full(Kind.STATUS))
        desk.offer(terminal.full(Kind.EMERGENCY))
        await until(lambda: len(terminal.standing()) == 3)
    assert len({want.name for want in desk.giver.wants}) == 3


async def test_a_newer_version_takes_the_place_of_one_that_is_under_way(desk: Desk) -> None:
    desk.giver.spoil = lambda number, data: data if number < 2 else None
    async with in_service(desk):
        desk.offer(large(1))
        await until(lambda: desk.downloads.counters["chunks"] == 2)
        desk.giver.spoil = lambda _number, data: data
        desk.offer(large(2))
        await until(lambda: len(desk.fetched()) == 1)
    assert [manifest.bundle_version for manifest in desk.fetched()] == [2]
    assert not list(Incoming(desk.terminal.state_dir).directory.glob("*.fetch"))


def test_a_bundle_whose_chunks_never_come_lets_the_others_through_and_is_asked_for_ever_more_seldom(
    terminal: Terminal,
) -> None:
    async def main() -> None:
        desk = Desk(terminal, elsewhere=at_once)
        poisoned = platform.manifest_of(desk.giver.has(large())).name
        desk.giver.spoil = lambda _number, data: data if len(data) < CHUNK_BYTES // 4 else None
        async with in_service(desk):
            desk.offer(large())
            await asyncio.sleep(1)
            desk.offer(terminal.full(Kind.EMERGENCY))
            await asyncio.sleep(3 * 3_600)
            assert [manifest.name for manifest in desk.fetched()] == ["emergency"]
        asked = sum(want.name == poisoned for want in desk.giver.wants)
        assert 10 < asked < 20 + 3 * 3_600 / download.PAUSE_CAP_S

    run_simulated(main())


async def test_what_comes_before_the_lists_are_loaded_waits_in_bounds(desk: Desk) -> None:
    desk.downloads.connected(desk.giver)
    for version in range(1, 2 * MAX_WAITING):
        desk.offer(desk.terminal.full(Kind.STATUS, version))
    assert desk.giver.wants == []
    desk.downloads.begin_service()
    await until(lambda: len(desk.fetched()) == 1)
    assert desk.fetched()[0].bundle_version == 2 * MAX_WAITING - 1


def test_topics_of_chunks_are_those_that_are_subscribed_to() -> None:
    from agent.sync.contract import chunk_filter, chunk_topic

    pattern = chunk_filter("status-7", 12).replace("+", "*")
    assert fnmatch.fnmatchcase(chunk_topic("status-7", 12, 3), pattern)
    assert head(b"envelope").endswith(b"envelope")
