"""``onecard bench status``: the deny list of ten million citizens, five million of them revoked.

Look-ups and memory are measured in a fresh process that opens what a terminal installed, and answers for every single
citizen; the truth is a bytearray in this one. A delta is signed and installed by the terminal's own service: checked,
applied, synced, renamed, and committed with its record. Beside them stand a bare look-up in the mapped file, and the
bare writing of the same bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time
from array import array
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.bundles import bitmap
from agent.bundles.check import Place
from agent.bundles.contents import Opener
from agent.bundles.install import Shelf
from agent.bundles.manifest import Kind, Manifest
from agent.bundles.service import BundlePorts, Bundles
from agent.clock import RecordIds, SystemClock, SystemRandom
from agent.credentials.lists import CurrentLists
from agent.credentials.status import StatusList
from agent.keys import FileKeyStore, Role
from agent.logs import configure
from offline_store.bundles import installed
from offline_store.durable import sync_directory
from offline_store.journal import Journal
from offline_store.writer import Writer
from tools import bundles as platform
from tools.bench.place import bench_directory
from tools.bench.report import Figure, Report, median
from tools.bundles import Issue

NAME = "status-1"
_SEED = 20_260_301
_DAY_MS = 86_400_000
_LOOKUPS = 1_000_000
_CLOSE_S = 10.0
_LOOKUP_TARGET_US, _RSS_TARGET_MB, _DELTA_TARGET_MS = 1.0, 8.0, 100.0


def run(citizens: int, revoked: int, changes: int, rounds: int) -> Report:
    """Measure; every answer and every byte is held against the truth."""
    configure(level="warning")
    with bench_directory() as directory:
        random = Random(_SEED)  # noqa: S311 -- the same list in every run
        truth = _truth(citizens, revoked, random)
        delta_ms, raw_ms = asyncio.run(_deltas(directory, truth, changes, rounds, random))
        command = [sys.executable, "-P", "-m", "tools.bench.status", str(directory), str(citizens)]
        child = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        if child["sha256"] != hashlib.sha256(truth).hexdigest():
            raise AssertionError("the list does not answer as the truth does")
        return Report(
            "status",
            (
                Figure("status.lookup_us", child["lookup_us"], "µs", _LOOKUP_TARGET_US),
                Figure("status.lookup_raw_us", child["raw_us"], "µs"),
                Figure("status.rss_mb", child["rss_mb"], "MB", _RSS_TARGET_MB),
                Figure("status.delta_ms", median(delta_ms), "ms", _DELTA_TARGET_MS, digits=1),
                Figure("status.delta_worst_ms", max(delta_ms), "ms", digits=1),
                Figure("status.delta_raw_ms", median(raw_ms), "ms", digits=1),
            ),
            {
                "citizens": citizens,
                "revoked": revoked,
                "changes": changes,
                "rounds": rounds,
                "answers checked": citizens,
            },
        )


def _truth(citizens: int, revoked: int, random: Random) -> bytearray:
    bits = bytearray((citizens + 7) // 8)
    for entry in random.sample(range(citizens), revoked):
        bits[entry >> 3] |= 1 << (entry & 7)
    return bits


async def _deltas(
    directory: Path, truth: bytearray, changes: int, rounds: int, random: Random
) -> tuple[list[float], list[float]]:
    """Install the full list and then deltas, changing ``truth`` with them; milliseconds of each and of its peer."""
    clock = SystemClock()
    signer = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
    writer = Writer(Journal.open(directory, os.urandom(16), clock=clock, random=SystemRandom()))
    try:
        bundles = Bundles(directory, Place("bench"), _ports(directory, writer, signer), CurrentLists())
        bundles.load()
        path = directory / "made"
        path.write_bytes(platform.full_bundle(_issue(1), bytes(truth), signer))
        manifest = await bundles.install(path)
        taken_ms, raw_ms = [], []
        for version in range(2, rounds + 2):
            changed = random.sample(range(8 * len(truth)), changes)
            down = [entry for entry in changed if truth[entry >> 3] >> (entry & 7) & 1]
            up = [entry for entry in changed if not truth[entry >> 3] >> (entry & 7) & 1]
            for entry in changed:
                truth[entry >> 3] ^= 1 << (entry & 7)
            started_ns = time.perf_counter_ns()
            plain = bitmap.encode_delta(up, down)
            path.write_bytes(platform.signed(_issue(version), bytes(truth), plain, manifest, signer))
            manifest = await bundles.install(path)
            taken_ms.append((time.perf_counter_ns() - started_ns) / 1e6)
            raw_ms.append(_raw_write_ms(directory, truth))
    finally:
        writer.close(_CLOSE_S)
    return taken_ms, raw_ms


def _ports(directory: Path, writer: Writer, signer: cose.Es256Signer) -> BundlePorts:
    keys = FileKeyStore.create(directory / "keys")
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    keys.install(f"platform-{Role.BUNDLE.value}.pem", signer.key.public_key().public_bytes(encoding, form))
    clock = SystemClock()

    async def recover() -> None:
        await asyncio.wrap_future(writer.reload(clock.now_ms()))

    ids = RecordIds(clock, SystemRandom())
    return BundlePorts(writer, keys, clock, ids, recover, _nobody, _nobody, _nobody, _nobody)


def _nobody(_told: object) -> None:
    """Nobody listens to a bench."""


def _issue(version: int) -> Issue:
    now_ms = SystemClock().now_ms()
    return Issue(Kind.STATUS, NAME, version, now_ms, now_ms + _DAY_MS, 0, audience="all")


def _raw_write_ms(directory: Path, content: bytearray) -> float:
    """What the disk takes for the same bytes without any of the checks."""
    started_ns = time.perf_counter_ns()
    part = directory / "raw.part"
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(directory / "raw")
    sync_directory(directory)
    return (time.perf_counter_ns() - started_ns) / 1e6


def main(directory: str, citizens: int) -> None:
    """The fresh process: open what is installed, answer for everybody, print the figures as JSON."""
    random = Random(_SEED + 1)  # noqa: S311 -- the same look-ups in every run
    entries = array("I", (random.randrange(citizens) for _ in range(_LOOKUPS)))
    (row,) = installed(Path(directory))
    manifest = Manifest.decode(row.manifest)
    before_bytes = _rss_bytes()
    status = Shelf(Path(directory)).open(manifest, Opener(b"", lambda sealed, _: sealed))
    if not isinstance(status, StatusList):
        raise TypeError("the bench installs a status list")
    revoked = status.revoked
    started_ns = time.perf_counter_ns()
    for entry in entries:
        revoked(entry)
    lookup_ns = time.perf_counter_ns() - started_ns
    digest = hashlib.sha256()
    for first in range(0, citizens, 8):
        digest.update(bytes([sum(revoked(first + bit) << bit for bit in range(8))]))
    rss_bytes = _rss_bytes() - before_bytes
    figures = {
        "lookup_us": lookup_ns / _LOOKUPS / 1000,
        "raw_us": _raw_lookup_us(Shelf(Path(directory)).path(manifest), entries),
        "rss_mb": rss_bytes / 1e6,
        "sha256": digest.hexdigest(),
    }
    sys.stdout.write(json.dumps(figures))


def _raw_lookup_us(path: Path, entries: array[int]) -> float:
    bits = bytearray(path.read_bytes())
    started_ns = time.perf_counter_ns()
    for entry in entries:
        bits[entry >> 3] >> (entry & 7) & 1
    return (time.perf_counter_ns() - started_ns) / len(entries) / 1000


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
