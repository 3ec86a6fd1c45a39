"""Times of day in settings: what YAML makes of an unquoted one is not taken for another."""

from __future__ import annotations

from datetime import time

import pytest
import yaml
from pydantic import ValidationError

from profiles.rules.schedule import Schedule
from profiles.rules.sessions import Session


@pytest.mark.parametrize("written", ["12:00", "24:00", "7:00", "'07:60'", "noon", "720", "7.5", "null"])
def test_what_is_no_time_in_quotes_is_refused_and_told_how_to_write_it(written: str) -> None:
    window = yaml.safe_load(f"{{from: {written}, to: '18:00'}}")
    with pytest.raises(ValidationError, match="in quotes"):
        Schedule.model_validate({"windows": [window]})
    with pytest.raises(ValidationError, match="in quotes"):
        Session.model_validate({"name": "am", **window})


def test_a_time_in_quotes_is_itself() -> None:
    schedule = Schedule.model_validate(yaml.safe_load("windows: [{from: '12:00', to: '18:00'}]"))
    assert schedule.windows[0].start == time(12)
