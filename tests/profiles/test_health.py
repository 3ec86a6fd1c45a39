"""The colours of a health certificate, at both edges of every window."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from profiles.rules.health import Colour, Finding, HealthRules, Kind, Window

HOUR_MS = 3_600_000
AT_MS = 1_700_000_000_000
COVID_19 = "840539006"
RULES = HealthRules(
    vaccination=Window(from_h=10, green_until_h=20, amber_until_h=30),
    molecular_test=Window(green_until_h=48, amber_until_h=72),
    antigen_test=Window(green_until_h=24, amber_until_h=24),
    recovery=Window(from_h=5, green_until_h=6, amber_until_h=7),
)


def colour(kind: Kind, age_ms: int, **said: bool) -> Colour:
    return RULES.colour(Finding(kind, COVID_19, AT_MS, **said), AT_MS + age_ms)


@pytest.mark.parametrize(
    ("kind", "age_h", "expected"),
    [
        (Kind.VACCINATION, 10, Colour.GREEN),
        (Kind.VACCINATION, 20, Colour.AMBER),
        (Kind.VACCINATION, 30, Colour.RED),
        (Kind.MOLECULAR_TEST, 0, Colour.GREEN),
        (Kind.MOLECULAR_TEST, 48, Colour.AMBER),
        (Kind.MOLECULAR_TEST, 72, Colour.RED),
        (Kind.ANTIGEN_TEST, 24, Colour.RED),
        (Kind.RECOVERY, 5, Colour.GREEN),
        (Kind.RECOVERY, 6, Colour.AMBER),
        (Kind.RECOVERY, 7, Colour.RED),
    ],
)
def test_a_window_begins_and_ends_on_the_hour(kind: Kind, age_h: int, expected: Colour) -> None:
    assert colour(kind, age_h * HOUR_MS) is expected
    assert colour(kind, age_h * HOUR_MS - 1) is not expected


def test_an_incomplete_course_is_amber_at_best() -> None:
    assert colour(Kind.VACCINATION, 15 * HOUR_MS, complete=False) is Colour.AMBER
    assert colour(Kind.VACCINATION, 30 * HOUR_MS, complete=False) is Colour.RED


def test_a_test_that_found_the_disease_is_red() -> None:
    assert colour(Kind.MOLECULAR_TEST, HOUR_MS, detected=True) is Colour.RED


def test_an_event_in_the_future_is_red() -> None:
    assert colour(Kind.MOLECULAR_TEST, -1) is Colour.RED


def test_another_disease_is_red_unless_the_lane_names_it() -> None:
    finding = Finding(Kind.MOLECULAR_TEST, "6142004", AT_MS)
    assert RULES.colour(finding, AT_MS) is Colour.RED
    assert HealthRules(diseases=frozenset({"6142004"})).colour(finding, AT_MS) is Colour.GREEN


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValidationError, match="from_h <= green_until_h"):
        Window(from_h=5, green_until_h=4, amber_until_h=6)
    with pytest.raises(ValidationError, match="Extra inputs"):
        HealthRules.model_validate({"tests": {}})
