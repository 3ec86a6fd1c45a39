"""A box whose configuration the platform changes: what it starts with, and what it does while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from agent.bundles.contents import Configuration
from agent.config import Resolved, parse
from agent.configuration.choice import begin
from agent.configuration.service import ConfigurationPorts, Configuring
from agent.configuration.shelf import Shelf
from agent.configuration.standing import Why
from agent.devices import DeviceState
from tools.cli.presets import preset_text

DEVICES = ("card-slot", "card-field", "scanner", "board")
TRIAL_S = 0.05
DEADLINE_S = 10.0


def document(**terminal: object) -> dict[str, Any]:
    """The preset gate, as a platform would give it to the terminal ``gate-7``."""
    gate: dict[str, Any] = yaml.safe_load(preset_text("gate"))
    gate["terminal"] = {"id": "gate-7"} | terminal
    gate["platform"] = {"host": "broker.city.example"}
    return gate


def text(**terminal: object) -> str:
    return yaml.safe_dump(document(**terminal))


@dataclass
class Box:
    """One box on a disk. ``broken`` devices do not answer, and ``reached`` says whether the platform does."""

    state_dir: Path
    broken: set[str] = field(default_factory=set)
    reached: bool = True
    offered: Configuration | None = None
    records: list[Mapping[str, int | str]] = field(default_factory=list)
    alarms: list[Why] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.state_dir)
        self.own = parse(text(state_dir=str(self.state_dir)), "gate.yaml", self.state_dir)

    def begin(self) -> Resolved:
        """Start once; what it goes by."""
        resolved = begin(self.own)
        self.starts.append(resolved.issue)
        return resolved

    async def run(self, until: Callable[[Configuring], bool] = lambda _: False) -> bool:
        """Start, and serve until it begins anew or what is waited for is so; whether it began anew."""
        resolved = self.begin()
        terminal = resolved.config.terminal.model_copy(update={"trial_s": TRIAL_S})  # no test waits five seconds
        resolved = replace(resolved, config=resolved.config.model_copy(update={"terminal": terminal}))
        again = asyncio.Event()
        ports = ConfigurationPorts(
            offered=lambda: self.offered,
            devices=lambda: [DeviceState(each, "failed" if each in self.broken else "ready") for each in DEVICES],
            follows=lambda: self.reached,
            served=lambda: 0,
            record=self._record,
            withdrawn=self.alarms.append,
            again=again.set,
        )
        configuring = Configuring(resolved)
        task = asyncio.create_task(configuring.run(ports))
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not (task.done() or again.is_set() or until(configuring)):
                    await asyncio.wait({task}, timeout=0.001)
        finally:
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.result()
        return again.is_set()

    async def _record(self, public: Mapping[str, int | str]) -> None:
        self.records.append(public)

    @property
    def told(self) -> list[tuple[int | str, int | str]]:
        """The records, in short."""
        return [(public["issue"], public["trial"]) for public in self.records]
