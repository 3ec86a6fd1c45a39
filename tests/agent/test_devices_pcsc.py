"""A reader whose card another program holds, on a real pcscd: its state ends when the holding does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent.backoff import Backoff
from agent.devices import DeviceState, SourceThread
from drivers.api import CardFault, CardRemoved, Reading
from drivers.cards.selection import CardPlan
from drivers.cards.source import CardSource
from drivers.pcsc import PcscReader, PcscSettings
from drivers.virtual.pcscd import VirtualPcscd
from tests.agent.seeded import SeededRandom
from tests.drivers.conformance import EchoCard
from tests.drivers.test_pcsc import other_program

DEADLINE_S = 20.0


class Slot:
    """The first virtual reader, read by a thread as a terminal does."""

    def __init__(self, pcscd: VirtualPcscd) -> None:
        self.pcscd = pcscd
        self.states: asyncio.Queue[DeviceState] = asyncio.Queue()
        self.readings: asyncio.Queue[Reading | CardFault] = asyncio.Queue()
        reader = PcscReader("slot", PcscSettings(reader=pcscd.reader_names[0]))
        self.thread = SourceThread(
            CardSource(reader, CardPlan()),
            asyncio.get_running_loop(),
            self.readings.put_nowait,
            self.states.put_nowait,
            Backoff(SeededRandom()),
            now_ms=lambda: 0,
        )

    async def state(self) -> tuple[str, str]:
        state = await asyncio.wait_for(self.states.get(), DEADLINE_S)
        return state.state, state.reason

    async def reading(self) -> Reading | CardFault:
        return await asyncio.wait_for(self.readings.get(), DEADLINE_S)


@pytest.fixture
async def slot(pcscd: VirtualPcscd) -> AsyncIterator[Slot]:
    slot = Slot(pcscd)
    waiting = PcscReader("waiting", PcscSettings(reader=pcscd.reader_names[0]))
    pcscd.slots[0].insert(EchoCard())
    waiting.open()
    assert await asyncio.to_thread(waiting.wait_card, DEADLINE_S) is not None
    waiting.close()
    yield slot
    slot.thread.stop()
    await asyncio.to_thread(slot.thread.join, DEADLINE_S)
    pcscd.slots[0].remove()
    waiting.open()
    assert await asyncio.to_thread(waiting.wait_removal, DEADLINE_S)
    waiting.close()


async def test_a_card_that_leaves_unread_while_another_program_holds_it_leaves_a_reader_that_is_ready(
    slot: Slot,
) -> None:
    with other_program(slot.pcscd.reader_names[0]):
        slot.thread.start()
        assert [await slot.state(), await slot.state()] == [("ready", ""), ("failed", "shared")]
        assert await slot.reading() is CardFault.SHARED
        slot.pcscd.slots[0].remove()
        assert await slot.state() == ("ready", "")
        assert isinstance(await slot.reading(), CardRemoved)


async def test_a_card_that_the_other_program_let_go_and_that_left_at_once_leaves_a_reader_that_is_ready(
    slot: Slot,
) -> None:
    with other_program(slot.pcscd.reader_names[0]) as other:
        slot.thread.start()
        assert [await slot.state(), await slot.state()] == [("ready", ""), ("failed", "shared")]
        assert await slot.reading() is CardFault.SHARED
        slot.pcscd.slots[0].remove()
        other.release()
        assert await slot.state() == ("ready", "")
        left = await slot.reading()
        # Whether its reading had begun when it left is a matter of microseconds.
        assert isinstance(left, CardRemoved) or left is CardFault.REMOVED


async def test_a_card_that_the_other_program_lets_go_is_read_and_the_reader_is_ready(slot: Slot) -> None:
    with other_program(slot.pcscd.reader_names[0]) as other:
        slot.thread.start()
        assert [await slot.state(), await slot.state()] == [("ready", ""), ("failed", "shared")]
        assert await slot.reading() is CardFault.SHARED
        other.release()
        assert await slot.reading() is CardFault.GARBLED
        assert await slot.state() == ("ready", "")
