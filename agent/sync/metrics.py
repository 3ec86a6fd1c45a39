"""How the link does, as numbers that only grow and a few that do not: for the technician, in a file beside the journal.

No number is about a person, and nothing rests on the file: it is written without being synced, and judged when read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent.sync.link import LinkPhase
from agent.sync.service import SyncStatus
from agent.sync.uplink import Phase

NAME = "link.json"
MAX_BYTES = 64 * 1024
_ENDED, _REFUSED = "ended-", "refused-"

Count = Annotated[int, Field(ge=0)]
Counts = dict[str, Count]


class Traffic(BaseModel):
    """Messages, and the bytes of their payloads; TLS and MQTT add to them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    messages: Count
    bytes: Count


class LinkMetrics(BaseModel):
    """One snapshot. What is counted is counted since the sync began, which a fault of its own begins anew."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    at_ms: Count
    phase: LinkPhase
    uplink: Phase
    broker: Count = Field(description="0 is the first of the configuration")
    host: str
    protocol: str
    fault: str | None = Field(description="why there is no link, or was none before this one")
    attempts: Count = Field(description="since the link last stood")
    connections: Count
    ended: Counts = Field(description="connections and attempts that ended, by fault")
    up: Traffic
    down: Traffic
    batches: Count
    records: Count
    sent_again: Count = Field(description="records of these that had been sent before")
    batch_bytes: Count
    hellos: Count
    acknowledgements: Count = Field(description="that moved the outbox")
    overdue: Count
    late: Count
    repeated: Count
    refused: Counts = Field(description="answers on down/ack that were not believed, by cause")
    refused_by_broker: Count
    unheard: Count = Field(description="messages that the broker took and nobody heard")
    unsent: Count = Field(description="messages for which the link had no room")
    dropped: Count = Field(description="messages that nobody asked for, or that came faster than they were taken")
    round_trip_ms: Count | None = Field(description="from the latest batch or hello to its answer")
    unacknowledged: Count = Field(description="records in the outbox")
    alarms_waiting: Count
    questions: Counts
    downloads: Counts


def link_metrics(
    status: SyncStatus,
    host: str,
    at_ms: int,
    unacknowledged: int,
    questions: Mapping[str, int],
    downloads: Mapping[str, int],
) -> LinkMetrics:
    """The snapshot of this moment."""
    link, counts = status.link, status.counters
    return LinkMetrics(
        at_ms=at_ms,
        phase=link.phase,
        uplink=status.phase,
        broker=link.broker,
        host=host,
        protocol=link.protocol,
        fault=None if link.fault is None else link.fault.code,
        attempts=link.attempts,
        connections=counts.get("connections", 0),
        ended=_those(counts, _ENDED),
        up=Traffic(messages=counts.get("up-messages", 0), bytes=counts.get("up-bytes", 0)),
        down=Traffic(messages=counts.get("down-messages", 0), bytes=counts.get("down-bytes", 0)),
        batches=counts.get("batches", 0),
        records=counts.get("records", 0),
        sent_again=counts.get("sent-again", 0),
        batch_bytes=counts.get("bytes", 0),
        hellos=counts.get("hellos", 0),
        acknowledgements=counts.get("acknowledgements", 0),
        overdue=counts.get("overdue", 0),
        late=counts.get("late", 0),
        repeated=counts.get("duplicates", 0),
        refused=_those(counts, _REFUSED),
        refused_by_broker=counts.get("refused", 0),
        unheard=counts.get("unheard", 0),
        unsent=counts.get("unsent", 0),
        dropped=counts.get("dropped", 0),
        round_trip_ms=status.round_trip_ms,
        unacknowledged=unacknowledged,
        alarms_waiting=status.alarms_waiting,
        questions=dict(questions),
        downloads=dict(downloads),
    )


def write(directory: Path, metrics: LinkMetrics) -> None:
    """Leave the old file or the new one to whoever reads meanwhile. Raises ``OSError``."""
    temporary = directory / f".{NAME}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(metrics.model_dump_json())
    temporary.replace(directory / NAME)


def read(directory: Path) -> LinkMetrics:
    """What was written last. Raises ``OSError``, and ``ValueError`` for what no terminal wrote."""
    with (directory / NAME).open("rb") as file:
        return LinkMetrics.model_validate_json(file.read(MAX_BYTES))


def _those(counts: Mapping[str, int], prefix: str) -> Counts:
    return {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}
