"""Puts the platform's configuration on trial, judges it, and says what became of it.

One task on the event loop. It changes nothing under a running terminal: it writes down what is to be tried, waits until
nobody is being served, and has the terminal begin again, which then starts with what :mod:`agent.configuration.choice`
finds. Every change is on the disk before it is acted upon; the journal has it at last, also after a kill in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from agent.bundles.contents import Configuration
from agent.config import ConfigError, Resolved
from agent.configuration.choice import read_issue
from agent.configuration.shelf import Shelf
from agent.configuration.standing import Standing, Why
from agent.configuration.trial import PLATFORM, TrialWatch, Verdict
from agent.devices import DeviceState
from agent.logs import log
from agent.sync.contract import Configured
from agent.threads import in_thread
from agent.words import say, why_en, why_zh

LOOK_S = 0.5
SETTLE_S = 60.0
"""A terminal that has just started is given so long to find its devices and its platform, before they are excused."""
QUIET_S = 2.0
QUIET_WITHIN_S = 600.0
"""It begins again once nobody was served for ``QUIET_S``, and at the latest after ``QUIET_WITHIN_S``."""
AGAIN_S = 30.0


@dataclass(frozen=True)
class ConfigurationPorts:
    """What the service reaches out to."""

    offered: Callable[[], Configuration | None]
    """The newest configuration that is installed as a bundle."""
    devices: Callable[[], Iterable[DeviceState]]
    follows: Callable[[], bool]
    """Whether the platform is there and has answered this connection."""
    served: Callable[[], int]
    """Grows whenever a lane records something."""
    record: Callable[[Mapping[str, int | str]], Awaitable[None]]
    """Puts public fields into the journal, durable on return."""
    withdrawn: Callable[[Why], None]
    """Told what becomes an alarm."""
    again: Callable[[], None]
    """Ends this process in good order, and begins anew."""


class Configuring:
    """The service of one terminal."""

    def __init__(self, resolved: Resolved) -> None:
        self._terminal = resolved.config.terminal
        self._issue = resolved.issue
        self._trial = resolved.trial
        lanes = resolved.config.lanes.values()
        self._needed = {name for lane in lanes for name in (*lane.readers, lane.board) if name is not None}
        self._shelf = Shelf(self._terminal.state_dir)
        self._standing = Standing()
        self._watch: TrialWatch | None = None
        self._log = log()

    def status(self) -> Configured | None:
        """What this process goes by, for the platform; ``None`` where the platform never gave any."""
        withdrawn = self._standing.withdrawn
        if not self._issue and withdrawn is None:
            return None
        return Configured(
            issue=self._issue,
            on_trial=self._trial is not None,
            withdrawn=None if withdrawn is None else withdrawn.version,
            why=None if withdrawn is None else withdrawn.why.value,
            at=(withdrawn.at or None) if withdrawn is not None else None,
        )

    async def run(self, ports: ConfigurationPorts) -> None:
        """Serve until cancelled. What the disk does not take is tried again."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        if self._trial is not None and self._watch is None:
            self._watch = TrialWatch(started_s, self._terminal.trial_s, self._trial.excused)
        self._standing = await in_thread(self._shelf.read, "configuration")
        while True:
            try:
                await self._tell(ports)
                if self._watch is not None:
                    await self._judge(ports, self._watch)
                offered = ports.offered() if self._watch is None else None  # one trial at a time
                settled = not self._amiss(ports) or loop.time() >= started_s + SETTLE_S
                if settled and offered is not None and offered.version > self._standing.latest:
                    await self._begin(ports, offered)
            except OSError as error:
                self._log.error("configuration cannot be kept", detail=say(why_zh(error), why_en(error)))
                await asyncio.sleep(AGAIN_S)
            await asyncio.sleep(LOOK_S)

    async def _judge(self, ports: ConfigurationPorts, watch: TrialWatch) -> None:
        """One look at what is on trial."""
        trial = self._standing.trial
        verdict = watch.look(asyncio.get_running_loop().time(), self._amiss(ports))
        if verdict is None or trial is None:
            return
        version = trial.issue.version
        if verdict is Verdict.PROVEN:
            await self._write(self._standing.proven(trial))
            self._trial = self._watch = None
            self._log.info("configuration proven", version=version)
            return
        await self._write(self._standing.without(version, watch.why))
        self._log.error("configuration withdrawn", version=version, detail=_words(watch.why))
        await self._again(ports)

    async def _begin(self, ports: ConfigurationPorts, offered: Configuration) -> None:
        """Have a configuration tried from the next start on; one that is not valid is withdrawn at once."""
        read = partial(read_issue, offered.text, offered.version, self._terminal)
        try:
            await in_thread(read, "configuration")
        except ConfigError as error:
            await self._write(self._standing.without(offered.version, Why.INVALID, error.problems[0].path))
            self._log.error("configuration withdrawn", version=offered.version, detail=str(error.problems[0]))
            return
        amiss = self._amiss(ports)
        issue = await in_thread(partial(self._shelf.keep, offered.version, offered.text), "configuration")
        await ports.record({"issue": offered.version, "trial": "begins"})
        await self._write(self._standing.begun(issue, amiss))
        self._log.info("configuration on trial", version=offered.version)
        await self._again(ports)

    async def _again(self, ports: ConfigurationPorts) -> None:
        """Begin anew once nobody is being served."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + QUIET_WITHIN_S
        served, quiet_s = ports.served(), loop.time()
        while loop.time() < min(end_s, quiet_s + QUIET_S):
            await asyncio.sleep(LOOK_S)
            if ports.served() != served:
                served, quiet_s = ports.served(), loop.time()
        ports.again()
        await asyncio.Event().wait()

    async def _tell(self, ports: ConfigurationPorts) -> None:
        """Let the journal and the platform know the latest change, once; twice after a kill in between."""
        standing = self._standing
        if standing.told:
            return
        latest, withdrawn = standing.latest, standing.withdrawn
        if withdrawn is not None and withdrawn.version == latest:
            fields: dict[str, int | str] = {"issue": latest, "trial": "withdrawn", "why": withdrawn.why.value}
            await ports.record(fields | ({"at": withdrawn.at} if withdrawn.at else {}))
            ports.withdrawn(withdrawn.why)
        else:
            await ports.record({"issue": latest, "trial": "proven"})
        await self._write(standing.model_copy(update={"told": True}))

    def _amiss(self, ports: ConfigurationPorts) -> frozenset[str]:
        ready = {device.name for device in ports.devices() if device.state == "ready"}
        return frozenset(self._needed - ready) | (frozenset() if ports.follows() else {PLATFORM})

    async def _write(self, standing: Standing) -> None:
        await in_thread(partial(self._shelf.write, standing), "configuration")
        self._standing = standing


def _words(why: Why) -> str:
    return say(why.sentence.zh, why.sentence.en)
