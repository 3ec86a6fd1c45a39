"""How a scene tells refusals and alarms, each time, and records what repeats once (:mod:`profiles.rules.repeats`)."""

from __future__ import annotations

from profiles.api import Effect, Facts, Kind, Reason, Record, Show, StartTimer, Tone
from profiles.reasons import ReasonEnum
from profiles.rules.repeats import WINDOW_MS, Repeats

REPEATS_TIMER = "repeats"


def shown(reason: ReasonEnum) -> Show:
    """Tell the citizen why not."""
    return Show(reason.citizen, Tone.NO)


def record_once(
    repeats: Repeats, record: Record, *effects: Effect, apart: str = "", told: Show | None = None
) -> tuple[Repeats, tuple[Effect, ...], bool]:
    """Record and carry out, unless the same stands in the window already; the citizen is told each time.

    The window after it, what to do, and whether it was the first. What is named ``apart`` is counted apart; ``told`` is
    said instead of the reason's own sentence.
    """
    told = told or shown(record.reason)
    after, is_first = repeats.note(record.reason.code + apart, record.medium, record.id)
    if not is_first:
        return after, (told,), False
    begin = () if repeats.window else (StartTimer(REPEATS_TIMER, WINDOW_MS, record.id),)
    return after, (record, told, *effects, *begin), True


def counts(repeats: Repeats, facts: Facts) -> tuple[Record, ...]:
    """What the end of the window has to tell."""
    return tuple(
        Record(facts.new_id(), Kind.OUTCOME, Reason.REPEATED, refers_to=first, public={"repeated": repeated})
        for first, repeated in repeats.counted()
    )
