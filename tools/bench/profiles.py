"""``onecard bench profiles``: decisions a second of every profile, beside durable commits.

Every registered profile is measured by the events of its own day (docs/scenarios.md), which is played on a real
journal in simulated time. Where a call of ``handle`` leads to a record, it is timed, and then made again and again
with the very same state and event, which a pure function allows, and each time with facts that remember nothing, as a
lane decides: whoever a decision asks about is read from the roster's table once in each. Then the raw peer commits:
WAL, ``synchronous=FULL``, one insert, in a process of its own. The rate, and the ratio that is promised, are those of
the repeated calls beside the repeated commits; the first call, right behind a commit of the journal and with every
cache cold, is told as ``at_work``.

What else the machine does meanwhile is kept out in the same way on both sides: each call and each commit is timed by
itself, by the same clock, and the median counts: of a decision that of its calls in all rounds, of the peer that of all
commits. A profile's figure is the mean of its day's decisions. What lives as long as the process is not searched for
garbage between two decisions, as on a terminal (``agent/terminal.py``).
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from agent import logs
from agent.config import profile_names
from agent.facts import TerminalFacts
from profiles.api import Event, Facts, Profile, Record, Step
from tools.bench.place import bench_directory
from tools.bench.raw_commit import RawPeer
from tools.bench.report import Figure, Report, median
from tools.days.day import Day, parse_day
from tools.days.play import play
from tools.scenes import DAYS, scene_files

RECORD_BYTES = 346
"""What a passage takes on the disk: ``onecard bench store``."""
REPEATED = 20
COMMITS = 3
_NS_PER_US = 1_000


@dataclass
class Times:
    """Of one play of a profile's day, in nanoseconds: each decision at work, the same repeated, the peer's commits."""

    at_work: list[int] = field(default_factory=list)
    repeated: list[list[int]] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)


def day_mean_ns(rounds: list[Times]) -> float:
    """What the decisions of one day take in the mean, each of them by the median of all rounds."""
    decisions = list(zip(*(played.repeated for played in rounds), strict=True))
    return sum(median([call for calls in decision for call in calls]) for decision in decisions) / len(decisions)


def run(rounds: int) -> Report:
    """Play the day of every profile so many times; a play before them warms up and does not count."""
    logs.configure(level="error")
    known = scene_files(DAYS)
    days = {name: parse_day(known[name].read_text(encoding="utf-8"), name) for name in profile_names() if name in known}
    times: dict[str, list[Times]] = {name: [] for name in days}
    with bench_directory() as directory, RawPeer(directory, RECORD_BYTES) as peer:
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
    commit_ns = median([each for rounds in times.values() for played in rounds for each in played.committed])
    means = {name: day_mean_ns(rounds) for name, rounds in times.items()}
    figures = [
        Figure("profiles.decide_ratio", max(means.values()) / commit_ns, "×", target=0.25),
        Figure("profiles.raw_commit_us", commit_ns / _NS_PER_US, "µs", digits=0),
    ]
    for name, mean_ns in means.items():
        figures += [
            Figure(f"profiles.{name}_s", 1e9 / mean_ns, "1/s", digits=0),
            Figure(f"profiles.{name}_us", mean_ns / _NS_PER_US, "µs", digits=1),
            Figure(
                f"profiles.{name}_at_work_us",
                median([each for played in times[name] for each in played.at_work]) / _NS_PER_US,
                "µs",
                digits=1,
            ),
        ]
    return tuple(figures)


def _play(day: Day, name: str, directory: Path, peer: RawPeer) -> Times:
    """Play once. A day that is not as its script says measures something else."""
    times = Times()

    def timed(profile: Profile[Any]) -> Profile[Any]:
        return cast("Profile[Any]", _Timed(profile, peer, times))

    if not play(day, directory, source=name, wrap=timed).holds:
        raise RuntimeError(f"the day of {name} is not as its script says: its figures would mean nothing")
    return times


class _Timed:
    """A profile whose decisions are timed."""

    def __init__(self, profile: Profile[Any], peer: RawPeer, times: Times) -> None:
        self._profile = profile
        self._peer = peer
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._profile, name)

    def handle(self, state: Any, event: Event, facts: Facts) -> Step[Any]:
        """See :class:`profiles.api.Profile`."""
        started_ns = time.perf_counter_ns()
        step = self._profile.handle(state, event, facts)
        took_ns = time.perf_counter_ns() - started_ns
        if any(isinstance(effect, Record) for effect in step.effects):
            self._times.at_work.append(took_ns)
            each = [cast("TerminalFacts", facts).anew() for _ in range(REPEATED)]
            self._times.repeated.append([self._took_ns(state, event, anew) for anew in each])
            self._times.committed += [self._peer.commit() for _ in range(COMMITS)]
        return step

    def _took_ns(self, state: Any, event: Event, facts: Facts) -> int:
        started_ns = time.perf_counter_ns()
        self._profile.handle(state, event, facts)
        return time.perf_counter_ns() - started_ns
