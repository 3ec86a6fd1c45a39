"""``--at``: the moment that a command judges by, instead of this machine's clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import click

from agent.clock import Moment, SystemClock
from agent.config import Resolved
from agent.words import say
from profiles.api import ClockState

_ZONE = "onecard.zone"
_CHINA = timezone(timedelta(hours=8))
_MAX_S = 253_402_300_799  # the end of the year 9999


class _UnixMs(click.ParamType[int]):
    """Unix seconds, or ISO 8601; without an offset the machine's time zone. Gives Unix milliseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            seconds = float(value) if str(value).replace(".", "", 1).isdecimal() else _iso_s(value)
        except (ValueError, OverflowError):
            seconds = -1.0
        if not 0 <= seconds <= _MAX_S:
            self.fail(
                say(
                    "应为 Unix 秒数，或形如 2026-03-01T12:00:00+08:00 的时间",
                    "give Unix seconds, or a time like 2026-03-01T12:00:00+08:00",
                ),
                param,
                ctx,
            )
        return round(seconds * 1000)


def _iso_s(value: str) -> float:
    return datetime.fromisoformat(value).timestamp()


def at_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--at TIME``, as ``at_ms``."""
    option = click.option(
        "--at",
        "at_ms",
        type=_UnixMs(),
        metavar=say("时刻", "TIME"),
        help=say("以此时刻为准（默认：现在）", "Go by this moment (default: now)"),
    )
    return option(command)


def now_ms(at_ms: int | None) -> int:
    """The moment given, else this machine's."""
    return SystemClock().now_ms() if at_ms is None else at_ms


def moment(at_ms: int | None) -> Moment:
    """The same, as verdicts want it: whoever gives a time on the command line vouches for it."""
    return Moment(now_ms(at_ms), ClockState.SYNCHRONISED, 0)


def iso(time_ms: int, timespec: str = "seconds") -> str:
    """UTC, to the second or as it is asked: for machines."""
    return in_calendar(time_ms, UTC).isoformat(timespec=timespec)


def go_by(resolved: Resolved) -> None:
    """From here on this command says times as the terminal of this configuration has them."""
    if (context := click.get_current_context(silent=True)) is not None:
        context.meta[_ZONE] = timezone(timedelta(minutes=resolved.config.terminal.utc_offset_minutes))


def local(time_ms: int) -> str:
    """For people, always with its offset: by the terminal's configuration, else China's, its default."""
    context = click.get_current_context(silent=True)
    zone = _CHINA if context is None else context.meta.get(_ZONE, _CHINA)
    return in_calendar(time_ms, zone).isoformat(sep=" ", timespec="seconds")


def in_calendar(time_ms: int, zone: tzinfo) -> datetime:
    """The moment there; of one beyond the year 9999, which only who lies says, that year's last second."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, zone)
    except (ValueError, OverflowError):
        return datetime.max.replace(microsecond=0, tzinfo=zone)


def local_of(text: str) -> str:
    """The same, of a moment that is written for machines."""
    return local(round(datetime.fromisoformat(text).timestamp() * 1000))
