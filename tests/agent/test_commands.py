"""The platform's commands: carried out once or not at all, whatever a broker, a kill or a disk does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cbor, cose
from agent.command_reasons import COMMAND, CommandReason
from agent.commanding import lane_orders
from agent.commands import MAX_WAITING
from agent.config import parse
from agent.sync.contract.commands import Command, sign_command
from agent.sync.contract.topics import Address, Channel
from drivers.api import InputReading
from offline_store.errors import StoreError
from profiles.api import ClockState
from tests.agent.ordering import SIGNER, TERMINAL, Ordered
from tests.agent.simulated import run_simulated
from tests.agent.site import DISK_FULL, card, fire, serve
from tests.faults import SEED
from tools.cli.presets import preset_names, preset_text

Script = Callable[[Ordered], Coroutine[Any, Any, None]]


def ordered(directory: Path, script: Script, start: int = 0) -> Ordered:
    """Run a script beside the service; the terminal afterwards, its journal closed."""
    place: list[Ordered] = []

    async def main() -> None:
        terminal = Ordered(directory, start)
        place.append(terminal)
        async with terminal.running():
            await script(terminal)
        terminal.site.close()

    run_simulated(main())
    return place[0]


def test_the_record_of_a_command_is_on_the_disk_before_the_gate_opens(tmp_path: Path) -> None:
    async def script(terminal: Ordered) -> None:
        await terminal.given(terminal.command())
        terminal.lane.offer(InputReading(reader="board", at_ns=0, input="passage", active=True))
        await asyncio.sleep(0.1)

    terminal = ordered(tmp_path, script)
    assert terminal.site.outputs.pulses == [("gate", ["command-accepted", "opened-by-command"])]
    assert terminal.site.reasons() == ["command-accepted", "opened-by-command", "command-done", "passed"]
    first, *others = terminal.site.records()
    assert {record.entry.refers_to for record in others} == {first.entry.id}
    assert all(record.entry.medium is None and record.entry.subject is None for record in others)
    assert terminal.told == ["command-done"]


def test_a_command_that_is_played_again_opens_nothing_more_and_its_result_is_told_again(tmp_path: Path) -> None:
    async def script(terminal: Ordered) -> None:
        first, second = terminal.command(1), terminal.command(2)
        for command in (first, first, first):
            await terminal.given(command)
        terminal.lane.offer(InputReading(reader="board", at_ns=0, input="passage", active=True))
        await terminal.given(second)
        await terminal.given(first)

    terminal = ordered(tmp_path, script)
    assert terminal.opened == 2
    assert terminal.told == ["command-done"] * 4
    assert terminal.recorded() == ["command-accepted", "command-done"] * 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"issued_ms": 1, "expires_ms": 60_001}, "command-expired"),
        ({"life_ms": 60_001}, "command-too-long"),
        ({"act": "explode"}, "command-not-known"),
        ({"lane": "south"}, "command-no-lane"),
        ({"lane": None}, "command-no-lane"),
        ({"lane": "till"}, "command-no-opening"),
        ({"act": "report", "life_ms": 7 * 86_400_000 + 1}, "command-too-long"),
    ],
)
def test_each_refusal_is_recorded_once_with_its_reason(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    async def script(terminal: Ordered) -> None:
        command = terminal.command(**changes)
        await terminal.given(command)
        await terminal.given(command)

    terminal = ordered(tmp_path, script)
    assert terminal.opened == 0
    assert terminal.recorded() == [reason]
    assert terminal.told == [reason, reason]


def test_the_way_that_is_named_stands_in_the_record_and_one_that_the_lane_has_not_opens_nothing(tmp_path: Path) -> None:
    async def script(terminal: Ordered) -> None:
        await terminal.given(terminal.command(1, direction="out"))
        await terminal.given(terminal.command(2, direction="in"))

    terminal = ordered(tmp_path, script)
    assert terminal.told == ["command-no-way", "command-done"]
    named = [record.entry.public.get("direction") for record in terminal.site.records() if record.entry.kind == COMMAND]
    assert named == ["out", None, "in", None]
    assert terminal.opened == 1


CONTEXT = Address(TERMINAL).topic(Channel.COMMAND).encode()


def with_number(command: Command, number: int) -> bytes:
    content = {**cbor2.loads(command.encode()), 5: number}
    return cose.sign1(cbor.encode(content), SIGNER, CONTEXT)


LIES: dict[str, tuple[Callable[[Ordered], bytes], str]] = {
    "forged": (
        lambda terminal: sign_command(terminal.command(), cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))),
        "unverified",
    ),
    "unsigned": (lambda terminal: terminal.command().encode(), "unverified"),
    "another terminal's": (lambda terminal: sign_command(terminal.command(terminal="gate-8"), SIGNER), "unverified"),
    "another chain's": (lambda terminal: sign_command(terminal.command(chain_id=bytes(16)), SIGNER), "foreign"),
    "a number that no record can hold": (lambda terminal: with_number(terminal.command(), 2**53), "unverified"),
    "not a command": (lambda _: cose.sign1(b"\xa0", SIGNER, CONTEXT), "unverified"),
    "nothing": (lambda _: b"", "unverified"),
    "too long": (lambda _: bytes(70_000), "unverified"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_opens_nothing_is_alarmed_once_a_minute_and_fills_no_disk(tmp_path: Path, lie: str) -> None:
    make, cause = LIES[lie]

    async def script(terminal: Ordered) -> None:
        for _ in range(20):
            await terminal.given(make(terminal))
        await terminal.given(terminal.command())

    terminal = ordered(tmp_path, script)
    assert [(alarm.code, alarm.source) for alarm in terminal.alarms] == [("command-refused", cause)]
    assert terminal.recorded() == ["command-accepted", "command-done"]
    assert terminal.opened == 1


def test_the_clock_learns_from_no_command_of_another_chain_and_from_none_twice(tmp_path: Path) -> None:
    kept: list[int] = []

    async def script(terminal: Ordered) -> None:
        first, second = terminal.command(1), terminal.command(2)
        kept.extend((first.issued_ms, second.issued_ms))
        await terminal.given(terminal.command(chain_id=bytes(16)))
        for command in (first, first, second, first):
            await terminal.given(command)

    assert ordered(tmp_path, script).signed_at == kept


def test_no_altered_bit_of_a_command_opens_anything(tmp_path: Path) -> None:
    async def script(terminal: Ordered) -> None:
        payload, dice = sign_command(terminal.command(), SIGNER), random.Random(SEED)
        for _ in range(50):
            place, bit = dice.randrange(len(payload)), dice.randrange(8)
            await terminal.given(payload[:place] + bytes([payload[place] ^ 1 << bit]) + payload[place + 1 :])

    terminal = ordered(tmp_path, script)
    assert (terminal.opened, terminal.recorded()) == (0, [])


def test_a_broker_that_holds_commands_back_has_them_refused_and_none_is_done_in_another_order(tmp_path: Path) -> None:
    async def script(terminal: Ordered) -> None:
        first, second = terminal.command(1), terminal.command(2, "report")
        await terminal.given(second)
        await terminal.given(first)
        third = terminal.command(3)
        await asyncio.sleep(61)
        await terminal.given(third)

    terminal = ordered(tmp_path, script)
    assert terminal.opened == 0
    assert terminal.recorded() == ["command-accepted", "command-done", "command-expired"]


def test_a_command_that_a_kill_cut_short_is_unknown_and_never_done_again(tmp_path: Path) -> None:
    kept: list[Command] = []

    async def killed(terminal: Ordered) -> None:
        kept.append(terminal.command())
        terminal.site.outputs.before_confirming = lambda: setattr(terminal.site.writer, "holds", True)
        await terminal.given(kept[0])
        assert terminal.opened == 1

    async def again(terminal: Ordered) -> None:
        await terminal.given(kept[0])

    assert ordered(tmp_path, killed).recorded() == ["command-accepted"]
    terminal = ordered(tmp_path, again, 1)
    assert terminal.opened == 0
    assert terminal.recorded() == ["command-accepted", "command-outcome-unknown"]
    assert terminal.told == ["command-outcome-unknown"] * 2
    assert terminal.site.reasons()[-2:].count("outcome-unknown") == 1


def test_a_command_whose_record_never_came_to_the_disk_is_done_when_it_comes_again(tmp_path: Path) -> None:
    kept: list[Command] = []

    async def killed(terminal: Ordered) -> None:
        kept.append(terminal.command())
        terminal.site.writer.holds = True
        await terminal.given(kept[0])
        assert terminal.opened == 0

    async def again(terminal: Ordered) -> None:
        await terminal.given(kept[0])

    assert ordered(tmp_path, killed).recorded() == []
    terminal = ordered(tmp_path, again, 1)
    assert (terminal.opened, terminal.told) == (1, ["command-done"])


def test_a_disk_that_takes_nothing_opens_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        terminal = Ordered(tmp_path)
        terminal.site.writer.fails_with = DISK_FULL
        terminal.commands.heard(sign_command(terminal.command(), SIGNER))
        with pytest.raises(StoreError):
            await terminal.commands.run()
        await serve(terminal.lane, lambda: asyncio.sleep(1))
        assert (terminal.opened, terminal.told, terminal.recorded()) == (0, [], [])
        terminal.site.close()

    run_simulated(main())


@pytest.mark.parametrize(
    ("act", "reread", "begins", "reasons"),
    [
        ("restart", "DONE", 1, ["command-accepted", "command-done"]),
        ("restart", "UNCHANGED", 1, ["command-accepted", "command-done"]),
        ("restart", "CONFIGURATION_INVALID", 0, ["command-accepted", "command-configuration-invalid"]),
        ("re-read", "DONE", 1, ["command-accepted", "command-done"]),
        ("re-read", "UNCHANGED", 0, ["command-accepted", "command-unchanged"]),
        ("re-read", "CONFIGURATION_INVALID", 0, ["command-accepted", "command-configuration-invalid"]),
    ],
)
def test_it_begins_anew_once_and_only_with_a_configuration_that_holds(
    tmp_path: Path, act: str, reread: str, begins: int, reasons: list[str]
) -> None:
    kept: list[Command] = []

    async def script(terminal: Ordered) -> None:
        terminal.reread = type(terminal.reread)[reread]
        kept.append(terminal.command(1, act))
        await terminal.given(kept[0])

    async def afterwards(terminal: Ordered) -> None:
        await terminal.given(kept[0])

    assert ordered(tmp_path, script).begun_anew == begins
    terminal = ordered(tmp_path, afterwards, 1)
    assert terminal.begun_anew == 0
    assert terminal.recorded() == reasons


def test_a_report_is_in_the_result(tmp_path: Path) -> None:
    terminal = ordered(tmp_path, lambda terminal: terminal.given(terminal.command(1, "report")))
    assert [(result.reason, result.report) for result in terminal.results] == [("command-done", b"report")]


@pytest.mark.parametrize(("before", "reason"), [(card(1), "command-lane-busy"), (fire(True), "command-open-already")])
def test_a_lane_that_is_in_use_or_open_by_fire_gets_no_second_pulse(tmp_path: Path, before: Any, reason: str) -> None:
    async def script(terminal: Ordered) -> None:
        terminal.lane.offer(before)
        await asyncio.sleep(0.1)
        opened = terminal.opened
        await terminal.given(terminal.command())
        assert terminal.opened == opened

    assert ordered(tmp_path, script).told == [reason]


def test_while_nobody_vouches_for_the_clock_a_command_waits_and_only_the_newest_few_do(tmp_path: Path) -> None:
    async def script(terminal: Ordered) -> None:
        terminal.site.clock.quality = ClockState.UNTRUSTED
        for number in range(1, MAX_WAITING + 11):
            await terminal.given(terminal.command(number, "report"))
        assert terminal.recorded() == []
        terminal.site.clock.quality = ClockState.SYNCHRONISED
        await asyncio.sleep(1)

    terminal = ordered(tmp_path, script)
    assert len(terminal.results) == MAX_WAITING


OPENING = {"gate", "turnstile", "campus-gate", "museum", "metro", "parking"}


@pytest.mark.parametrize("preset", preset_names())
def test_every_lane_of_a_scene_with_an_opening_takes_orders_and_every_other_says_that_it_has_none(
    preset: str, tmp_path: Path
) -> None:
    config = parse(preset_text(preset), preset, tmp_path).config
    orders = lane_orders(config, lambda lane, order: None)
    expected = None if preset in OPENING else CommandReason.NO_OPENING
    assert {orders.refusal(lane) for lane in config.lanes} == {expected}
    assert orders.refusal("nowhere") is CommandReason.NO_LANE
