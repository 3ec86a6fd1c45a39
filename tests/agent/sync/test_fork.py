"""The platform holds another record: the chain ends, and nothing that was not acknowledged is lost with it."""

from __future__ import annotations

import shutil
from pathlib import Path

from agent.sync.contract import Alarm, Channel
from agent.sync.uplink import Phase, Publish
from offline_store.record import Record
from tests.agent.sync.parts import MemoryPlatform, Terminal
from tests.agent.sync.test_uplink import answer_all, stored


def fork_the_chain(terminal: Terminal, platform: MemoryPlatform) -> list[Publish]:
    """Another terminal with the same identity was there; what this one says to it."""
    platform.chains[terminal.journal.head.chain_id][-1] = b"another record of a cloned terminal"
    terminal.uplink.disconnected()
    return answer_all(terminal, platform, terminal.uplink.connected())


def test_a_fork_alarms_and_what_is_unacknowledged_goes_on_in_a_new_chain(
    terminal: Terminal, platform: MemoryPlatform
) -> None:
    terminal.append(5)
    answer_all(terminal, platform, terminal.uplink.connected())
    terminal.append(2)
    waiting = stored(terminal)[-2:]
    forked = terminal.journal.head.chain_id
    platform.chains[forked].append(b"its next record")
    platform.chains[forked].append(b"and one more")
    (alarm,) = fork_the_chain(terminal, platform)
    assert Alarm.decode(alarm.payload).code == "chain-forked"
    chain = terminal.journal.head.chain_id
    assert chain != forked
    assert platform.chains[chain] == stored(terminal)
    carried = [Record.from_bytes(body).entry.public.get("record") for body in platform.chains[chain]]
    assert [body for body in carried if body] == waiting
    terminal.append(1)
    answer_all(terminal, platform, terminal.uplink.wake())
    assert terminal.acknowledged == terminal.outbox.position().head_seq


def test_a_second_fork_within_the_hour_stops_the_chain(terminal: Terminal, platform: MemoryPlatform) -> None:
    terminal.append(5)
    answer_all(terminal, platform, terminal.uplink.connected())
    fork_the_chain(terminal, platform)
    terminal.append(5)
    answer_all(terminal, platform, terminal.uplink.wake())
    fork_the_chain(terminal, platform)
    assert terminal.uplink.state.phase is Phase.FORKED
    terminal.append(1)
    assert terminal.uplink.wake() == ()
    terminal.clock.at_ms += 300_000
    assert [item.channel for item in terminal.uplink.tick()] == [Channel.HELLO]


def test_an_old_copy_that_went_on_by_itself_beyond_the_platform_finds_that_it_forked(
    tmp_path: Path, terminal: Terminal, platform: MemoryPlatform
) -> None:
    """Its head lies above the platform's, so the answer to its hello is an acknowledgement that it cannot believe."""
    terminal.append(5)
    terminal.close()
    shutil.copytree(tmp_path / "store", tmp_path / "old")
    restored = Terminal(tmp_path / "old", platform.verify_key)
    original = Terminal(tmp_path / "store", platform.verify_key)
    original.clock.at_ms += 1_000  # other passages than the copy's
    original.append(5)
    answer_all(original, platform, original.uplink.connected())
    original.close()
    forked = restored.journal.head.chain_id
    restored.append(20)
    last = stored(restored)[-1]
    answer_all(restored, platform, restored.uplink.connected())
    assert restored.uplink.counters["refused-wrong-hash"] >= 1
    assert restored.journal.head.chain_id != forked
    anew = platform.chains[restored.journal.head.chain_id]
    carried = [Record.from_bytes(body).entry.public.get("record") for body in anew]
    assert last in carried
    restored.close()
