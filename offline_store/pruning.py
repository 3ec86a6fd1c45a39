"""Retention: what the platform has, and a while has passed since, leaves the disk; the chain's anchor stays.

A chain is shortened from its beginning only. The hash of the last record that left becomes the anchor, from which
:mod:`offline_store.verify` walks on. The last record of all stays whatever its age: the next one continues it.
"""

from __future__ import annotations

import sqlite3
from itertools import takewhile

from offline_store.record import hash_of

PORTION = 500
"""So many records a transaction: some milliseconds, so that no tap waits for the broom."""
VACUUM_BYTES = 1024**2
"""So much goes back to the file system at a time: more than a portion of sealed sales takes."""

_CHAINS = (
    "SELECT number, base, first_retained, min(acked_seq, last_seq - (number = (SELECT max(number) FROM chain)))"
    " FROM chain_span ORDER BY number"
)
_OLDEST = "SELECT place, time_ms FROM record WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?"


def prune(connection: sqlite3.Connection, kept_since_ms: int) -> int:
    """Within a transaction: let a portion of acknowledged records from before ``kept_since_ms`` go; how many went.

    Raises ``sqlite3.Error``.
    """
    for number, base, first, last in connection.execute(_CHAINS).fetchall():
        if first > last:
            continue
        oldest = connection.execute(_OLDEST, (base + first, base + last, PORTION)).fetchall()
        leaving = [place for place, _ in takewhile(lambda row: row[1] < kept_since_ms, oldest)]
        if not leaving:
            return 0  # later chains hold later records
        body = connection.execute("SELECT body FROM record WHERE place = ?", (leaving[-1],)).fetchone()[0]
        connection.execute("DELETE FROM record WHERE place BETWEEN ? AND ?", (leaving[0], leaving[-1]))
        connection.execute(
            "UPDATE chain SET first_retained = ?, anchor_hash = ? WHERE number = ?",
            (leaving[-1] - base + 1, hash_of(body), number),
        )
        return len(leaving)
    return 0


def give_back(connection: sqlite3.Connection) -> None:
    """Return free pages to the file system. Raises ``sqlite3.Error``.

    The pragma frees one page a step; ``execute`` takes one step, ``executescript`` all of them.
    """
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    connection.executescript(f"PRAGMA incremental_vacuum({VACUUM_BYTES // page_bytes})")
