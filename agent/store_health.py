"""How the journal is, told to technician and platform: once for each change."""

from __future__ import annotations

from collections.abc import Callable

from agent.devices import Conditions, DeviceState
from agent.logs import log
from agent.records import StoreReason
from agent.words import say, tell
from offline_store.wal import Health, LogState
from profiles.api import Reason
from profiles.reasons import ReasonEnum

JOURNAL = "journal"


class JournalCondition:
    """Whether the journal takes what the lanes decide. Used on the event loop."""

    def __init__(self, conditions: Conditions, alarm: Callable[[ReasonEnum], None], now_ms: Callable[[], int]) -> None:
        self._conditions = conditions
        self._alarm = alarm
        self._now_ms = now_ms
        self._failed = False
        self._counts = False
        self._hangs = False

    def hangs(self, detail: str) -> None:
        """The disk has answered nothing for long. Alarms once until :meth:`works`."""
        self._failed = True
        self._conditions.report(DeviceState(JOURNAL, "failed", StoreReason.DISK_HANGS.code, detail, self._now_ms()))
        if not self._hangs:
            self._hangs = True
            self._alarm(StoreReason.DISK_HANGS)

    def failed(self, detail: str) -> bool:
        """A record was not taken, or not in time: nothing opens. Alarms once until :meth:`works`; whether it did."""
        state = DeviceState(JOURNAL, "failed", Reason.NOT_RECORDED.code, detail, self._now_ms())
        self._conditions.report(state)
        is_news, self._failed = not self._failed, True
        if is_news:
            self._alarm(Reason.NOT_RECORDED)
        return is_news

    def counts(self) -> None:
        """A door opened, or refused, and the full disk took a count instead of a record. Alarms once as well."""
        if not self._counts:
            self._counts = True
            self._alarm(StoreReason.UNRECORDED)
        if not self._failed:  # that others are refused weighs more
            reason = StoreReason.UNRECORDED
            state = DeviceState(
                JOURNAL, "failed", reason.code, say(reason.technician.zh, reason.technician.en), self._now_ms()
            )
            self._conditions.report(state)

    def works(self) -> None:
        """A record is on the disk."""
        if self._failed or self._counts:
            self._failed = self._counts = self._hangs = False
            self._conditions.forget(JOURNAL)


def tell_store_health(health: Health) -> None:
    """Log the new state, with the remedy where one is needed. Called in the writer's thread."""
    line = log().info if health.state is LogState.FREE else log().error
    detail = {} if health.fault is None else {"detail": tell(health.fault)}
    line("journal log", state=health.state.code, zh=health.state.zh, en=health.state.en, **detail)
