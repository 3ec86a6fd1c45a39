"""``onecard bench profiles``: decisions a second of every profile, beside durable commits.

Every registered profile is measured by the events of its own day (docs/scenarios.md), which is played on a real
journal in simulated time. Where a call of ``handle`` leads to a record, it is timed, and then made again and again
with the very same state and event, which a pure function allows, and each time with facts that remember nothing, as a
lane decides: whoever a decision asks about is read from the roster's table once in each. Then the raw peer commits:
WAL, ``synchronous=FULL``, one insert, in a process of its own. The rate, and the ratio that is promised, are those of
the repeated calls beside the repeated commits; the first call, right behind a commit of the journal and with every
cache cold, is told as ``at_work``.
"""

from __future__ import annotations

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
class _Times:
    """Of one profile, in nanoseconds: each decision at work, the same repeated, and the commits of the raw peer."""

    at_work: list[int] = field(default_factory=list)
    repeated: list[float] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)


def run(rounds: int) -> Report:
    """Play the day of every profile so many times; a play before them warms up and does not count."""
    logs.configure(level="error")
    known = scene_files(DAYS)
    days = {name: parse_day(known[name].read_text(encoding="utf-8"), name) for name in profile_names() if name in known}
    times = {name: _Times() for name in days}
    with bench_directory() as directory, RawPeer(directory, RECORD_BYTES) as peer:
        for number in range(rounds + 1):
            for name, day in days.items():
                _play(day, name, directory / f"{name}-{number}", peer, times[name] if number else _Times())
    counts = {f"{name}_decisions": len(each.at_work) for name, each in times.items()}
    left_out = ", ".join(sorted(set(profile_names()) - set(days)))
    conditions: dict[str, str | int | float] = {"rounds": rounds, **counts}
    return Report("profiles", _figures(times), conditions | ({"without_a_day": left_out} if left_out else {}))


def _figures(times: dict[str, _Times]) -> tuple[Figure, ...]:
    commit_ns = median([each for held in times.values() for each in held.committed])
    means = {name: sum(held.repeated) / len(held.repeated) for name, held in times.items()}
    figures = [
        Figure("profiles.decide_ratio", max(means.values()) / commit_ns, "×", target=0.25),
        Figure("profiles.raw_commit_us", commit_ns / _NS_PER_US, "µs", digits=0),
    ]
    for name, mean_ns in means.items():
        figures += [
            Figure(f"profiles.{name}_s", 1e9 / mean_ns, "1/s", digits=0),
            Figure(f"profiles.{name}_us", mean_ns / _NS_PER_US, "µs", digits=1),
            Figure(f"profiles.{name}_at_work_us", median(times[name].at_work) / _NS_PER_US, "µs", digits=1),
        ]
    return tuple(figures)


def _play(day: Day, name: str, directory: Path, peer: RawPeer, times: _Times) -> None:
    """Play once. A day that is not as its script says measures something else."""

    def timed(profile: Profile[Any]) -> Profile[Any]:
        return cast("Profile[Any]", _Timed(profile, peer, times))

    if not play(day, directory, source=name, wrap=timed).holds:
        raise RuntimeError(f"the day of {name} is not as its script says: its figures would mean nothing")


class _Timed:
    """A profile whose decisions are timed."""

    def __init__(self, profile: Profile[Any], peer: RawPeer, times: _Times) -> None:
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
            started_ns = time.perf_counter_ns()
            for anew in each:
                self._profile.handle(state, event, anew)
            self._times.repeated.append((time.perf_counter_ns() - started_ns) / REPEATED)
            self._times.committed += [self._peer.commit() for _ in range(COMMITS)]
        return step
