"""A program that installs a delta again and again, killed before another line of the way each time.

``python -m tests.agent.bundles.dying DIRECTORY`` writes the versions that a terminal finds after each kill to
``found.json``. It forks, so that nothing is simulated: real files, a real store, and a process that ends by SIGKILL.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from agent.bundles import install, service
from agent.bundles.manifest import Kind
from offline_store import journal, whole_file
from tests.agent.bundles.parts import ISSUER, Terminal

_ON_THE_WAY = frozenset(module.__file__ for module in (install, service, journal, whole_file))


class Death:
    """Kills this process before the ``at``-th line of the modules on the way."""

    def __init__(self, at: int) -> None:
        self._left = at

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in _ON_THE_WAY:
            return None
        if event == "line":
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.trace


def die_installing(terminal: Terminal, delta: bytes, at: int) -> None:
    death = Death(at)
    threading.settrace(death.trace)
    sys.settrace(death.trace)
    asyncio.run(terminal.install(delta))


def found(state_dir: Path) -> int:
    """The version in force after a start, once it was held against its list and what lies on the disk."""
    terminal = Terminal(state_dir)
    (version,) = terminal.standing().values()
    status = terminal.bundles.lists.current().status[ISSUER]
    assert [status.revoked(101), status.revoked(102)] == [version == 1, version == 2]
    files = [path.name for path in (state_dir / "bundles").iterdir() if path.is_file()]
    assert files == [f"status-{ISSUER}.{version}"]
    assert terminal.journal.verify().broken is None
    terminal.stop()
    return version


def main(directory: Path) -> None:
    template = directory / "template"
    terminal = Terminal(template)
    asyncio.run(terminal.install(terminal.full(Kind.STATUS)))
    delta = terminal.delta(Kind.STATUS, 1, 2)
    terminal.stop()
    versions: list[int] = []
    exit_code = -signal.SIGKILL
    while exit_code == -signal.SIGKILL:
        state_dir = directory / "state"
        shutil.copytree(template, state_dir)
        child = os.fork()
        if child == 0:
            die_installing(Terminal(state_dir), delta, at=len(versions) + 1)
            os._exit(0)
        exit_code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        versions.append(found(state_dir))
        shutil.rmtree(state_dir)
    (directory / "found.json").write_text(json.dumps({"exit_code": exit_code, "versions": versions}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
