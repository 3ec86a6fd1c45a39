"""What a running terminal says of itself to whoever may ask on the machine: one model, and no personal data in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent.buffer import BufferState
from agent.bundles.service import BundleStanding
from agent.clock import Moment
from agent.devices import DeviceState
from agent.sync.contract import Configured
from agent.sync.metrics import LinkMetrics

Text = Annotated[str, Field(max_length=4096)]
Count = Annotated[int, Field(ge=0)]


@cache
def software_version() -> str:
    """Of this package, read once: the file is parsed each time, and looks are taken all the time."""
    return version("onecard-terminal")


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)  # a newer agent may say more


class DeviceNow(_Model):
    """One device, or another part that a technician must mend, as :class:`agent.devices.DeviceState` has it."""

    name: Text
    state: Text
    reason: Text = ""
    detail: Text = ""
    since_ms: int = 0
    retry_ms: Count = 0


class ClockNow(_Model):
    """What the terminal takes the time to be."""

    now_ms: int
    state: Text
    uncertainty_ms: Count


class BufferNow(_Model):
    """How full the journal is; ``unrecorded`` openings wait for room on a full disk."""

    size_bytes: Count = 0
    hours_left: Count | None = None
    unrecorded: Count = 0


class BundleNow(_Model):
    """One installed bundle; a damaged one has no freshness."""

    name: Text
    version: Count
    freshness: Text | None
    age_ms: Count | None


class ConfiguredNow(_Model):
    """What became of the platform's configurations, as :class:`agent.sync.contract.Configured` has it."""

    issue: Count
    on_trial: bool
    withdrawn: Count | None = None
    why: Text | None = None
    at: Text | None = None


class Recorded(_Model):
    """How many records of one kind and reason a lane has made since it began."""

    lane: Text
    kind: Text
    reason: Text
    times: Count


class Standing(_Model):
    """One look at the whole terminal."""

    terminal: Text
    pid: Count
    software: Text
    configuration: Text = Field(description="the first 8 bytes of its SHA-256, in hex")
    in_service: bool
    clock: ClockNow
    devices: Annotated[tuple[DeviceNow, ...], Field(max_length=256)] = ()
    buffer: BufferNow = BufferNow()
    bundles: Annotated[tuple[BundleNow, ...], Field(max_length=1024)] = ()
    certificate_ends_ms: int | None = Field(default=None, description="null: it has none, or nobody has looked yet")
    link: LinkMetrics | None = None
    configured: ConfiguredNow | None = Field(default=None, description="null: the platform never gave it one")
    recorded: Annotated[tuple[Recorded, ...], Field(max_length=8192)] = ()


def standing(
    terminal: str,
    configuration: str,
    moment: Moment,
    devices: Iterable[DeviceState],
    buffer: BufferState,
    unrecorded: int,
    bundles: Iterable[BundleStanding] | None,
    link: LinkMetrics | None,
    recorded: Mapping[str, Mapping[tuple[str, str], int]],
    configured: Configured | None = None,
    certificate_ends_ms: int | None = None,
) -> Standing:
    """The look of this moment. ``bundles`` is ``None`` before the terminal is in service."""
    return Standing(
        terminal=terminal,
        pid=os.getpid(),
        software=f"onecard-terminal/{software_version()}",
        configuration=configuration,
        in_service=bundles is not None,
        clock=ClockNow(now_ms=moment.now_ms, state=moment.state.value, uncertainty_ms=moment.uncertainty_ms),
        devices=tuple(
            DeviceNow(
                name=each.name,
                state=each.state,
                reason=each.reason,
                detail=each.detail[:1024],
                since_ms=each.since_ms,
                retry_ms=each.retry_ms,
            )
            for each in devices
        ),
        buffer=BufferNow(size_bytes=buffer.size_bytes, hours_left=buffer.hours_left, unrecorded=unrecorded),
        bundles=tuple(
            BundleNow(
                name=each.name,
                version=each.version,
                freshness=None if each.expiry is None else each.expiry.freshness.value,
                age_ms=None if each.expiry is None else each.expiry.age_ms,
            )
            for each in bundles or ()
        ),
        certificate_ends_ms=certificate_ends_ms,
        link=link,
        configured=None if configured is None else ConfiguredNow.model_validate(configured.model_dump()),
        recorded=tuple(
            Recorded(lane=lane, kind=kind, reason=reason, times=times)
            for lane, counts in recorded.items()
            for (kind, reason), times in counts.items()
        ),
    )
