"""Local days: how records write one, and when it is over."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from profiles.api import Facts

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
"""Made once: a span takes longer to make than to multiply and add."""


def compact(day: date) -> str:
    """``YYYYMMDD``, of a date or of a moment's: ``strftime`` takes five times as long, and every payment asks."""
    return date.isoformat(day).replace("-", "")


def elapsed_ms(since_ms: int, facts: Facts) -> int:
    """How long ago a moment was that this terminal noted; of one from before the clock was lost, at least so long."""
    return (facts.least_ms if since_ms > facts.now_ms else facts.now_ms) - since_ms


def midnight_ms(facts: Facts) -> int:
    """When the local day ends."""
    moment = facts.local_time
    midnight = datetime.combine(moment.date() + DAY, time.min, moment.tzinfo)
    return facts.now_ms + max(1, round((midnight - moment).total_seconds() * 1000))
