"""The PC/SC driver passes the suite of card readers on a real pcscd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers.api import CardReader
from drivers.pcsc import PcscReader, PcscSettings
from drivers.virtual.api import CardSlot
from drivers.virtual.pcscd import VirtualPcscd
from tests.drivers.conformance import CardReaderConformance, Harness


class ServiceStops:
    """The first virtual reader; it vanishes because pcscd stops."""

    def __init__(self, pcscd: VirtualPcscd) -> None:
        self._pcscd = pcscd

    @property
    def slot(self) -> CardSlot:
        return self._pcscd.slots[0]

    def make_reader(self) -> CardReader:
        return PcscReader("gate", PcscSettings(reader=self._pcscd.reader_names[0]))

    def unplug(self) -> None:
        self._pcscd.stop()

    def replug(self) -> None:
        self._pcscd.start()


class TestPcsc(CardReaderConformance):
    @pytest.fixture
    def harness(self, pcscd: VirtualPcscd) -> Iterator[Harness]:
        yield ServiceStops(pcscd)
        pcscd.start()
