"""What is lost on the disk denies nobody by its absence, and brings nobody back who was revoked."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.bundles.check import MAX_AHEAD_MS
from agent.bundles.data import IN_MEMORY_BYTES, FileData, read_data
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Kind
from agent.bundles.rings import NOBODY, rings_on_disk
from agent.credentials.lists import ListLost
from agent.credentials.register import Holder, SiteRegister
from agent.credentials.verify import Verifier
from agent.keys import Role
from drivers.api import CardReading, Interface
from offline_store.journal import Append
from profiles.api import ClockState, Presented, Reason, Rejected, Subject
from tests.agent.bundles.parts import DAY_MS, NOW_MS, ROOT, Terminal, issue, new_signer, pem, some_id
from tests.agent.bundles.test_service import drop, running, until
from tools import bundles as platform

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def verdict(terminal: Terminal, medium: bytes, own: SiteRegister | None = None) -> Presented | Rejected:
    """Of a card with this medium id."""
    verifier = Verifier(lambda _: medium * 2, own or SiteRegister(()), terminal.bundles.lists.current)
    reading = CardReading(
        reader="slot", at_ns=0, application="t-union", interface=Interface.CONTACTLESS, issuer=b"1", identifier=b"2"
    )
    return verifier.card(reading, NOON)


def reason(terminal: Terminal, medium: bytes, own: SiteRegister | None = None) -> Reason | None:
    judged = verdict(terminal, medium, own)
    return judged.reason if isinstance(judged, Rejected) else None  # type: ignore[return-value]


def spoil(terminal: Terminal, name: str) -> None:
    terminal.stop()
    (terminal.state_dir / "bundles" / name).write_bytes(b"\0" * 64)
    terminal.start()


async def test_a_damaged_emergency_list_refuses_everybody_until_it_is_brought_again(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.EMERGENCY))
    assert reason(terminal, some_id(1)) is Reason.MEDIUM_DENIED
    assert reason(terminal, some_id(99)) is None
    spoil(terminal, "emergency.1")
    assert terminal.damaged == ["emergency"]
    assert [reason(terminal, some_id(number)) for number in (1, 99)] == [Reason.LIST_DAMAGED] * 2
    await terminal.install(terminal.full(Kind.EMERGENCY))
    assert [reason(terminal, some_id(number)) for number in (1, 99)] == [Reason.MEDIUM_DENIED, None]


async def test_a_damaged_register_refuses_everybody_for_nobody_knows_who_is_lost(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.REGISTER))
    assert [reason(terminal, some_id(number)) for number in (1, 3, 99)] == [None, Reason.MEDIUM_LOST, None]
    spoil(terminal, "register-city.1")
    assert [reason(terminal, some_id(number)) for number in (1, 3, 99)] == [Reason.LIST_DAMAGED] * 3


async def test_a_loss_in_any_source_counts(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.REGISTER))
    mine = SiteRegister([(some_id(3), Holder(Subject("site", some_id(3)), frozenset({"staff"})))])
    assert reason(terminal, some_id(3), mine) is Reason.MEDIUM_LOST


async def rotated(terminal: Terminal) -> None:
    """The keys of the enrolment are revoked, but for the root."""
    keys = platform.keys_content(
        [(Role.ROOT, pem(ROOT)), (Role.BUNDLE, pem(new_signer())), (Role.ACKNOWLEDGEMENT, pem(new_signer()))]
    )
    await terminal.install(platform.full_bundle(issue(Kind.KEYS), keys, ROOT))


async def refused(terminal: Terminal, bundle: bytes) -> BundleFault:
    with pytest.raises(BundleError) as caught:
        await terminal.install(bundle)
    return caught.value.fault


async def test_a_damaged_keys_file_is_written_again_from_the_stores_copy(terminal: Terminal) -> None:
    await rotated(terminal)
    in_force = terminal.bundles.keys()
    spoil(terminal, "keys.1")
    assert terminal.damaged == []
    assert terminal.bundles.keys() == in_force
    assert await refused(terminal, terminal.full(Kind.STATUS)) is BundleFault.SIGNATURE


async def test_keys_that_are_lost_altogether_bring_no_revoked_key_back(terminal: Terminal) -> None:
    await rotated(terminal)
    terminal.writer.submit(Append(saves={"bundle/keys": b"\0"})).result()
    spoil(terminal, "keys.1")
    assert terminal.damaged == ["keys"]
    assert terminal.bundles.keys() == NOBODY == rings_on_disk(terminal.state_dir, terminal.keys)
    assert await refused(terminal, terminal.full(Kind.STATUS)) is BundleFault.SIGNATURE
    again = platform.full_bundle(issue(Kind.KEYS, 2), terminal.content(Kind.KEYS), ROOT)
    assert await refused(terminal, again) is BundleFault.SIGNATURE


async def test_every_role_rotates_with_the_keys_bundle(terminal: Terminal) -> None:
    before = rings_on_disk(terminal.state_dir, terminal.keys)
    await rotated(terminal)
    after = rings_on_disk(terminal.state_dir, terminal.keys)
    assert after == terminal.bundles.keys()
    assert after[Role.ROOT] == before[Role.ROOT]
    assert not after[Role.BUNDLE].keys() & before[Role.BUNDLE].keys()
    assert len(after[Role.ACKNOWLEDGEMENT]) == 1
    assert after[Role.SOFTWARE] == {}


@pytest.mark.parametrize("state", [ClockState.SYNCHRONISED, ClockState.HOLDOVER])
async def test_a_clock_that_is_trusted_takes_nothing_from_the_future(terminal: Terminal, state: ClockState) -> None:
    terminal.clock.quality = state
    ahead = terminal.full(Kind.STATUS, issued_ms=NOW_MS + MAX_AHEAD_MS + 1)
    assert await refused(terminal, ahead) is BundleFault.FUTURE
    await terminal.install(terminal.full(Kind.STATUS, issued_ms=NOW_MS + MAX_AHEAD_MS))


async def test_a_clock_that_is_not_trusted_learns_from_what_is_signed_also_at_the_next_start(
    terminal: Terminal,
) -> None:
    terminal.clock.quality = ClockState.UNTRUSTED
    await terminal.install(terminal.full(Kind.STATUS, issued_ms=NOW_MS + DAY_MS))
    terminal.signed_at.clear()
    terminal.restart()
    assert terminal.signed_at == [NOW_MS + DAY_MS]


async def test_an_install_tells_how_far_the_journal_has_grown(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.STATUS))
    assert terminal.recorded == [terminal.journal.head.seq]


# Content by position ------------------------------------------------------------------------------------------------


def test_small_content_is_in_memory_and_large_content_is_read_by_position(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"abc")
    large.write_bytes(bytes(range(256)) * (IN_MEMORY_BYTES // 256 + 1))
    assert read_data(small) == b"abc"
    data = read_data(large)
    assert isinstance(data, FileData)
    assert (data[257], data[256:260], data[5:3], len(data)) == (1, b"\0\1\2\3", b"", large.stat().st_size)
    large.unlink()
    assert data[255] == 255


def test_a_file_that_is_cut_under_a_lookup_is_a_fault_of_that_lookup_and_not_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(bytes(IN_MEMORY_BYTES + 1))
    data = read_data(path)
    os.truncate(path, 100)
    assert data[99] == 0
    with pytest.raises(ListLost):
        data[100]
    with pytest.raises(ListLost):
        data[50:150]


async def test_a_register_that_is_cut_under_the_lanes_refuses_and_ends_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.bundles.data.IN_MEMORY_BYTES", 0)
    await terminal.install(terminal.full(Kind.REGISTER))
    assert reason(terminal, some_id(1)) is None
    os.truncate(terminal.state_dir / "bundles" / "register-city.1", 40)
    assert reason(terminal, some_id(1)) is Reason.LIST_DAMAGED


async def test_a_bundle_for_which_there_is_no_room_keeps_no_other_waiting(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.bundles.install.RESERVE_BYTES", 1 << 62)
    async with running(terminal):
        first = drop(terminal, "a", terminal.full(Kind.STATUS))
        last = drop(terminal, "b", b"hello")
        await until(lambda: not last.exists())
    assert first.exists()
    assert terminal.standing() == {}


async def test_a_lease_holds_until_its_end_and_comes_back_with_the_next_but_never_with_an_older(
    terminal: Terminal,
) -> None:
    def holds() -> bool | None:
        return terminal.bundles.lists.current().leased(terminal.clock.now_ms())

    assert holds() is None
    first = terminal.full(Kind.LEASE, 1)
    await terminal.install(first)
    assert holds() is True
    terminal.restart()
    assert holds() is True
    terminal.clock.at_ms += 10 * DAY_MS  # seven days, and three of grace
    assert holds() is False
    later = {"issued_ms": terminal.clock.at_ms, "expires_ms": terminal.clock.at_ms + DAY_MS}
    await terminal.install(terminal.full(Kind.LEASE, 2, **later))
    assert holds() is True
    with pytest.raises(BundleError) as caught:
        await terminal.install(first)
    assert caught.value.fault is BundleFault.ROLLBACK
    with pytest.raises(BundleError) as caught:
        await terminal.install(terminal.full(Kind.LEASE, 3, audience="terminal:gate-8", **later))
    assert caught.value.fault is BundleFault.AUDIENCE


async def test_a_lease_that_is_damaged_holds_no_more(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.LEASE))
    spoil(terminal, "lease.1")
    assert terminal.bundles.lists.current().leased(NOW_MS) is False
