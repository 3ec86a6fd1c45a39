"""Who is examined: one terminal, by its configuration, its directory and, if it runs, by what it says of itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.clock import Moment
from agent.composition import keys_dir
from agent.config import Resolved
from agent.config_model import Config
from agent.kernel_time import boot_id
from agent.standing import Standing
from agent.standing_socket import ask
from agent.timekeeper import SAVED_KEY
from agent.trusted_clock import TrustedClock
from drivers.api import DriverSettings
from drivers.virtual.place import PLACEHOLDER, virtual_dir
from offline_store.errors import StoreError
from offline_store.lock import LOCK_NAME
from offline_store.saved import saved_value
from profiles.api import ClockState

_LOCKS = Path("/proc/locks")
_PID, _FILE = 4, 5


@dataclass(frozen=True)
class Patient:
    """``standing`` is the running agent's own word; ``holder`` the process that holds the store, whether it answers."""

    resolved: Resolved
    config_file: Path | None
    holder: int | None
    standing: Standing | None
    silence: str = ""
    """Why the agent that holds the store says nothing."""
    deep: bool = False
    """Take the time to walk everything."""
    clock: TrustedClock = field(default_factory=TrustedClock, repr=False)

    @property
    def config(self) -> Config:
        """The configuration as it was read."""
        return self.resolved.config

    @property
    def state_dir(self) -> Path:
        """Where journal, keys and lists are."""
        return self.config.terminal.state_dir

    @property
    def keys_dir(self) -> Path:
        """Where its keys are."""
        return keys_dir(self.state_dir)

    @property
    def runs(self) -> bool:
        """Whether an agent holds the store, and with it the devices."""
        return self.holder is not None or self.standing is not None

    @property
    def has_platform(self) -> bool:
        """Whether it speaks to one, by its configuration or by what the running agent was given beside it."""
        return self.config.platform is not None or (self.standing is not None and self.standing.link is not None)

    @property
    def used_devices(self) -> Mapping[str, DriverSettings]:
        """Those that a lane names."""
        used = {name for lane in self.config.lanes.values() for name in lane.devices}
        return {name: settings for name, settings in self.resolved.devices.items() if name in used}

    @property
    def is_on_virtual_devices(self) -> bool:
        """Whether some of its devices are there only while somebody runs it by hand."""
        given = [content for device in self.config.devices.values() for content in (device.model_extra or {}).values()]
        return any(isinstance(content, str) and PLACEHOLDER in content for content in given)

    def is_virtual(self, path: Path) -> bool:
        """Whether what stands there is there only while the terminal's virtual devices run."""
        return path.is_relative_to(virtual_dir(self.config.terminal.id))

    def moment(self) -> Moment:
        """The time as the terminal has it: the running one says so, else by what it saved."""
        if self.standing is None:
            return self.clock.moment()
        told = self.standing.clock
        return Moment(told.now_ms, ClockState(told.state), told.uncertainty_ms)


def meet(resolved: Resolved, config_file: Path | None, *, deep: bool = False) -> Patient:
    """Find out whether the terminal runs, and recall its clock."""
    state_dir = resolved.config.terminal.state_dir
    standing, silence = None, ""
    try:
        standing = ask(state_dir)
    except (OSError, ValueError) as error:
        silence = type(error).__name__
    patient = Patient(resolved, config_file, holder_of(state_dir), standing, silence, deep)
    try:
        saved = saved_value(state_dir, SAVED_KEY)
        if saved is not None:
            patient.clock.restore(saved, boot_id())
    except (StoreError, ValueError, OSError):
        return patient  # the store's own check says what is wrong with it
    return patient


def holder_of(state_dir: Path) -> int | None:
    """Which process holds the store's lock, by what the kernel lists: to try the lock could stop one that starts.

    Layered file systems list another device than stat(2) names; then the pid that the holder left must be its own.
    """
    path = state_dir / LOCK_NAME
    try:
        status = path.stat()
        left = path.read_text(encoding="ascii", errors="replace").strip()
        rows = [line.split() for line in _LOCKS.read_text(encoding="ascii").splitlines() if "->" not in line]
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for row in rows:
        listed, _, inode = row[_FILE].rpartition(":")
        if row[1] == "FLOCK" and inode == str(status.st_ino) and (listed == device or row[_PID] == left):
            return int(row[_PID])
    return None
