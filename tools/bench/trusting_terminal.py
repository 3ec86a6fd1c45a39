"""``python -m tools.bench.trusting_terminal --config FILE --row FILE``: ``onecard run`` with one issuer trusted.

The lists stand in memory: how they reach a terminal is not what is measured.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click
import uvloop

from agent.config import load
from agent.credentials.lists import CurrentLists, Lists
from agent.credentials.status import StatusList
from agent.credentials.trust import Term, TrustList
from agent.logs import configure
from tools.cli import code_files
from tools.cli.run import serve

STATUS_ENTRIES = 1 << 20
_DAY_MS = 86_400_000
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--config", type=_FILE, required=True)
@click.option("--row", type=_FILE, required=True)
def main(config: Path, row: Path) -> None:
    """Serve until SIGTERM, every line of the log as JSON."""
    trusted = code_files.read(row, code_files.RowFile).row()
    now_ms = time.time_ns() // 1_000_000
    term = Term(now_ms, now_ms + _DAY_MS, 0)
    trust = TrustList(1, term.issued_ms, term.expires_ms, 0, {(trusted.issuer, trusted.kid): trusted}, {})
    status = StatusList(bytes(STATUS_ENTRIES // 8), STATUS_ENTRIES, term)
    configure("json", "debug")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(load(config), CurrentLists(Lists(trust=trust, status={trusted.issuer: status}))))


if __name__ == "__main__":
    main()
