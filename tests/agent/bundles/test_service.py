"""The service: files dropped while it runs, damage found at the start, faults of the disk, and age announced."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.incoming import MAX_REFUSED, Incoming
from agent.bundles.manifest import Kind
from agent.credentials.trust import Freshness
from agent.keys import Role
from offline_store.bundles import InstalledBundle, installed
from offline_store.journal import Append
from offline_store.outbox import Outbox
from offline_store.record import Record
from tests.agent.bundles.parts import (
    BUNDLE,
    DAY_MS,
    ISSUER,
    NOW_MS,
    ROOT,
    Terminal,
    issue,
    new_signer,
    pem,
)
from tests.faults.privilege import refused
from tools import bundles as platform

DEADLINE_S = 20.0


@contextlib.asynccontextmanager
async def running(terminal: Terminal):  # type: ignore[no-untyped-def]  # an async generator behind a decorator
    task = asyncio.create_task(terminal.bundles.run())
    try:
        yield Incoming(terminal.state_dir)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not true():  # noqa: ASYNC110 -- a file that goes sets no event
            await asyncio.sleep(0.01)


def drop(terminal: Terminal, name: str, bundle: bytes) -> Path:
    source = terminal.state_dir / "stick"
    source.write_bytes(bundle)
    return Incoming(terminal.state_dir).drop(source, name)


async def test_what_is_dropped_while_the_terminal_runs_is_in_force_at_once(terminal: Terminal) -> None:
    before = terminal.bundles.lists.current()
    async with running(terminal):
        path = drop(terminal, "status", terminal.full(Kind.STATUS))
        await until(lambda: not path.exists())
    after = terminal.bundles.lists.current()
    assert before.status == {}
    assert after.status[ISSUER].revoked(101)
    assert not after.status[ISSUER].revoked(102)


async def test_a_decision_that_began_before_keeps_its_snapshot(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.STATUS))
    before = terminal.bundles.lists.current()
    await terminal.install(terminal.delta(Kind.STATUS, 1, 2))
    assert [lists.status[ISSUER].revoked(102) for lists in (before, terminal.bundles.lists.current())] == [False, True]


async def test_one_visit_brings_keys_base_and_delta_in_whatever_order_they_are_named(terminal: Terminal) -> None:
    new = new_signer()
    keys = platform.keys_content([(Role.ROOT, pem(ROOT)), (Role.BUNDLE, pem(BUNDLE)), (Role.BUNDLE, pem(new))])
    fulls = [
        terminal.parsed(platform.full_bundle(issue(Kind.STATUS, version), terminal.content(Kind.STATUS, version), new))
        for version in (1, 2)
    ]
    first = platform.full_bundle(issue(Kind.STATUS), terminal.content(Kind.STATUS), new)
    paths = [
        drop(terminal, "a-delta", platform.delta_bundle(fulls[0], fulls[1], new)),
        drop(terminal, "b-full", first),
        drop(terminal, "c-keys", platform.full_bundle(issue(Kind.KEYS), keys, ROOT)),
    ]
    async with running(terminal) as incoming:
        await until(lambda: not any(path.exists() for path in paths))
    assert terminal.standing() == {"keys": 1, f"status-{ISSUER}": 2}
    assert all(incoming.reason(path) is None for path in paths)


async def test_a_refused_file_stays_with_its_reason_and_a_bound(terminal: Terminal) -> None:
    async with running(terminal) as incoming:
        paths = [drop(terminal, f"bad-{number:02}", b"hello") for number in range(MAX_REFUSED + 2)]
        await until(lambda: not any(path.exists() for path in paths))
        await until(lambda: len(list(incoming.refused.glob("*.json"))) == MAX_REFUSED)
        reason = incoming.reason(paths[-1])
    assert reason is not None
    assert (reason["code"], reason["zh"]) == ("not-a-bundle", "不是数据包文件")
    assert len(list(incoming.refused.glob("*.bundle"))) == MAX_REFUSED == len(list(incoming.refused.glob("*.json")))
    assert terminal.standing() == {}


async def test_a_file_that_is_still_being_copied_is_left_alone(terminal: Terminal) -> None:
    half = Incoming(terminal.state_dir).directory / "half.part"
    half.write_bytes(terminal.full(Kind.STATUS)[:50])
    async with running(terminal):
        path = drop(terminal, "whole", terminal.full(Kind.STATUS))
        await until(lambda: not path.exists())
    assert half.exists()


async def test_nothing_is_written_through_what_lies_in_the_folder_and_what_a_power_cut_left_is_swept(
    terminal: Terminal,
) -> None:
    incoming, others = Incoming(terminal.state_dir), terminal.state_dir / "others"
    incoming.make()
    others.write_text("not ours")
    for name in ("whole.part", "whole.bundle", "enrolment-1.part"):
        (incoming.directory / name).symlink_to(others)
    drop(terminal, "whole", terminal.full(Kind.STATUS))
    incoming.bring(terminal.full(Kind.STATUS), "enrolment-1")
    assert others.read_text() == "not ours"
    assert not (incoming.directory / "whole.bundle").is_symlink()
    left = [folder / ".cut.bundle.0123456789abcdef" for folder in (incoming.directory, incoming.refused)]
    for path in left:
        path.write_bytes(b"half")
    terminal.restart()
    assert not any(path.exists() for path in left)


async def test_what_root_brings_the_terminals_user_can_read(terminal: Terminal) -> None:
    incoming = Incoming(terminal.state_dir)
    incoming.make()
    incoming.bring(terminal.full(Kind.STATUS), "enrolment-1")
    drop(terminal, "stick", terminal.full(Kind.STATUS))
    assert [path.stat().st_mode & 0o777 for path in incoming.files()] == [0o644, 0o644]
    assert incoming.directory.stat().st_mode & 0o777 == 0o700


async def test_the_same_file_again_changes_nothing_and_is_no_fault(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.STATUS))
    async with running(terminal) as incoming:
        path = drop(terminal, "again", terminal.full(Kind.STATUS))
        await until(lambda: not path.exists())
    assert incoming.reason(path) is None


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"\0" * 512)])
async def test_a_damaged_file_is_not_in_force_and_the_same_version_may_come_again(
    terminal: Terminal, spoil: Callable[[Path], object]
) -> None:
    await terminal.install(terminal.full(Kind.STATUS, 3))
    terminal.stop()
    spoil(terminal.state_dir / "bundles" / f"status-{ISSUER}.3")
    terminal.start()
    assert terminal.bundles.lists.current().status == {}
    assert [(one.version, one.expiry) for one in terminal.bundles.standings()] == [(3, None)]
    for bundle, fault in (
        (terminal.full(Kind.STATUS, 2), BundleFault.ROLLBACK),
        (terminal.delta(Kind.STATUS, 3, 4), BundleFault.WRONG_BASE),
    ):
        with pytest.raises(BundleError) as caught:
            await terminal.install(bundle)
        assert caught.value.fault is fault
    await terminal.install(terminal.full(Kind.STATUS, 3))
    assert terminal.bundles.lists.current().status[ISSUER].revoked(103)


async def test_what_no_commit_names_is_swept_at_the_start(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.STATUS))
    shelf = terminal.state_dir / "bundles"
    for name in (f"status-{ISSUER}.2", ".status-9.part"):
        (shelf / name).write_bytes(b"left over")
    terminal.restart()
    assert [path.name for path in shelf.iterdir() if path.is_file()] == [f"status-{ISSUER}.1"]


async def test_a_directory_or_link_named_like_a_draft_stays_and_keeps_nobody_out_of_service(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.STATUS))
    incoming = Incoming(terminal.state_dir)
    draft, folder, link = (f".{name}.bundle.0123456789abcdef" for name in ("draft", "folder", "link"))
    (incoming.directory / draft).write_bytes(b"left over")
    (incoming.directory / folder).mkdir()
    (incoming.refused / link).symlink_to("nowhere")
    terminal.restart()
    assert [path.name for path in (*incoming.directory.iterdir(), *incoming.refused.iterdir())] == [folder, link]
    assert terminal.bundles.lists.current().status[ISSUER].revoked(101)


async def test_a_draft_that_cannot_be_removed_is_logged_and_keeps_nobody_out_of_service(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.STATUS))
    draft = Incoming(terminal.state_dir).directory / ".a.bundle.0123456789abcdef"
    draft.write_bytes(b"left over")
    with busy(draft), capture_logs() as lines:
        terminal.restart()
    assert [line["path"] for line in lines if line["event"] == "a draft stays"] == [draft.name]
    assert terminal.bundles.lists.current().status[ISSUER].revoked(101)
    terminal.restart()
    assert not draft.exists()


@contextlib.contextmanager
def busy(path: Path) -> Iterator[None]:
    """A file that even root cannot remove: something is mounted on it (EBUSY)."""
    done = subprocess.run(["mount", "--bind", path, path], capture_output=True, text=True, check=False)
    if done.returncode:
        refused(f"this machine mounts nothing: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


async def test_the_record_and_the_bundle_are_one_commit(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.STATUS))
    outbox = Outbox.open(terminal.state_dir)
    try:
        last = Record.from_bytes(outbox.batch(0, 10, 100_000)[-1]).entry
    finally:
        outbox.close()
    assert last.kind == "context"
    assert dict(last.public) == {"bundles": {f"status-{ISSUER}": 1}}
    assert [(row.name, row.version) for row in installed(terminal.state_dir)] == [(f"status-{ISSUER}", 1)]


async def test_the_stores_own_floor_never_sinks(terminal: Terminal) -> None:
    for version in (5, 4):
        terminal.writer.submit(Append(bundles=(InstalledBundle("status-1", version, b"m"),))).result()
    assert [row.version for row in installed(terminal.state_dir)] == [5]


async def test_age_is_announced_once_a_state(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.STATUS))
    for days in (1, 8, 8, 11, 12):
        terminal.clock.at_ms = NOW_MS + days * DAY_MS
        async with running(terminal):
            path = drop(terminal, "again", b"")
            await until(lambda path=path: not path.exists())  # type: ignore[misc]
    said = [(one.name, one.expiry.freshness, one.expiry.age_ms // DAY_MS) for one in terminal.aged if one.expiry]
    name = f"status-{ISSUER}"
    assert said == [(name, Freshness.IN_GRACE, 8), (name, Freshness.EXPIRED, 11)]


async def test_an_expired_trust_list_stays_and_says_so_itself(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.TRUST))
    terminal.clock.at_ms = NOW_MS + 30 * DAY_MS
    terminal.restart()
    trust = terminal.bundles.lists.current().trust
    assert trust is not None
    assert trust.expiry(terminal.clock.at_ms).freshness.value == "expired"


async def test_names_and_links_that_nobody_expects_keep_no_other_file_waiting(terminal: Terminal) -> None:
    directory = Incoming(terminal.state_dir).directory
    (directory / f"{'a' * 248}.bundle").write_bytes(b"hello")
    (directory / "elsewhere.bundle").symlink_to("elsewhere")
    os.mkfifo(directory / "pipe.bundle")
    async with running(terminal) as incoming:
        last = drop(terminal, "zz", b"hello")
        await until(lambda: not last.exists())
        await until(lambda: len(list(incoming.refused.glob("*.json"))) == 2)
    assert incoming.reason(directory / f"{'a' * 248}.bundle") is not None
    assert {path.name for path in directory.iterdir()} == {"elsewhere.bundle", "pipe.bundle"}
