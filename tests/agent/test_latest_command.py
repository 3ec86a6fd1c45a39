"""The numbers of commands: each key's own, so that a new key ends what a thief did with the former one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cbor, cose
from agent.bundles.check import MAX_AHEAD_MS
from agent.command_reasons import CommandReason
from agent.latest_command import MAX_KEYS, MAX_KNOWN, SAVED_COMMAND, Latest
from agent.sync.contract.commands import Command
from offline_store.journal import Append
from tests.agent.ordering import COMMANDING, KEYS, Ordered
from tests.agent.simulated import run_simulated
from tests.agent.test_commands import ordered

NEXT = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
NEXT_KEYS = cose.keyring([cose.VerifyKey.of(NEXT.key.public_key())])
LAST_NUMBER = 2**53 - 1
COMMAND = next(message for message in COMMANDING if isinstance(message, Command))


def complaints(terminal: Ordered) -> list[tuple[str, str | None]]:
    return [(alarm.code, alarm.source) for alarm in terminal.alarms]


def test_a_command_from_the_future_is_refused_for_good_and_teaches_the_clock_nothing(tmp_path: Path) -> None:
    async def script(terminal: Ordered) -> None:
        moment = terminal.site.clock.moment()
        latest_ms = moment.now_ms + moment.uncertainty_ms + MAX_AHEAD_MS
        ahead = terminal.command(1, issued_ms=latest_ms + 1, expires_ms=latest_ms + 60_001)
        await terminal.given(ahead)
        await asyncio.sleep(10)
        await terminal.given(ahead)
        assert (terminal.opened, terminal.signed_at) == (0, [])
        await terminal.given(terminal.command(2, issued_ms=latest_ms, expires_ms=latest_ms + 60_000))
        assert (terminal.opened, terminal.signed_at) == (1, [latest_ms])

    terminal = ordered(tmp_path, script)
    assert terminal.recorded() == ["command-issued-ahead", "command-accepted", "command-done"]
    assert terminal.told == ["command-issued-ahead", "command-issued-ahead", "command-done"]


def test_a_number_that_is_passed_is_an_alarm_once_a_minute_and_no_record(tmp_path: Path) -> None:
    async def script(terminal: Ordered) -> None:
        await terminal.given(terminal.command(100, "report"))
        for number in range(20):
            await terminal.given(terminal.command(number + 1))

    terminal = ordered(tmp_path, script)
    assert complaints(terminal) == [("command-refused", "passed-number")]
    assert terminal.recorded() == ["command-accepted", "command-done"]
    assert (terminal.opened, len(terminal.told)) == (0, 1)


def test_what_is_only_sent_again_is_no_alarm_also_after_a_restart(tmp_path: Path) -> None:
    async def script(terminal: Ordered) -> None:
        for number in (1, 2, 3, 1, 2, 3):
            await terminal.given(terminal.command(number, "report"))

    for start in range(2):
        assert ordered(tmp_path, script, start).alarms == []


def test_a_new_key_begins_anew_whatever_numbers_a_thief_of_the_former_one_spent(tmp_path: Path) -> None:
    async def stolen(terminal: Ordered) -> None:
        await terminal.given(terminal.command(LAST_NUMBER, "report"))
        await terminal.given(terminal.command(7, "report"))
        assert complaints(terminal) == [("command-refused", "passed-number")]

    async def rotated(terminal: Ordered) -> None:
        terminal.keys = NEXT_KEYS
        await terminal.given(terminal.command(LAST_NUMBER, "report"))
        await terminal.given(terminal.command(8), NEXT)
        await terminal.given(terminal.command(8), NEXT)

    ordered(tmp_path, stolen)
    terminal = ordered(tmp_path, rotated, 1)
    assert terminal.opened == 1
    assert terminal.told == ["command-done"] * 2
    assert complaints(terminal) == [("command-refused", "unverified")]


def test_while_two_keys_are_in_force_what_either_signed_is_done_once_over_a_restart_too(tmp_path: Path) -> None:
    async def both(terminal: Ordered) -> None:
        terminal.keys = {**KEYS, **NEXT_KEYS}
        for _ in range(2):
            await terminal.given(terminal.command(100, "report"))
            await terminal.given(terminal.command(5, "report"), NEXT)
            await terminal.given(terminal.command(99))
            await terminal.given(terminal.command(4), NEXT)

    for start in range(2):
        terminal = ordered(tmp_path, both, start)
        assert terminal.recorded() == ["command-accepted", "command-done"] * 2
        assert terminal.opened == 0


@pytest.mark.parametrize("in_force_at_start", [True, False])
def test_a_number_that_the_version_before_saved_counts_for_the_keys_in_force_and_for_no_later_one(
    tmp_path: Path, in_force_at_start: bool
) -> None:
    former = cbor.encode([100, b"i" * 16, b"r" * 16, "report", "command-done"])

    async def main() -> None:
        terminal = Ordered(tmp_path)
        terminal.site.writer.submit(Append((), {SAVED_COMMAND: former})).result()
        terminal.keys = KEYS if in_force_at_start else {}
        async with terminal.running():
            terminal.keys = KEYS
            await terminal.given(terminal.command(50))
            await terminal.given(terminal.command(100, id=b"i" * 16))
            assert (terminal.opened, terminal.told) == (0, ["command-done"])
            terminal.keys = {**KEYS, **NEXT_KEYS}
            await terminal.given(terminal.command(50), NEXT)
            assert terminal.opened == 1
            await terminal.given(terminal.command(51))
            assert complaints(terminal) == [("command-refused", "passed-number")]
        terminal.site.close()

    run_simulated(main())


def test_a_key_that_came_after_the_start_begins_anew_beside_what_the_version_before_saved(tmp_path: Path) -> None:
    former = cbor.encode([LAST_NUMBER, b"i" * 16, b"r" * 16, "report", "command-done"])

    async def main() -> None:
        terminal = Ordered(tmp_path)
        terminal.site.writer.submit(Append((), {SAVED_COMMAND: former})).result()
        async with terminal.running():
            terminal.keys = NEXT_KEYS
            await terminal.given(terminal.command(50), NEXT)
        assert terminal.opened == 1
        terminal.site.close()

    run_simulated(main())


def test_what_is_kept_is_bounded_and_the_number_of_a_key_in_force_is_never_forgotten() -> None:
    kept, latest = b"in force", Latest()
    latest = latest.followed_by(COMMAND, kept, {kept}, bytes(16), CommandReason.DONE)
    for number in range(1, 3 * MAX_KEYS):
        kid, command = number.to_bytes(8, "big"), COMMAND.model_copy(update={"id": number.to_bytes(16, "big")})
        latest = latest.followed_by(command, kid, {kept, kid}, bytes(16), CommandReason.ACCEPTED)
    assert latest.of_key(kept) == COMMAND.number
    assert latest.numbers is not None
    assert (len(latest.numbers), len(latest.known)) == (MAX_KEYS, MAX_KNOWN)
    assert Latest.of(latest.saved()) == latest


@pytest.mark.parametrize(
    "saved",
    [
        b"",
        cbor.encode([1, b"", b"", "", "", 5, []]),
        cbor.encode([1, b"", b"", "", "", [[1, 2]], []]),
        cbor.encode([1, b"", b"", "", "", [], [1]]),
        cbor.encode([1, b"", b"", "", "", [], [], 2]),
    ],
)
def test_what_is_damaged_is_not_taken_for_no_command(saved: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its kinds differ, and every one of them ends the service
        Latest.of(saved)
