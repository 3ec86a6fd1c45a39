"""What was counted instead of recorded, said for a technician and for the platform's operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from offline_store.figures import UNRECORDED, Tally
from offline_store.record import Record, Value
from profiles.reasons import counted
from tools.cli.codes import kind_words, reason_words
from tools.cli.times import local
from tools.cli.words import say

_LAST_MS = 253_402_300_799_000  # the end of the year 9999


class CountedFigure(NamedTuple):
    """One line of a record that counts: kind, reason, how often, the first and the last time."""

    kind: str
    reason: str
    times: int
    first_ms: int
    last_ms: int


def openings_of(record: Record) -> int | None:
    """How many openings a record counts; ``None`` for a record that tells of one thing."""
    openings = record.entry.public.get("openings")
    return openings if record.entry.kind == UNRECORDED and type(openings) is int and openings >= 0 else None


def figures_of(record: Record) -> list[CountedFigure]:
    """What a record counts, by kind and reason; what has another form is left out: it may have come over a wire."""
    rows = record.entry.public.get("figures")
    if record.entry.kind != UNRECORDED or not isinstance(rows, tuple):
        return []
    return [figure for row in rows if (figure := _figure(row)) is not None]


def figure_words(figure: CountedFigure) -> str:
    """One figure in one line."""
    reason = f"{say('：', ': ')}{reason_words(figure.reason)}" if figure.reason else ""
    when = f"{local(figure.first_ms)} – {local(figure.last_ms)}"
    return f"{kind_words(figure.kind)}{reason} × {figure.times} ({when})"


def waiting_words(tallies: Mapping[str, Tally]) -> list[str]:
    """What a terminal counted and could not record yet, a line a lane."""
    lines = []
    for lane, tally in tallies.items():
        first, last, openings = local(tally.first_ms), local(tally.last_ms), tally.openings
        be = "is" if openings == 1 else "are"
        lines.append(
            say(
                f"{lane}：磁盘已满，有 {openings} 次开门没有逐条记录（{first} 至 {last}）；清理磁盘后自动补记次数",
                f"{lane}: the disk is full, {counted(openings, 'opening')} {be} not recorded one by one"
                f" ({first} to {last}); make room, and their number is recorded",
            )
        )
    return lines


def _figure(row: Value) -> CountedFigure | None:
    match row:
        case (str(kind), str(reason), int(times), int(first_ms), int(last_ms)) if max(first_ms, last_ms) <= _LAST_MS:
            return CountedFigure(kind, reason, times, max(0, first_ms), max(0, last_ms))
        case _:
            return None
