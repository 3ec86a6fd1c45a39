"""The social security card, read from virtual cards of each generation."""

from __future__ import annotations

import pytest

from drivers.api import CardError, CardFault
from drivers.cards.api import CardContent, CardSession, Field
from drivers.cards.social_security import SocialSecurity
from drivers.virtual.cards.cardfile import load_card_file
from tests.drivers.cards.channels import EVERYTHING, DirectChannel, ScriptedChannel, card, plan_for, read, social

SOCIAL = plan_for("social-security")
ALL = plan_for("social-security", wanted=EVERYTHING)
RARE = "王示例·甲乙丙丁戊己庚辛壬癸𠮷·示例"

SELECTED = "6F16840F7378312E73682EC9E7BBE1B1A3D5CFA50388011E9000"


def test_a_gate_reads_a_generation_3_card_in_six_commands() -> None:
    channel = DirectChannel(load_card_file("gen3-chen"))
    reading = read(channel, SOCIAL)
    assert channel.log == [
        ("00A404000F7378312E73682EC9E7BBE1B1A3D5CF", SELECTED),
        ("00A4000002EF05", "9000"),
        ("00B2010012", "011000000000D3000000000000000000C3019000"),
        ("00B2030006", "0304332E30309000"),
        ("00B204000E", "040C0000000000000000000003019000"),
        ("00B2060006", "0604204110019000"),
    ]
    assert reading.identifier.hex().upper() == "00000000D3000000000000000000C301"
    assert reading.issuer.hex() == "000000000000000000000301"
    assert (reading.valid_from, reading.valid_until, reading.fields) == (None, "20411001", {})
    assert reading.apdu_count == 6
    assert not reading.authenticated


def test_ascii_dates_and_a_version_padded_with_zero_as_in_the_log_of_a_real_card() -> None:
    channel = DirectChannel(load_card_file("gen2-li"))
    reading = read(channel, ALL)
    assert ("00B2060006", "6C0A") in channel.log
    assert ("00B206000A", "060832303336303331329000") in channel.log
    assert reading.fields["version"] == "2.0"
    assert (reading.valid_from, reading.valid_until) == ("20160312", "20360312")
    assert reading.fields["birth_date"] == "19800101"


def test_a_generation_1_card_over_t0_is_read_whole_without_asking_for_the_name_extension() -> None:
    channel = DirectChannel(load_card_file("gen1-old"))
    reading = read(channel, ALL)
    assert channel.log[0] == ("00A404000F7378312E73682EC9E7BBE1B1A3D5CF", "6118")
    assert channel.log[1] == ("00C0000018", SELECTED)
    assert not [command for command in channel.commands if command.startswith("00B24E")]
    assert reading.fields == {
        "version": "1.00",
        "card_number": "Z00000101",
        "id_number": "000000194502030101",
        "holder_name": "赵甲例",
        "birth_date": "19450203",
    }


def test_a_rare_character_that_begins_in_the_name_and_ends_in_its_extension_is_read() -> None:
    # Fourteen two-byte characters, then one of four bytes across the border at byte 30.
    assert read(DirectChannel(card(social(name=RARE))), ALL).fields["holder_name"] == RARE
    encoded = RARE.encode("gb18030")
    with pytest.raises(UnicodeDecodeError):
        encoded[:30].decode("gb18030")


def test_a_generation_2_card_without_tag_4e_gives_its_name() -> None:
    reading = read(DirectChannel(card(social(name_extension=False))), ALL)
    assert reading.fields["holder_name"] == "李例子"


@pytest.mark.parametrize("protocol", ["T=0", "T=1"])
@pytest.mark.parametrize("extension", [True, False])
def test_a_card_that_refuses_tags_is_read_by_number(protocol: str, extension: bool) -> None:
    data = social(by_tag=False, name_extension=extension)
    by_number = read(DirectChannel(card(data, protocol=protocol)), ALL)
    by_tag = read(DirectChannel(card(data | {"by_tag": True}, protocol=protocol)), ALL)
    assert by_number.fields == by_tag.fields
    assert by_number.identifier == by_tag.identifier
    assert by_number.valid_until == by_tag.valid_until


def test_generation_3_is_not_even_asked_for_the_person() -> None:
    channel = DirectChannel(load_card_file("gen3-chen"))
    reading = read(channel, ALL)
    assert reading.fields == {"version": "3.00"}
    assert "00A4000002EF06" not in channel.commands


