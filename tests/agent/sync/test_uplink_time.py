"""The uplink asks the platform for the time by its hellos, and believes what it believes otherwise."""

from __future__ import annotations

from agent.sync.contract import Channel
from tests.agent.sync.parts import MemoryPlatform, Terminal
from tests.agent.sync.test_uplink import answer_all


def test_the_first_answer_to_a_hello_tells_the_platforms_time_and_no_other(
    terminal: Terminal, platform: MemoryPlatform
) -> None:
    terminal.append(15)
    (hello,) = terminal.uplink.connected()
    terminal.clock.at_ms += 70
    answer = platform.hello(hello.payload)
    (batch,) = terminal.uplink.answered(answer)
    answer_all(terminal, platform, (batch,))
    assert [round_trip_ms for _, round_trip_ms in terminal.heard] == [70]


def test_an_answer_that_is_not_believed_tells_no_time(terminal: Terminal, platform: MemoryPlatform) -> None:
    (first,) = terminal.uplink.connected()
    delayed = platform.hello(first.payload)
    terminal.clock.at_ms += 10_000
    terminal.uplink.tick()
    terminal.uplink.answered(delayed)
    terminal.uplink.answered(b"forged")
    assert terminal.heard == []


def test_where_all_is_well_a_hello_asks_for_the_time_every_hour(terminal: Terminal, platform: MemoryPlatform) -> None:
    answer_all(terminal, platform, terminal.uplink.connected())
    terminal.clock.at_ms += 3_599_999
    assert terminal.uplink.tick() == ()
    terminal.clock.at_ms += 1
    answer_all(terminal, platform, terminal.uplink.tick())
    assert len(terminal.heard) == 2
    assert terminal.uplink.counters["overdue"] == 0


def test_a_terminal_that_is_never_idle_asks_for_the_time_too(terminal: Terminal, platform: MemoryPlatform) -> None:
    answer_all(terminal, platform, terminal.uplink.connected())
    terminal.append(1)
    (batch,) = terminal.uplink.wake()
    terminal.clock.at_ms += 3_600_000
    (hello,) = terminal.uplink.answered(platform.journal(batch.payload))
    assert hello.channel is Channel.HELLO
