"""kill -9 of till and broker under payments, when a seed says so: each intent ends once, the ledger is the journal."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from drivers.virtual.bench import Press
from offline_store.record import Record
from profiles.api import Kind
from tests.faults import ROUNDS, SEED
from tests.scenarios.site import DEADLINE_S, started
from tests.scenarios.tills import CARD, City, TillSite, city, till, with_account
from tools.cli.bench_process import BenchError
from tools.platform.intents import State

LONGEST_LIFE_S = 1.0
PAID_IN_FEN = 4_000 * ROUNDS
ENDS = (Kind.PAYMENT, Kind.REVERSAL)


def paid_to_death(site: TillSite, running: City, dice: random.Random) -> bool:
    """Amounts and cards, until the moment has come; now the till dies, now the broker, now both.

    Returns whether the till died.
    """
    end_s = time.monotonic() + dice.uniform(0.0, LONGEST_LIFE_S)
    while time.monotonic() < end_s:
        with suppress(BenchError):
            site.devices.ask(Press(amount=f"{dice.randint(1, 12)}.{dice.randint(10, 99)}"))
            site.insert(CARD)
            time.sleep(dice.uniform(0.0, 0.1))
            site.remove()
    broker_too, till_too = dice.choice(((True, False), (False, True), (True, True)))
    if broker_too:
        running.broker.kill()
    if till_too:
        os.kill(site.terminal.pid, signal.SIGKILL)
        site.terminal.stop()
    if broker_too:
        running.broker.start()
    return till_too


def by_intent(records: list[Record]) -> dict[bytes, list[Record]]:
    found: dict[bytes, list[Record]] = {}
    for record in records:
        if record.entry.money is not None:
            found.setdefault(record.entry.money.intent_id, []).append(record)
    return found


def ends_of(records: list[Record]) -> list[str]:
    return [record.entry.kind for record in records if record.entry.kind in ENDS]


def owed(records: list[Record]) -> tuple[State, ...]:
    """What the platform may make of one intent in the end; nothing before the till has ended it.

    What waited for somebody's look when it was taken back was never captured.
    """
    match ends_of(records):
        case [Kind.PAYMENT]:
            return (State.CAPTURED,)
        case [Kind.REVERSAL]:
            return (State.RELEASED,)
        case [Kind.PAYMENT, Kind.REVERSAL]:
            return (State.REVERSED, State.RELEASED)
        case []:
            return ()
        case ends:
            raise AssertionError(ends)


def unsettled(site: TillSite, running: City) -> dict[bytes, tuple[tuple[State, ...], State | None]]:
    """Intents of which the platform has not made what is owed, or without an end on the till.

    One person pays unproven more often than is captured without anybody's look: a hundred rounds come to that.
    """
    running.capture_contested()
    theirs = {intent_id: each.state for intent_id, each in running.intents().items()}
    ours = {intent_id: owed(records) for intent_id, records in by_intent(site.money()).items()}
    both = {intent_id: (ours.get(intent_id, ()), theirs.get(intent_id)) for intent_id in ours.keys() | theirs.keys()}
    return {intent_id: (due, made) for intent_id, (due, made) in both.items() if made not in due}


@pytest.mark.timeout(120 + 5 * ROUNDS)
def test_killed_tills_and_brokers_lose_no_payment_and_take_none_twice(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    with city(tmp_path) as running, till(tmp_path, running.authority, running.endpoint, ask_deadline_ms=300) as site:
        owner = with_account(site, running, PAID_IN_FEN)
        with ExitStack() as agents:
            for _ in range(ROUNDS):
                if paid_to_death(site, running, dice):
                    site.terminal, site.seen = agents.enter_context(started(site.config, site.devices)), 0
                    site.expect("ready")
            deadline_s = time.monotonic() + 2 * DEADLINE_S
            while left := unsettled(site, running):
                assert time.monotonic() < deadline_s, left
                time.sleep(0.1)
        ours, theirs = by_intent(site.money()), running.intents()
        assert len(ours) > ROUNDS, "hardly anybody paid: this showed nothing"
        assert all(records[0].entry.kind == Kind.ASKED for records in ours.values())
        paid_fen = sum(each.amount_fen for each in theirs.values() if each.state is State.CAPTURED)
        assert paid_fen > 0
        assert running.balance(owner) == PAID_IN_FEN - paid_fen
        assert running.alarms().keys() <= {"answer-refused", "clock-untrusted", "payment-unproven"}
