"""Days that nobody wrote: a scene's own acts in any order, with networks that come and go, and power that fails.

Whatever happens, in the evening the chain is whole, every payment has ended, and ledger and journal agree to the fen. A
scene whose day says nothing under ``offline`` promises that the network changes nothing: so it must be here.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.house.test_next_steps import faults
from tools.days.day import Day, Step, parse_day
from tools.days.play import Result, play
from tools.scenes import DAYS, scene_files

STEPS = 60
LONGEST_GAP_S = 40
AROUND: tuple[dict[str, str], ...] = (
    {"network": "down"}, {"network": "up"}, {"platform": "silent"}, {"platform": "answers"}, {"power": "cut"},
)  # fmt: skip

TOLERATED = frozenset(
    {
        # A no that the network swallowed, after which the ceilings sold: a person looks at it, and it may be arrears.
        "the platform raised: payment-declined",
        # An item that was lent twice while nobody could ask the library.
        "the library was not told of a loan, or a person must settle it",
    }
)


def day_of(name: str) -> Day:
    return parse_day(scene_files(DAYS)[name].read_text(encoding="utf-8"), name)


def shuffled(day: Day, seed: int) -> Day:
    """Steps of the day, each as often as it comes, half a second to a while after each other; nothing is promised."""
    source = random.Random(seed)
    moment = datetime.combine(day.date, day.steps[len(day.steps) // 2].at)
    steps: list[Step] = []
    for _ in range(STEPS):
        moment += timedelta(milliseconds=source.randrange(500, LONGEST_GAP_S * 1000))
        if source.random() < 0.2:
            act = Step.model_validate({"at": "00:00"} | source.choice(AROUND))
        else:
            act = source.choice([step for step in day.steps if step.power is None and step.clock is None])
        shown = None if act.shown is None else (moment - timedelta(seconds=source.choice((0, 1, 90)))).time()
        steps.append(act.model_copy(update={"at": moment.time(), "date": moment.date(), "shown": shown}))
    return day.model_copy(update={"steps": tuple(steps)})


def both(day: Day, directory: Path) -> tuple[Result, Result]:
    return play(day, directory / "online"), play(day, directory / "offline", offline=True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", scene_files(DAYS))
def test_in_the_evening_ledger_and_journal_agree(name: str, seed: int, tmp_path: Path) -> None:
    day = shuffled(day_of(name), seed)
    online, offline = both(day, tmp_path)
    assert {*online.evening, *offline.evening} <= TOLERATED
    assert "the platform raised: payment-declined" not in offline.evening  # where nobody was asked nobody said no
    assert len(online.records) > 10
    in_red = {said for played in (*online.steps, *offline.steps) for said in played.came.refused}
    assert [said for said in in_red if faults(said)] == [], "whoever is refused is told one thing to do now"
    if all(step.offline is None for step in day_of(name).steps):
        assert [played.came for played in online.steps] == [played.came for played in offline.steps]


def test_a_scene_whose_decisions_need_no_network_is_among_them() -> None:
    assert all(step.offline is None for step in day_of("gate").steps)
