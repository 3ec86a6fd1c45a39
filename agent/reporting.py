"""What the platform is told of a terminal: the same look that `onecard status` and Prometheus are given."""

from __future__ import annotations

from agent.standing import Standing
from agent.sync.contract import Buffer, BundleState, ClockQuality, Condition, Configured, DeviceState, Report
from profiles.api import ClockState


def report_of(now: Standing) -> Report:
    """The report of one look. By whole seconds where it would change all the time: it goes out when it changes."""
    trusted = now.clock.state != ClockState.UNTRUSTED.value
    return Report(
        software=now.software,
        configuration=now.configuration,
        bundles=tuple(BundleState(name=bundle.name, version=bundle.version) for bundle in now.bundles),
        devices=tuple(
            DeviceState(
                name=device.name,
                condition=Condition.READY if device.state == "ready" else Condition.FAILED,
                reason=device.reason or None,
            )
            for device in now.devices
        ),
        buffer=Buffer(
            unacknowledged=0 if now.link is None else now.link.unacknowledged,
            size_bytes=now.buffer.size_bytes,
            hours_left=now.buffer.hours_left,
            unrecorded=now.buffer.unrecorded or None,
        ),
        clock=ClockQuality(now.clock.state),
        clock_uncertainty_ms=-(-now.clock.uncertainty_ms // 1000) * 1000 if trusted else None,
        broker=None if now.link is None else now.link.broker,
        configured=None if now.configured is None else Configured.model_validate(now.configured.model_dump()),
    )
