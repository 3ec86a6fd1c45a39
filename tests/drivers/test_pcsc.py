"""The PC/SC driver keeps working through what happens to a terminal in the field; every case on a real pcscd."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from pydantic import ValidationError
from smartcard import scard  # type: ignore[import-untyped]  # pyscard ships no types

from drivers.api import CardFault, Interface, ReaderFault
from drivers.pcsc import PcscReader, PcscSettings
from drivers.virtual.pcscd import VirtualPcscd
from tests.drivers.conformance import (
    ATR,
    DEADLINE_S,
    SELECT,
    EchoCard,
    card_fault,
    echo,
    present,
    reader_fault,
    reopen,
)

ATR_T0 = bytes.fromhex("3B6500009C02020102")
NOBODY = 65534

_HOLD_THE_CARD = """
import sys
from smartcard import scard
context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)[1]
share = scard.SCARD_SHARE_EXCLUSIVE if sys.argv[2] == "exclusive" else scard.SCARD_SHARE_SHARED
code, card, _ = scard.SCardConnect(context, sys.argv[1], share, scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1)
assert code == scard.SCARD_S_SUCCESS, hex(code)
print("holding", flush=True)
sys.stdin.readline()
scard.SCardDisconnect(card, scard.SCARD_RESET_CARD if sys.argv[3] == "reset" else scard.SCARD_LEAVE_CARD)
print("released", flush=True)
"""


class OtherProgram:
    """Another process with a connection to the card."""

    def __init__(self, reader: str, share: Literal["exclusive", "shared"], leave: Literal["reset", "leave"]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _HOLD_THE_CARD, reader, share, leave],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._expect("holding")

    def release(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._expect("released")

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == word


@contextmanager
def other_program(
    reader: str, share: Literal["exclusive", "shared"] = "exclusive", leave: Literal["reset", "leave"] = "leave"
) -> Iterator[OtherProgram]:
    other = OtherProgram(reader, share, leave)
    try:
        yield other
    finally:
        other.end()


def reader_on(pcscd: VirtualPcscd, index: int = 0, *, exclusive: bool = True) -> PcscReader:
    return PcscReader("gate", PcscSettings(reader=pcscd.reader_names[index], exclusive=exclusive))


@pytest.fixture
def reader(pcscd: VirtualPcscd) -> Iterator[PcscReader]:
    reader = reader_on(pcscd)
    reader.open()
    yield reader
    pcscd.start()
    pcscd.slots[0].remove()
    reopen(reader)
    assert reader.wait_removal(DEADLINE_S)
    reader.close()


def insert_and_settle(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    """Insert a card and wait until pcscd has it, without taking it: another program wants it first."""
    pcscd.slots[0].insert(EchoCard())
    present(reader)
    reader.close()


def test_two_readers_hold_their_cards_apart(pcscd: VirtualPcscd) -> None:
    readers = [reader_on(pcscd, index) for index in (0, 1, 2, 3)]
    try:
        for number, reader in enumerate(readers):
            reader.open()
            pcscd.slots[number].insert(EchoCard())
        channels = [present(reader) for reader in readers]
        for number, channel in enumerate(channels):
            assert channel.transmit(echo(bytes([number]))) == bytes([number]) + b"\x90\x00"
        for slot in pcscd.slots:
            slot.remove()
        assert all(reader.wait_removal(DEADLINE_S) for reader in readers)
    finally:
        for reader in readers:
            reader.close()


def test_pcscd_is_asked_once_a_wait_while_the_reader_is_empty(
    reader: PcscReader, pcscd: VirtualPcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reader.wait_card(0) is None
    asked: list[int] = []
    real = scard.SCardGetStatusChange

    def counted(context: int, timeout_ms: int, states: object) -> object:
        asked.append(timeout_ms)
        return real(context, timeout_ms, states)

    monkeypatch.setattr(scard, "SCardGetStatusChange", counted)
    assert reader.wait_card(0.2) is None
    assert len(asked) == 1
    pcscd.slots[0].insert(EchoCard())
    present(reader)


def test_an_exclusively_held_card_is_reported_once_and_handed_out_when_it_is_released(
    pcscd: VirtualPcscd, reader: PcscReader
) -> None:
    insert_and_settle(pcscd, reader)
    with other_program(pcscd.reader_names[0]) as other:
        reader.open()
        assert card_fault(lambda: reader.wait_card(DEADLINE_S)) is CardFault.SHARED
        assert reader.wait_card(0.6) is None
        assert reader.wait_removal(0.2) is False
        other.release()
        assert present(reader).transmit(echo(b"mine")) == b"mine\x90\x00"
    assert reader.wait_card(0.2) is None


def test_a_card_whose_holder_dies_is_handed_out(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    insert_and_settle(pcscd, reader)
    with other_program(pcscd.reader_names[0]) as other:
        reader.open()
        assert card_fault(lambda: reader.wait_card(DEADLINE_S)) is CardFault.SHARED
        other.end()
        assert present(reader).transmit(echo(b"mine")) == b"mine\x90\x00"


def test_a_held_card_that_leaves_is_forgotten(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    insert_and_settle(pcscd, reader)
    with other_program(pcscd.reader_names[0]):
        reader.open()
        assert card_fault(lambda: reader.wait_card(DEADLINE_S)) is CardFault.SHARED
        pcscd.slots[0].remove()
        assert reader.wait_removal(DEADLINE_S) is True
    assert reader.wait_card(0.2) is None


def test_a_shared_card_that_another_program_resets_is_handed_out_again(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    insert_and_settle(pcscd, reader)
    sharing = reader_on(pcscd, exclusive=False)
    sharing.open()
    try:
        with other_program(pcscd.reader_names[0], "shared", "reset") as other:
            channel = present(sharing)
            assert channel.transmit(echo(b"both")) == b"both\x90\x00"
            other.release()
            assert card_fault(lambda: channel.transmit(echo(b"lost"))) is CardFault.SHARED
            assert card_fault(lambda: channel.transmit(echo(b"dead"))) is CardFault.REMOVED
        assert present(sharing).transmit(echo(b"again")) == b"again\x90\x00"
    finally:
        sharing.close()


@pytest.mark.parametrize("leave", ["reset", "leave"])
def test_a_card_that_was_read_is_free_for_another_program_and_its_leaving_is_still_seen(
    pcscd: VirtualPcscd, reader: PcscReader, leave: Literal["reset", "leave"]
) -> None:
    pcscd.slots[0].insert(EchoCard())
    channel = present(reader)
    assert reader.wait_removal(0.1) is False
    assert card_fault(lambda: channel.transmit(echo(b"x"))) is CardFault.REMOVED
    with other_program(pcscd.reader_names[0], leave=leave) as other:
        assert reader.wait_removal(0.1) is False
        other.release()
    assert reader.wait_card(0.6) is None, "the same presentation was handed out twice"
    pcscd.slots[0].remove()
    assert reader.wait_removal(DEADLINE_S) is True
    pcscd.slots[0].insert(EchoCard())
    assert present(reader).transmit(echo(b"next")) == b"next\x90\x00"


def test_a_card_that_leaves_while_another_program_holds_it_after_our_reading_is_seen_to_leave(
    pcscd: VirtualPcscd, reader: PcscReader
) -> None:
    pcscd.slots[0].insert(EchoCard())
    present(reader)
    assert reader.wait_removal(0.1) is False
    with other_program(pcscd.reader_names[0]):
        pcscd.slots[0].remove()
        assert reader.wait_removal(DEADLINE_S) is True


def test_a_card_swapped_behind_our_back_ends_the_first_presentation(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    pcscd.slots[0].insert(EchoCard())
    first = present(reader)
    pcscd.slots[0].insert(EchoCard())
    assert reader.wait_removal(DEADLINE_S) is True
    second = present(reader)
    assert card_fault(lambda: first.transmit(echo(b"x"))) is CardFault.REMOVED
    assert second.transmit(echo(b"second")) == b"second\x90\x00"


def test_open_without_pcscd_is_no_service_and_opens_when_it_has_started(
    pcscd: VirtualPcscd, reader: PcscReader
) -> None:
    reader.close()
    pcscd.stop()
    assert reader_fault(reader.open) is ReaderFault.NO_SERVICE
    pcscd.start()
    reader.open()
    assert reader.wait_card(0.1) is None


def test_a_thread_that_waits_learns_at_once_that_pcscd_has_stopped(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    faults: list[ReaderFault] = []
    thread = threading.Thread(target=lambda: faults.append(reader_fault(lambda: reader.wait_card(600.0))))
    thread.start()
    pcscd.stop()
    thread.join(DEADLINE_S)
    assert faults == [ReaderFault.NO_SERVICE]


def test_many_restarts_of_pcscd_leak_no_file_and_lose_no_card(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    pcscd.slots[0].insert(EchoCard())
    open_files: list[int] = []
    for _ in range(3):
        assert present(reader).transmit(echo(b"here")) == b"here\x90\x00"
        open_files.append(len(list(Path("/proc/self/fd").iterdir())))
        pcscd.stop()
        assert reader_fault(lambda: reader.wait_removal(DEADLINE_S)) is ReaderFault.NO_SERVICE
        pcscd.start()
        reopen(reader)
    assert max(open_files) - min(open_files) <= 1


def test_a_reader_that_is_missing_after_a_restart_is_not_found_until_it_is_back(pcscd: VirtualPcscd) -> None:
    reader = reader_on(pcscd, 3)
    reader.open()
    try:
        pcscd.stop()
        pcscd.start(readers=2)
        assert reader_fault(lambda: reader.wait_card(DEADLINE_S)) in {ReaderFault.NO_SERVICE, ReaderFault.UNPLUGGED}
        reader.close()
        assert reader_fault(reader.open) is ReaderFault.NOT_FOUND
        pcscd.stop()
        pcscd.start()
        reader.open()
    finally:
        reader.close()
        pcscd.start()


def test_a_pattern_that_matches_nothing_names_the_readers_there_are(pcscd: VirtualPcscd) -> None:
    reader = PcscReader("gate", PcscSettings(reader="ACR122U*"))
    with pytest.raises(Exception, match="Virtual PCD 00 01"):
        reader.open()
    assert reader_fault(reader.open) is ReaderFault.NOT_FOUND


def test_brackets_in_a_reader_name_are_not_a_set_of_characters(pcscd: VirtualPcscd) -> None:
    assert reader_fault(PcscReader("gate", PcscSettings(reader="[VW]irtual PCD*")).open) is ReaderFault.NOT_FOUND


def test_a_pattern_takes_the_first_reader_by_name(pcscd: VirtualPcscd) -> None:
    reader = PcscReader("gate", PcscSettings(reader="Virtual PCD 00*"))
    reader.open()
    try:
        pcscd.slots[0].insert(EchoCard())
        assert present(reader).transmit(echo(b"first")) == b"first\x90\x00"
        pcscd.slots[0].remove()
        assert reader.wait_removal(DEADLINE_S)
    finally:
        reader.close()


def test_a_socket_that_we_may_not_use_is_denied_and_not_absent(pcscd: VirtualPcscd) -> None:
    user = os.geteuid()
    pcscd.socket_path.chmod(0)
    try:
        if user == 0:
            os.seteuid(NOBODY)
        fault = reader_fault(reader_on(pcscd).open)
    finally:
        os.seteuid(user)
        pcscd.socket_path.chmod(0o777)
    assert fault is ReaderFault.DENIED


def test_t0_strips_le_so_that_the_card_can_answer_61xx(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    card = EchoCard(ATR_T0, contactless=False)
    pcscd.slots[0].insert(card)
    channel = present(reader)
    assert channel.atr == ATR_T0
    assert channel.interface is Interface.CONTACT
    assert channel.transmit(SELECT + b"\x00") == b"\x61\x10"
    assert channel.transmit(SELECT) == b"\x61\x10"
    assert channel.transmit(bytes.fromhex("00B0000005"))[-2:] == b"\x90\x00"
    assert card.commands == [SELECT, SELECT, bytes.fromhex("00B0000005")]


def test_t1_leaves_the_command_as_it_is(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    card = EchoCard()
    pcscd.slots[0].insert(card)
    channel = present(reader)
    assert channel.atr == ATR
    assert channel.interface is Interface.CONTACTLESS
    channel.transmit(SELECT + b"\x00")
    assert card.commands == [SELECT + b"\x00"]


def test_a_configured_interface_outweighs_the_atr(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    pcscd.slots[0].insert(EchoCard())
    reader.close()
    stated = PcscReader("gate", PcscSettings(reader=pcscd.reader_names[0], interface="contact"))
    stated.open()
    try:
        assert present(stated).interface is Interface.CONTACT
    finally:
        stated.close()


def test_an_atr_that_is_no_atr_is_garbled(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    pcscd.slots[0].insert(EchoCard(b"\x00"))
    assert card_fault(lambda: reader.wait_card(DEADLINE_S)) is CardFault.GARBLED


def test_an_answer_without_status_bytes_is_garbled(pcscd: VirtualPcscd, reader: PcscReader) -> None:
    class Stammering(EchoCard):
        def answer(self, apdu: bytes) -> bytes:
            return b"\x90"

    pcscd.slots[0].insert(Stammering())
    channel = present(reader)
    assert card_fault(lambda: channel.transmit(SELECT)) is CardFault.GARBLED


@pytest.mark.parametrize("bad", [{"reader": ""}, {"interface": "optical"}, {"shared_retry_ms": 0}, {"radar": 1}])
def test_settings_refuse_what_they_do_not_know(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PcscSettings.model_validate(bad)
