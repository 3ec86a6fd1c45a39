"""Local days: how records write one, and when it is over."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from profiles.api import Facts


def compact(day: date) -> str:
    """``YYYYMMDD``, of a date or of a moment's: ``strftime`` takes five times as long, and every payment asks."""
    return date.isoformat(day).replace("-", "")


def midnight_ms(facts: Facts) -> int:
    """When the local day ends."""
    moment = facts.local_time
    midnight = datetime.combine(moment.date() + timedelta(days=1), time.min, moment.tzinfo)
    return facts.now_ms + max(1, round((midnight - moment).total_seconds() * 1000))
