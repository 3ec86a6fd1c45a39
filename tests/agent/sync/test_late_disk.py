"""An acknowledgement counts before the disk has it, and a power cut in between costs nothing but saying it again."""

from __future__ import annotations

import shutil
from concurrent.futures import Future
from contextlib import closing

from agent.sync.uplink import Phase
from tests.agent.sync.parts import MemoryPlatform, Terminal
from tests.agent.sync.test_uplink import answer_all, greet, stored


class LateDisk:
    """Checks an acknowledgement at once and has it on the disk with the next append, as the writer's thread does."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def acknowledge(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        future: Future[int] = Future()
        future.set_result(self._terminal.journal.acknowledge_soon(chain_id, seq, record_hash))
        return future

    def rescue(self) -> Future[None]:
        return self._terminal.writer.rescue()


def test_an_acknowledgement_that_is_not_on_the_disk_yet_counts_and_its_echo_sends_nothing_again(
    terminal: Terminal, platform: MemoryPlatform
) -> None:
    terminal.append(30)
    terminal.uplink = terminal.uplink_over(LateDisk(terminal))
    answer, _ = greet(terminal, platform)
    (batch,) = terminal.uplink.answered(answer)
    first_answer = platform.journal(batch.payload)
    answer_all(terminal, platform, terminal.uplink.answered(first_answer))
    assert terminal.acknowledged == 0
    assert terminal.uplink.answered(first_answer) == ()
    assert terminal.uplink.counters["duplicates"] == 1
    assert terminal.uplink.counters["sent-again"] == 0
    terminal.append(1)
    assert terminal.acknowledged == 31
    assert platform.chains[terminal.journal.head.chain_id] == stored(terminal)[:31]


def test_a_power_cut_before_the_disk_has_it_sends_no_record_twice(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(30)
    terminal.uplink = terminal.uplink_over(LateDisk(terminal))
    assert answer_all(terminal, platform, terminal.uplink.connected()) == []
    copy = terminal.directory.parent / "after-the-cut"
    shutil.copytree(terminal.directory, copy)
    with closing(Terminal(copy, platform.verify_key)) as again:
        assert again.acknowledged == 0
        batches = list(platform.batches)
        assert answer_all(again, platform, again.uplink.connected()) == []
        assert (again.acknowledged, again.uplink.state.phase) == (31, Phase.IDLE)
        assert platform.batches == batches
