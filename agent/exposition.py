"""Figures for Prometheus: how the terminal stands, in the words of its metrics.

Every figure comes from :mod:`agent.standing`, as what ``onecard`` shows does; none is about a person. Names follow
https://prometheus.io/docs/practices/naming/: base units, ``_total`` for what only grows. What is counted is counted
since the terminal, or its sync, began. The library is imported where it is used: only a terminal that is asked pays
for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from agent.standing import Standing
from agent.sync.link import LinkPhase
from agent.sync.metrics import LinkMetrics

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_HOUR_S = 3600


class MetricsConfig(BaseModel):
    """Where Prometheus may ask."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    address: IPv4Address | IPv6Address = Field(
        default=IPv4Address("127.0.0.1"), description="another one shows the figures to that network, unencrypted"
    )
    port: int = Field(default=9842, ge=1, le=65_535)


def families(now: Standing) -> Iterator[Metric]:
    """Every figure of one look."""
    yield from _terminal(now)
    yield from _journal(now)
    yield from _lanes(now)
    if now.link is not None:
        yield from _link(now.link)


def _terminal(now: Standing) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily as Gauge
    from prometheus_client.core import InfoMetricFamily as Info

    said = {"terminal": now.terminal, "software": now.software, "configuration": now.configuration}
    yield Info("onecard", "What runs here.", value=said)
    yield Gauge("onecard_in_service", "1 while lanes accept citizens.", value=now.in_service)
    yield Gauge(
        "onecard_clock_uncertainty_seconds", "How far the clock may be off.", value=now.clock.uncertainty_ms / 1000
    )
    clock = Gauge("onecard_clock_state", "1 for the state that the clock is in.", labels=["state"])
    clock.add_metric([now.clock.state], 1)
    yield clock
    devices = Gauge("onecard_device_ready", "1 for a device that works, 0 for one that does not.", labels=["device"])
    for each in now.devices:
        devices.add_metric([each.name], float(each.state == "ready"))
    yield devices
    ages = Gauge("onecard_bundle_age_seconds", "Since a bundle was issued.", labels=["bundle", "freshness"])
    for bundle in now.bundles:
        if bundle.age_ms is not None:
            ages.add_metric([bundle.name, bundle.freshness or ""], bundle.age_ms / 1000)
    yield ages
    if now.certificate_ends_ms is not None:
        ends_s = now.certificate_ends_ms / 1000
        yield Gauge("onecard_certificate_ends_timestamp_seconds", "When the terminal's certificate ends.", value=ends_s)
    damaged = [bundle for bundle in now.bundles if bundle.freshness is None]
    yield Gauge("onecard_bundles_damaged", "Installed bundles that cannot be read.", value=len(damaged))


def _journal(now: Standing) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily as Gauge

    yield Gauge("onecard_journal_size_bytes", "What the journal takes on the disk.", value=now.buffer.size_bytes)
    if now.buffer.hours_left is not None:
        left_s = now.buffer.hours_left * _HOUR_S
        yield Gauge("onecard_journal_left_seconds", "Until money stops on a full disk, at today's rate.", value=left_s)
    yield Gauge(
        "onecard_openings_unrecorded", "Openings counted on a full disk, not recorded yet.", value=now.buffer.unrecorded
    )


def _lanes(now: Standing) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily as Counter

    records = Counter("onecard_records", "Records by lane, kind and reason.", labels=["lane", "kind", "reason"])
    for each in now.recorded:
        records.add_metric([each.lane, each.kind, each.reason], each.times)
    yield records


def _link(link: LinkMetrics) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily as Counter
    from prometheus_client.core import GaugeMetricFamily as Gauge

    yield Gauge("onecard_link_up", "1 while the link to the broker stands.", value=link.phase is LinkPhase.UP)
    yield Gauge("onecard_link_broker", "Which broker of the configuration; 0 is the first.", value=link.broker)
    for name, text, value in (
        ("connections", "Connections that stood.", link.connections),
        ("batches", "Batches sent.", link.batches),
        ("records", "Records sent.", link.records),
        ("records_again", "Records sent that had been sent before.", link.sent_again),
        ("batch_bytes", "Bytes of batches sent.", link.batch_bytes),
        ("hellos", "Hellos sent.", link.hellos),
        ("acknowledgements", "Acknowledgements that moved the outbox.", link.acknowledgements),
        ("overdue", "Answers that did not come in time.", link.overdue),
        ("refused_by_broker", "Messages that the broker refused.", link.refused_by_broker),
        ("unheard", "Messages that the broker took and nobody heard.", link.unheard),
        ("unsent", "Messages for which the link had no room.", link.unsent),
        ("dropped", "Messages that nobody asked for, or that came too fast.", link.dropped),
        ("sent_bytes", "Bytes of messages sent.", link.up.bytes),
        ("received_bytes", "Bytes of messages received.", link.down.bytes),
    ):
        yield Counter(f"onecard_link_{name}", text, value=value)
    yield Gauge("onecard_outbox_records", "Records that the platform has not acknowledged.", value=link.unacknowledged)
    for name, text, label, counts in (
        ("link_answers_refused", "Answers that were not believed.", "cause", link.refused),
        ("link_ended", "Connections and attempts that ended.", "fault", link.ended),
        ("questions", "Questions to the platform.", "result", link.questions),
        ("downloads", "Downloads of bundles.", "result", link.downloads),
    ):
        counter = Counter(f"onecard_{name}", text, labels=[label])
        for said, times in counts.items():
            counter.add_metric([said], times)
        yield counter
