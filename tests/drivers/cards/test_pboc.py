"""The bank card, as far as its number is read."""

from __future__ import annotations

import pytest

from drivers.api import CardError, CardFault
from drivers.virtual.cards.cardfile import load_card_file
from tests.drivers.cards.channels import EVERYTHING, DirectChannel, ScriptedChannel, card, plan_for, read

NUMBER = "6200000000000000017"
ALL = plan_for("pboc", wanted=EVERYTHING)


def bank(**keys: object) -> dict[str, object]:
    return {"kind": "pboc", "card_number": NUMBER, "valid_until": "2042-12-31"} | keys


def test_directory_application_options_and_track_2() -> None:
    channel = DirectChannel(load_card_file("pboc"))
    reading = read(channel, ALL)
    assert channel.commands == [
        "00A404000E325041592E5359532E4444463031",
        "00A4040008A000000333010101",
        "80A80000128310" + "26000000" + "000000000000" + "00000000" + "0156" + "00",
    ]
    assert reading.identifier == NUMBER.encode()
    assert reading.valid_until == "20421231"
    assert reading.issuer == b"620000"


def test_the_number_is_a_field_only_with_its_middle_masked_and_never_in_repr() -> None:
    reading = read(DirectChannel(load_card_file("pboc")), ALL)
    assert reading.fields == {"card_number": "620000*********0017"}
    assert NUMBER not in repr(reading)
    assert read(DirectChannel(load_card_file("pboc")), plan_for("pboc")).fields == {}


@pytest.mark.parametrize("protocol", ["T=0", "T=1"])
def test_a_contact_card_without_directory_tells_its_number_in_a_record(protocol: str) -> None:
    channel = DirectChannel(card(bank(tells="record", directory=False), protocol=protocol))
    reading = read(channel, ALL)
    assert reading.identifier == NUMBER.encode()
    assert reading.valid_until == "20421231"
    assert "00B2011400" in channel.commands


@pytest.mark.parametrize("number", ["620000000017", "6200000000000017"])
def test_shorter_numbers_lose_their_padding(number: str) -> None:
    for tells in ("options", "record"):
        assert read(DirectChannel(card(bank(card_number=number, tells=tells))), ALL).identifier == number.encode()


@pytest.mark.parametrize(
    ("ins", "answer"),
    [
        (0xA8, "6985"),
        (0xA8, "770482027C009000"),  # no number, and record 1 of file 2 does not exist
        (0xA8, "80057C001001019000"),  # AFL of three bytes
        (0xA8, "80067C001001FF009000"),  # 255 records
        (0xA8, "770857066200D00000009000"),  # a number of four digits
        (0xA8, "770B5709620000000000D991309000"),  # month 13
        (0xA8, "77FF9000"),
    ],
)
def test_an_answer_that_breaks_the_standard_is_garbled(ins: int, answer: str) -> None:
    chip = DirectChannel(load_card_file("pboc"))
    with pytest.raises(CardError) as caught:
        read(ScriptedChannel(lambda a: bytes.fromhex(answer) if a[1] == ins else chip.transmit(a)), ALL)
    assert caught.value.fault is CardFault.GARBLED


def test_a_pdol_that_asks_for_more_than_an_apdu_holds_is_garbled() -> None:
    fci = bytes.fromhex("6F099F38069F66FF9F02FF9000")
    with pytest.raises(CardError, match="PDOL"):
        read(ScriptedChannel(lambda a: b"\x6a\x82" if b"2PAY" in a else fci), ALL)


def test_a_directory_of_other_schemes_is_another_application() -> None:
    other = bytes.fromhex("6F0BA5094F07A00000000310109000")
    with pytest.raises(CardError) as caught:
        read(ScriptedChannel(lambda _: other), ALL)
    assert caught.value.fault is CardFault.UNSUPPORTED
