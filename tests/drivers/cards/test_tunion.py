"""The T-Union transport card."""

from __future__ import annotations

import pytest

from drivers.api import CardError, CardFault
from drivers.virtual.cards.cardfile import load_card_file
from tests.drivers.cards.channels import EVERYTHING, DirectChannel, ScriptedChannel, card, plan_for, read

GATE = plan_for("t-union")
ALL = plan_for("t-union", wanted=EVERYTHING)
PUBLIC = "00000000000000000000" + "00009990000000000017" + "20230101" + "20430101" + "0000"


def transit(**keys: object) -> dict[str, object]:
    return {
        "kind": "t-union",
        "card_number": "00009990000000000017",
        "issued": "2023-01-01",
        "valid_until": "2043-01-01",
    } | keys


def test_a_gate_reads_it_in_one_command() -> None:
    channel = DirectChannel(load_card_file("t-union"))
    reading = read(channel, GATE)
    assert channel.log == [
        ("00A4040008A000000632010105", "6F2D8408A000000632010105A5219F0C1E" + PUBLIC + "9000"),
    ]
    assert reading.identifier.hex() == "00009990000000000017"
    assert (reading.valid_from, reading.valid_until) == ("20230101", "20430101")


def test_the_second_aid_and_file_15_are_tried_where_needed() -> None:
    channel = DirectChannel(card(transit(aid="06", file_in_fci=False)))
    assert read(channel, GATE).identifier.hex() == "00009990000000000017"
    assert channel.commands == ["00A4040008A000000632010105", "00A4040008A000000632010106", "00B095001E"]
    assert channel.log[-1][1] == PUBLIC + "9000"


def test_balance_type_and_trips_are_read_when_asked_for() -> None:
    channel = DirectChannel(load_card_file("t-union"))
    assert read(channel, ALL).fields == {
        "card_number": "00009990000000000017",
        "holder_type": "elder",
        "balance_fen": "4560",
        "trips": "20240501083000 06 200\n20240430180512 02 5000",
    }
    assert ("805C000204", "800011D09000") in channel.log  # the top bit is no money
    assert channel.commands[-3:] == ["00B201C417", "00B202C417", "00B203C417"]


def test_a_type_that_nobody_knows_is_left_out() -> None:
    assert "holder_type" not in read(DirectChannel(card(transit(holder_type=77))), ALL).fields


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("00A4040008A000000632010105", "6F058403A0009000"),
        ("00A4040008A000000632010105", "6F209F0C1E" + PUBLIC.replace("9990", "99A0")[:-4] + "9000"),
        ("00A4040008A000000632010105", "6F219F0C1E" + "00" * 30 + "9000"),
        ("00A4040008A000000632010105", "6F219F0C1E" + PUBLIC.replace("20430101", "20431301") + "9000"),
        ("805C000204", "00009000"),
        ("805C000204", "6985"),
        ("00B097000B", "00009000"),
        ("00B201C417", "00" * 16 + "AA" * 7 + "9000"),
    ],
)
def test_an_answer_that_breaks_the_standard_is_garbled(command: str, answer: str) -> None:
    chip = DirectChannel(load_card_file("t-union"))

    def broken(apdu: bytes) -> bytes:
        return bytes.fromhex(answer) if apdu.hex().upper() == command else chip.transmit(apdu)

    with pytest.raises(CardError) as caught:
        read(ScriptedChannel(broken), ALL)
    assert caught.value.fault is CardFault.GARBLED


def test_a_short_file_15_is_garbled() -> None:
    chip = DirectChannel(card(transit(file_in_fci=False)))
    with pytest.raises(CardError) as caught:
        read(ScriptedChannel(lambda a: b"\x00\x90\x00" if a[1] == 0xB0 else chip.transmit(a)), GATE)
    assert caught.value.fault is CardFault.GARBLED
