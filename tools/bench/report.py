"""How a bench speaks: a table for people, and with ``--json`` one JSON object on the last line."""

from __future__ import annotations

import json
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import click

from agent.words import say


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number under its public name; ``target`` is what the project promises, if it promises anything."""

    name: str
    value: float
    unit: str
    target: float | None = None
    digits: int = 3
    at_least: bool = False

    @property
    def holds(self) -> bool | None:
        """Whether the promise is kept; ``None`` where nothing is promised. An upper bound unless ``at_least``."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass(frozen=True, slots=True)
class Report:
    """What one bench found, with the conditions under which it did."""

    bench: str
    figures: tuple[Figure, ...]
    conditions: dict[str, str | int | float] = field(default_factory=dict)

    def tell(self, *, as_json: bool) -> None:
        """Print for people, and for machines on the last line if asked."""
        click.echo(say(f"测量 {self.bench}", f"bench {self.bench}"))
        for key, value in self.conditions.items():
            click.echo(f"  {key}: {value}")
        for figure in self.figures:
            click.echo(f"  {figure.name:<24}{figure.value:>12.{figure.digits}f} {figure.unit}{_promise(figure)}")
        if as_json:
            click.echo(json.dumps(self.to_json(), ensure_ascii=False))
        sys.stdout.flush()

    def to_json(self) -> dict[str, object]:
        """The machine's form: ``figures`` maps each name to its number."""
        return {
            "bench": self.bench,
            "figures": {figure.name: round(figure.value, 6) for figure in self.figures},
            "units": {figure.name: figure.unit for figure in self.figures},
            "conditions": self.conditions,
            "machine": {"python": platform.python_version(), "arch": platform.machine()},
        }


def _promise(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"  {'≥' if figure.at_least else '≤'} {figure.target:g} {'✓' if figure.holds else '✗'}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the (unsorted) values lies; nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, round(share * (len(ranked) - 1)))]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)
