"""How the link does, in numbers: counted on a real broker, written to a file, judged when read."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from agent.sync.link import LinkPhase
from agent.sync.metrics import MAX_BYTES, NAME, LinkMetrics, link_metrics, read, write
from agent.sync.uplink import Phase
from tests.agent.sync import test_service, test_upward
from tests.agent.sync.broker import Authority, Mosquitto
from tests.agent.sync.parts import MemoryPlatform, Terminal
from tests.agent.sync.test_link import until

site = test_service.site


def metrics_of(site: test_service.Site) -> LinkMetrics:
    return link_metrics(site.sync.status, "127.0.0.1", 1, 0, {}, {})


async def test_a_drain_over_a_broken_connection_is_counted(
    site: test_service.Site, broker: Mosquitto, authority: Authority, platform: MemoryPlatform
) -> None:
    site.append(120)
    with test_service.watcher(broker, authority, platform):
        async with test_service.running(site.sync):
            await until(lambda: site.acknowledged == 121)
            first = metrics_of(site)
            broker.stop()
            await until(lambda: site.sync.status.link.phase is LinkPhase.WAITING)
            broker.start()
            await until(lambda: site.sync.status.phase is Phase.IDLE)
            second = metrics_of(site)
    assert (first.phase, first.broker, first.protocol, first.fault) == (LinkPhase.UP, 0, "5", None)
    assert (first.records, first.sent_again, first.refused) == (121, 0, {})
    assert first.up.bytes > first.batch_bytes > 0
    assert first.down.messages >= first.acknowledgements > 0
    assert first.round_trip_ms is not None
    assert second.connections == first.connections + 1
    assert second.ended["lost"] == 1
    assert second.records == 121


def test_records_that_are_sent_once_more_are_told_from_new_ones(tmp_path: Path) -> None:
    platform = MemoryPlatform()
    terminal = Terminal(tmp_path, platform.verify_key)
    with contextlib.closing(terminal):
        terminal.append(14)
        (hello,) = terminal.uplink.connected()
        terminal.uplink.answered(platform.hello(hello.payload))
        terminal.clock.at_ms += 10_000
        (hello,) = terminal.uplink.tick()
        terminal.clock.at_ms += 70
        (batch,) = terminal.uplink.answered(platform.hello(hello.payload))
        assert terminal.uplink.round_trip_ms == 70
        assert terminal.uplink.counters["sent-again"] == 10
        terminal.clock.at_ms += 30
        terminal.uplink.answered(platform.journal(batch.payload))
        assert terminal.uplink.round_trip_ms == 30
        assert (terminal.uplink.counters["records"], terminal.uplink.counters["sent-again"]) == (25, 10)


async def test_a_terminal_at_work_writes_them_beside_its_journal(
    tmp_path: Path, broker: Mosquitto, authority: Authority
) -> None:
    site = test_upward.Site(tmp_path / "store", broker.port, authority)

    def is_up() -> bool:
        with contextlib.suppress(FileNotFoundError):
            return read(tmp_path / "store").uplink is Phase.IDLE
        return False

    with test_service.watcher(broker, authority, site.platform):
        async with site.running(site.upward()):
            await until(is_up)
    assert site.writer.close(10)
    metrics = read(tmp_path / "store")
    assert (metrics.host, metrics.unacknowledged, metrics.connections) == ("127.0.0.1", 0, 1)
    assert (tmp_path / "store" / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"at_ms": -1}', b" " * (MAX_BYTES + 1)])
def test_what_no_terminal_wrote_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(ValueError, match="LinkMetrics"):
        read(tmp_path)


def test_a_file_that_is_there_is_replaced_whole(tmp_path: Path, site: test_service.Site) -> None:
    metrics = metrics_of(site)
    write(tmp_path, metrics.model_copy(update={"host": "h" * 253}))
    write(tmp_path, metrics)
    assert read(tmp_path) == metrics
    assert [path.name for path in tmp_path.glob("*link*")] == [NAME]
