"""What the journal's writer says of its write-ahead log, told to the technician: once for each change."""

from __future__ import annotations

from agent.logs import log
from agent.words import tell
from offline_store.wal import Health, LogState


def tell_store_health(health: Health) -> None:
    """Log the new state, with the remedy where one is needed. Called in the writer's thread."""
    say = log().info if health.state is LogState.FREE else log().error
    detail = {} if health.fault is None else {"detail": tell(health.fault)}
    say("journal log", state=health.state.code, zh=health.state.zh, en=health.state.en, **detail)
