"""``onecard bench profiles``: decisions a second of every profile, each beside the durable commit of what it writes.

Every registered profile is measured by the events of its own day (docs/scenarios.md), which is played on a real
journal in simulated time. Where a call of ``handle`` leads to a record, it is timed, and then made again and again
with the very same state and event, which a pure function allows, and each time with facts that remember nothing, as a
lane decides: whoever a decision asks about is read from the roster's table once in each. Then the raw peer
(:mod:`tools.bench.raw_rows`) commits what the journal now holds of each decision, the same rows in the same order:
WAL, ``synchronous=FULL``, one decision a commit. The rate is that of the repeated calls; the ratio that is promised is
the largest of all profiles', each of its own calls beside its own commits. The first call, right behind a commit of
the journal and with every cache cold, is told as ``at_work``.

What else the machine does meanwhile is kept out in the same way on both sides: each call and each commit is timed by
itself, by the same clock, in this process, and of a decision the median of its calls and that of its commits in all
rounds count. A profile's figures are the means of its day's decisions. What lives as long as the process is not
searched for garbage between two decisions, as on a terminal (``agent/terminal.py``).
"""

from __future__ import annotations

import gc
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from agent import logs
from agent.config import profile_names
from agent.facts import TerminalFacts
from profiles.api import Event, Facts, Profile, Record, Step
from tools.bench.place import bench_directory
from tools.bench.raw_rows import Decided, RawRows, written
from tools.bench.report import Figure, Report, median
from tools.days.around import Around
from tools.days.day import Day, parse_day
from tools.days.play import play
from tools.scenes import DAYS, scene_files

REPEATED = 20
PASSES = 3
"""So often the peer commits a played day."""
_NS_PER_US = 1_000


@dataclass
class Times:
    """Of one play of a profile's day, in nanoseconds: each decision at work, the same repeated, the peer's commits."""

    at_work: list[int] = field(default_factory=list)
    repeated: list[list[int]] = field(default_factory=list)
    committed: list[list[int]] = field(default_factory=list)


def day_mean_ns(rounds: list[Times]) -> float:
    """What the decisions of one day take in the mean, each of them by the median of all rounds."""
    return _mean_ns([played.repeated for played in rounds])


def commit_mean_ns(rounds: list[Times]) -> float:
    """What the peer's commits of one day's decisions take, in the same way."""
    return _mean_ns([played.committed for played in rounds])


def _mean_ns(rounds: list[list[list[int]]]) -> float:
    decisions = list(zip(*rounds, strict=True))
    return sum(median([took for each in decision for took in each]) for decision in decisions) / len(decisions)


def run(rounds: int) -> Report:
    """Play the day of every profile so many times; a play before them warms up and does not count."""
    logs.configure(level="error")
    known = scene_files(DAYS)
    days = {name: parse_day(known[name].read_text(encoding="utf-8"), name) for name in profile_names() if name in known}
    times: dict[str, list[Times]] = {name: [] for name in days}
    with bench_directory() as directory, closing(RawRows(directory / "raw.db")) as peer:
        for number in range(rounds + 1):
            for name, day in days.items():
                times[name].append(_play(day, name, directory / f"{name}-{number}", peer))
            if number == 0:
                times = {name: [] for name in days}
                gc.freeze()
    counts = {f"{name}_decisions": sum(len(each.at_work) for each in played) for name, played in times.items()}
    left_out = ", ".join(sorted(set(profile_names()) - set(days)))
    conditions: dict[str, str | int | float] = {"rounds": rounds, **counts}
    return Report("profiles", _figures(times), conditions | ({"without_a_day": left_out} if left_out else {}))


def _figures(times: dict[str, list[Times]]) -> tuple[Figure, ...]:
    decided = {name: day_mean_ns(rounds) for name, rounds in times.items()}
    committed = {name: commit_mean_ns(rounds) for name, rounds in times.items()}
    ratio = max(decided[name] / committed[name] for name in times)
    figures = [Figure("profiles.decide_ratio", ratio, "×", target=0.25)]
    for name, rounds in times.items():
        at_work_ns = median([each for played in rounds for each in played.at_work])
        figures += [
            Figure(f"profiles.{name}_s", 1e9 / decided[name], "1/s", digits=0),
            Figure(f"profiles.{name}_us", decided[name] / _NS_PER_US, "µs", digits=1),
            Figure(f"profiles.{name}_raw_commit_us", committed[name] / _NS_PER_US, "µs", digits=1),
            Figure(f"profiles.{name}_at_work_us", at_work_ns / _NS_PER_US, "µs", digits=1),
        ]
    return tuple(figures)


def _play(day: Day, name: str, directory: Path, peer: RawRows) -> Times:
    """Play once. A day that is not as its script says measures something else."""
    times = Times()
    decisions: list[Decided] = []

    def timed(profile: Profile[Any]) -> Profile[Any]:
        return cast("Profile[Any]", _Timed(profile, times, decisions))

    if not play(day, directory, source=name, wrap=timed).holds:
        raise RuntimeError(f"the day of {name} is not as its script says: its figures would mean nothing")
    rows = written(directory / "journal", name, decisions)
    passes = [peer.commits_ns(rows) for _ in range(PASSES)]
    times.committed = [list(each) for each in zip(*passes, strict=True)]
    return times


class _Timed(Around):
    """A profile whose decisions are timed."""

    def __init__(self, profile: Profile[Any], times: Times, decisions: list[Decided]) -> None:
        super().__init__(profile)
        self._times = times
        self._decisions = decisions

    def handle(self, state: Any, event: Event, facts: Facts) -> Step[Any]:
        """See :class:`profiles.api.Profile`."""
        started_ns = time.perf_counter_ns()
        step = self._profile.handle(state, event, facts)
        took_ns = time.perf_counter_ns() - started_ns
        if any(isinstance(effect, Record) for effect in step.effects):
            own = cast("TerminalFacts", facts)
            self._times.at_work.append(took_ns)
            each = [own.anew() for _ in range(REPEATED)]
            self._times.repeated.append([self._took_ns(state, event, anew) for anew in each])
            self._decisions.append(Decided(step, own))
        return step

    def _took_ns(self, state: Any, event: Event, facts: Facts) -> int:
        started_ns = time.perf_counter_ns()
        self._profile.handle(state, event, facts)
        return time.perf_counter_ns() - started_ns