def test_generation_3_gives_its_person_to_nobody_who_asks_regardless() -> None:
    class Pretender:
        def authenticate(self, session: CardSession, fci: bytes, public: CardContent) -> bool:
            return True

    channel = DirectChannel(load_card_file("gen3-chen"))
    content = SocialSecurity(Pretender()).read(CardSession(channel, 64), EVERYTHING)
    assert content is not None
    assert content.authenticated
    assert set(content.fields) == {Field.VERSION}
    assert "00A4000002EF06" in channel.commands


def test_an_authenticator_sees_the_fci_and_what_the_card_tells_anyone() -> None:
    seen: list[tuple[bytes, CardContent]] = []

    class Witness:
        def authenticate(self, session: CardSession, fci: bytes, public: CardContent) -> bool:
            seen.append((fci, public))
            return False

    SocialSecurity(Witness()).read(CardSession(DirectChannel(load_card_file("gen2-li")), 64), EVERYTHING)
    ((fci, public),) = seen
    assert fci.hex().upper() + "9000" == SELECTED
    assert (public.generation, public.identifier[4]) == (2, 0xD2)
    assert set(public.fields) == {Field.VERSION}


def test_a_card_that_asks_for_its_pin_first_is_locked() -> None:
    with pytest.raises(CardError) as caught:
        read(DirectChannel(load_card_file("gen2-pin")), SOCIAL)
    assert caught.value.fault is CardFault.LOCKED


def test_p1_02_is_tried_where_a_card_refuses_to_select_a_file_with_p1_00() -> None:
    chip = DirectChannel(card(social()))

    def picky(apdu: bytes) -> bytes:
        if apdu[:4] == bytes.fromhex("00A40000"):
            return b"\x6a\x86"
        return chip.transmit(bytes.fromhex("00A40000") + apdu[4:] if apdu[1:3] == b"\xa4\x02" else apdu)

    channel = ScriptedChannel(picky)
    assert read(channel, SOCIAL).identifier[-1] == 0x01
    assert channel.commands[1:3] == ["00A4000002EF05", "00A4020002EF05"]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("0002EF05", "6A82"),  # no such file, with either P1
        ("00B2010012", "6A83"),  # no 卡识别码
        ("00B2010012", "0110" + "00" * 16 + "9000"),  # a blank one
        ("00B2010012", "0110" + "FF" * 16 + "9000"),
        ("00B2010012", "0104AABBCCDD9000"),  # too short
        ("00B2010012", "0110AABB9000"),  # cut
        ("00B2010012", "6581"),  # memory failure
        ("00B2030006", "0304582E30309000"),  # version X.00
        ("00B2060006", "0604209913019000"),  # month 13
        ("00B2060006", "6F00"),  # expiry unknown is not expiry unlimited
    ],
)
def test_an_answer_that_breaks_the_standard_is_garbled(command: str, answer: str) -> None:
    chip = DirectChannel(card(social()))

    def broken(apdu: bytes) -> bytes:
        return bytes.fromhex(answer) if apdu.hex().upper().endswith(command) else chip.transmit(apdu)

    with pytest.raises(CardError) as caught:
        read(ScriptedChannel(broken), SOCIAL)
    assert caught.value.fault is CardFault.GARBLED


def test_a_card_that_closes_its_person_file_is_still_identified() -> None:
    chip = DirectChannel(card(social()))
    reading = read(
        ScriptedChannel(lambda apdu: b"\x69\x82" if apdu.endswith(b"\xef\x06") else chip.transmit(apdu)), ALL
    )
    assert reading.identifier.hex().endswith("f001")
    assert "holder_name" not in reading.fields


def test_a_card_of_many_commands_hits_the_budget() -> None:
    with pytest.raises(CardError) as caught:
        read(DirectChannel(load_card_file("gen2-wang")), plan_for("social-security", wanted=EVERYTHING, apdu_budget=8))
    assert caught.value.fault is CardFault.BUDGET


def test_the_person_stays_out_of_repr() -> None:
    reading = read(DirectChannel(load_card_file("gen2-li")), ALL)
    for secret in ("李例子", "000000198001010201", "Z00000201", "D2"):
        assert secret not in repr(reading)
    content = SocialSecurity().read(CardSession(DirectChannel(load_card_file("gen2-li")), 64), EVERYTHING)
    assert "李例子" not in repr(content)
