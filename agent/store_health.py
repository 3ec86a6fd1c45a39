"""How the journal is, told to technician and platform: once for each change."""

from __future__ import annotations

from collections.abc import Callable

from agent.devices import Conditions, DeviceState
from agent.logs import log
from agent.words import tell
from offline_store.wal import Health, LogState
from profiles.api import Reason

JOURNAL = "journal"


class JournalCondition:
    """Whether the journal takes what the lanes decide. Used on the event loop."""

    def __init__(self, conditions: Conditions, alarm: Callable[[], None], now_ms: Callable[[], int]) -> None:
        self._conditions = conditions
        self._alarm = alarm
        self._now_ms = now_ms
        self._failed = False

    def failed(self, detail: str) -> bool:
        """A record was not taken, or not in time: nothing opens. Alarms once until :meth:`works`; whether it did."""
        state = DeviceState(JOURNAL, "failed", Reason.NOT_RECORDED.code, detail, self._now_ms())
        self._conditions.report(state)
        is_news, self._failed = not self._failed, True
        if is_news:
            self._alarm()
        return is_news

    def works(self) -> None:
        """A record is on the disk."""
        if self._failed:
            self._failed = False
            self._conditions.forget(JOURNAL)


def tell_store_health(health: Health) -> None:
    """Log the new state, with the remedy where one is needed. Called in the writer's thread."""
    say = log().info if health.state is LogState.FREE else log().error
    detail = {} if health.fault is None else {"detail": tell(health.fault)}
    say("journal log", state=health.state.code, zh=health.state.zh, en=health.state.en, **detail)
