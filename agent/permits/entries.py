"""What the journal keeps of an act under permits, and of permits that were refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.clock import Moment
from agent.permits.acts import NEEDS, SERVICE_ACT, ServiceAct
from agent.permits.reasons import PermitReason
from agent.sync.contract.permits import Permit
from offline_store.record import Entry, Value
from profiles.api import Kind


def act_entry(act: ServiceAct, permits: Sequence[Permit], record_id: bytes, moment: Moment, monotonic_ms: int) -> Entry:
    """The record that precedes the act."""
    public: dict[str, Value] = {
        "role": NEEDS[act].role.value,
        "permit": permits[0].id.hex(),
        "holder": permits[0].holder,
    }
    if len(permits) > 1:
        public |= {"second_permit": permits[1].id.hex(), "second_holder": permits[1].holder}
    return _entry(SERVICE_ACT, act.code, public, record_id, moment, monotonic_ms)


def unnamed_entry(act: ServiceAct, record_id: bytes, moment: Moment, monotonic_ms: int) -> Entry:
    """The same at a terminal that was never told whose permits count: who it was, nobody knows."""
    return _entry(SERVICE_ACT, act.code, {}, record_id, moment, monotonic_ms)


def refusal_entry(act: ServiceAct, reason: PermitReason, record_id: bytes, moment: Moment, monotonic_ms: int) -> Entry:
    """The alarm that somebody's permit was refused; what was not proved names nobody."""
    return _entry(Kind.ALARM.value, reason.code, {"act": act.code}, record_id, moment, monotonic_ms)


def _entry(
    kind: str, reason: str, public: Mapping[str, Value], record_id: bytes, moment: Moment, monotonic_ms: int
) -> Entry:
    return Entry(
        id=record_id,
        kind=kind,
        reason=reason,
        time_ms=moment.now_ms,
        time_quality=moment.state.value,
        monotonic_ms=monotonic_ms,
        public=public,
    )
