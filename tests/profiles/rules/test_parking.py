"""The price of a stay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.rules.parking import DAY_MINUTES, MINUTE_MS, ParkingTariff

STEPS = [{"minutes": 120, "unit_minutes": 30, "unit_fen": 200}, {"unit_minutes": 60, "unit_fen": 300}]
TARIFF = ParkingTariff.model_validate({"free_minutes": 15, "steps": STEPS, "day_fen": 3000})


@pytest.mark.parametrize(
    ("minutes", "fee_fen"),
    [
        (-5, 0),
        (0, 0),
        (15, 0),
        (16, 200),
        (30, 200),
        (31, 400),
        (120, 800),
        (121, 1100),
        (180, 1100),
        (181, 1400),
        (DAY_MINUTES, 3000),
        (DAY_MINUTES + 1, 3200),
        (2 * DAY_MINUTES, 6000),
    ],
)
def test_a_stay_costs_what_the_board_at_the_entrance_says(minutes: int, fee_fen: int) -> None:
    assert TARIFF.fee_fen(minutes * MINUTE_MS) == fee_fen


def test_a_minute_that_was_begun_counts() -> None:
    assert TARIFF.fee_fen(15 * MINUTE_MS + 1) == 200


@given(st.integers(0, 5 * DAY_MINUTES), st.integers(0, 600), st.integers(0, 600))
def test_a_longer_stay_never_costs_less_and_waived_minutes_never_make_it_dearer(
    minutes: int, more: int, waived: int
) -> None:
    fee_fen = TARIFF.fee_fen(minutes * MINUTE_MS)
    assert TARIFF.fee_fen((minutes + more) * MINUTE_MS) >= fee_fen
    assert TARIFF.fee_fen(minutes * MINUTE_MS, waived) <= fee_fen
    assert TARIFF.fee_fen((minutes + waived) * MINUTE_MS, waived) == fee_fen


def test_no_stay_is_charged_for_more_than_a_year() -> None:
    assert TARIFF.fee_fen(10**15) == TARIFF.fee_fen(366 * DAY_MINUTES * MINUTE_MS) == 366 * 3000


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": []},
        {"steps": STEPS[:1]},
        {"steps": [STEPS[1], STEPS[0]]},
        {"steps": [{"unit_minutes": 0, "unit_fen": 1}]},
        {"steps": [{"unit_minutes": 30, "unit_fen": -1}]},
        {"day_fen": 0},
        {"free_minutes": "15"},
    ],
)
def test_a_tariff_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ParkingTariff.model_validate({"steps": STEPS} | wrong)
