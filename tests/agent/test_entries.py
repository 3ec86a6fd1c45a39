"""Which steps a full disk may let pass as a count: never one that has to do with money."""

from __future__ import annotations

import pytest

from agent.entries import counted_instead
from offline_store.figures import Instead
from profiles.api import Actuate, Ask, Effect, Kind, Reason, Record, State, Step
from profiles.questions import Authorise, Money

MONEY = Money(amount_fen=100, intent_id=bytes(16), merchant="kiosk-1", business_date="20260101")
OPEN = Actuate("gate", 500, bytes(16))


def record(kind: Kind = Kind.DECISION, **fields: object) -> Record:
    return Record(bytes(16), kind, Reason.GRANTED, **fields)  # type: ignore[arg-type]  # a test's shorthand


def step(*effects: Effect) -> Step[State]:
    return Step(State(), effects)


def test_a_grant_is_an_opening_and_whatever_else_happens_at_a_door_is_none() -> None:
    assert counted_instead(step(record(), OPEN)) == Instead(openings=1)
    assert counted_instead(step(record(Kind.OUTCOME))) == Instead()
    assert counted_instead(step()) == Instead()
    assert counted_instead(step(record(Kind.LIFE_SAFETY))) == Instead(kept=True)


@pytest.mark.parametrize(
    "effects",
    [
        (record(Kind.PAYMENT, money=MONEY), OPEN),
        (record(money=MONEY), OPEN),
        (record(evidence=b"a code"), OPEN),
        (record(Kind.ASKED), OPEN),
        (record(Kind.RELEASE),),
        (record(Kind.REVERSAL),),
        (record(), Ask(Authorise(MONEY), 1_000, bytes(16)), OPEN),
        (record(), record(money=MONEY), OPEN),
    ],
)
def test_what_moves_money_asks_or_proves_something_is_never_counted(effects: tuple[Effect, ...]) -> None:
    assert counted_instead(step(*effects)) is None
