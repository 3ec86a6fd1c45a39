"""Virtual cards: the chip's manners, card files, and misbehaviour."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Interface
from drivers.virtual.api import Torn
from drivers.virtual.cards.behaviour import Behaviour, garbage, mute, slow, tear_after
from drivers.virtual.cards.cardfile import CardFileError, load_card_file, read_card_file, ready_made

SELECT = bytes.fromhex("00A404000F7378312E73682EC9E7BBE1B1A3D5CF")
SELECT_EF05 = bytes.fromhex("00A4000002EF05")


def ask(name: str, *commands: str) -> str:
    """The last answer of a fresh card, in hexadecimal."""
    program = load_card_file(name)
    return [program.answer(bytes.fromhex(command)).hex().upper() for command in commands][-1]


def selected(name: str, *commands: str) -> str:
    return ask(name, SELECT.hex(), *commands)


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        (["00B2070009"], "6C0B"),
        (["00B207000B"], "07095A30303030303230319000"),
        (["00B2072800"], "07095A30303030303230319000"),
        (["00B2072C00"], "07095A30303030303230319000"),
        (["00B2080000"], "6A83"),
        (["00B2000400"], "6A83"),
        (["00B2010100"], "6A86"),
        (["00A4000002EF07"], "6A82"),
        (["00B0000000"], "6D00"),
    ],
)
def test_records_are_read_by_tag_by_number_and_by_short_file_identifier(commands: list[str], answer: str) -> None:
    assert selected("gen2-li", SELECT_EF05.hex(), *commands) == answer


def test_all_records_come_one_after_another() -> None:
    answer = selected("gen3-transit", "00B2012D00")
    assert answer == "6982", "the last record is the closed card number"
    answer = selected("gen1-old", SELECT_EF05.hex(), "00B2010543")
    assert answer == "6C40"
    answer = selected("gen1-old", SELECT_EF05.hex(), "00B2010540")
    assert (answer[:4], answer[-4:], len(answer) // 2) == ("0110", "9000", 0x40 + 2)


def test_record_numbers_shift_by_one_on_a_card_without_tag_4e() -> None:
    assert selected("gen1-old", "00B2033403") == "0A01399000"
    assert selected("gen2-li", "00B2033403") == "6C16"
    assert selected("gen2-li", "00B2033416").startswith("4E14")


def test_generation_3_keeps_the_person_to_itself() -> None:
    assert selected("gen3-chen", "00B2093000") == "6982"
    assert selected("gen3-chen", "00B2072800") == "6982"
    assert selected("gen3-chen", "00B2032800") == "0304332E30309000"


def test_t0_announces_and_hands_out_in_parts() -> None:
    program = load_card_file("gen1-old")
    assert program.answer(SELECT) == b"\x61\x18"
    assert program.answer(bytes.fromhex("00C0000010"))[-2:] == b"\x61\x08"
    assert program.answer(bytes.fromhex("00C0000008"))[-2:] == b"\x90\x00"
    assert program.answer(bytes.fromhex("00C0000008")) == b"\x67\x00"


def test_a_reset_forgets_the_selection() -> None:
    program = load_card_file("gen2-li")
    program.answer(SELECT)
    assert program.answer(SELECT_EF05) == b"\x90\x00"
    program.reset()
    assert program.answer(SELECT_EF05) == b"\x6d\x00"


@pytest.mark.parametrize(
    ("name", "atr"),
    [
        ("gen1-old", "3B6700004F4E4543415244"),
        ("gen2-li", "3B87014F4E4543415244D6"),
        ("gen3-chen", "3B8780014F4E454341524456"),
    ],
)
def test_the_answer_to_reset_names_the_protocol(name: str, atr: str) -> None:
    assert load_card_file(name).atr.hex().upper() == atr


@given(st.sampled_from(ready_made()), st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_get_an_answer_with_a_status_word(name: str, apdus: list[bytes]) -> None:
    program = load_card_file(name)
    for apdu in (SELECT, *apdus):
        assert len(program.answer(apdu)) >= 2


def test_every_ready_made_card_loads_by_its_name() -> None:
    expected = {"gen1-old", "gen2-li", "gen2-wang", "gen3-chen", "t-union", "pboc", "stranger"}
    assert expected <= set(ready_made())
    for name in ready_made():
        assert load_card_file(name).contactless is (read_card_file(name).interface is Interface.CONTACTLESS)


def test_a_card_file_may_be_presented_over_the_other_interface() -> None:
    assert load_card_file("gen1-old", interface=Interface.CONTACTLESS).contactless
    assert not load_card_file("gen3-chen", interface=Interface.CONTACT).contactless


GOOD = """
title: A card of one's own
applications:
  - {kind: t-union, card_number: "00009990000000000099", issued: 2023-01-01, valid_until: 2043-01-01}
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD + "colour: red\n", "colour: unknown key"),
        (GOOD.replace("issued: 2023-01-01", "isued: 2023-01-01"), "applications.0.t-union"),
        (GOOD.replace('"00009990000000000099"', "99"), "card_number: should be text"),
        (GOOD.replace("t-union", "loyalty"), "applications.0"),
        (GOOD.replace("2023-01-01", "2023-13-41"), "not YAML"),
        (GOOD + "interface: contactless\nprotocol: T=0\n", "T=0 is spoken over contacts only"),
        (GOOD + "behaviour: {tear_after: 0}\n", "behaviour.tear_after"),
        ("- 1\n", "the whole file"),
        ("", "the whole file"),
        ("a: [", "not YAML"),
        ("\x00", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("#" * 70_000, "longer than"),
    ],
)
def test_a_card_file_that_cannot_be_used_is_refused_with_file_and_key(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CardFileError) as caught:
        load_card_file(path)
    assert str(caught.value).startswith(str(path))
    assert reason in str(caught.value)


def test_a_name_too_long_for_its_card_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(
        """
title: A name of 32 bytes without an extension to hold it
applications:
  - {kind: social-security, generation: 1, identifier: "00000000D1000000000000000000A101",
     issuer: "000000000000000000000101", card_number: Z00000101, id_number: "000000194502030101",
     name: 甲乙丙丁戊己庚辛壬癸甲乙丙丁戊己, birth_date: 1945-02-03, issued: 2006-05-01,
     valid_until: 2036-05-01, name_extension: false}
""",
        encoding="utf-8",
    )
    with pytest.raises(CardFileError, match="longer than 30 bytes"):
        load_card_file(path)


def test_a_missing_card_file_names_the_ready_made_ones(tmp_path: Path) -> None:
    with pytest.raises(CardFileError, match="gen2-li"):
        load_card_file("gen2-ly")
    with pytest.raises(CardFileError, match="no such file"):
        load_card_file(tmp_path)


def test_a_card_tears_at_the_named_apdu_after_every_reset() -> None:
    program = tear_after(load_card_file("gen2-li"), 2)
    for _ in range(2):
        program.reset()
        program.answer(SELECT)
        with pytest.raises(Torn):
            program.answer(SELECT_EF05)
        with pytest.raises(Torn):
            program.answer(SELECT_EF05)


def test_garbage_repeats_itself_by_its_seed() -> None:
    def answers(seed: int) -> list[bytes]:
        program = garbage(load_card_file("gen2-li"), seed)
        program.reset()
        return [program.answer(SELECT) for _ in range(8)]

    assert answers(1) == answers(1)
    assert answers(1) != answers(2)


def test_a_slow_card_answers_the_same_not_before_its_delay() -> None:
    started = time.monotonic()
    assert slow(load_card_file("gen2-li"), 20).answer(SELECT) == load_card_file("gen2-li").answer(SELECT)
    assert time.monotonic() - started >= 0.02


def test_a_mute_card_answers_to_reset_only() -> None:
    program = mute(load_card_file("gen2-li"))
    assert program.atr
    assert program.answer(SELECT) == b""


def test_a_behaviour_is_chosen_in_the_file_or_when_the_card_is_presented(tmp_path: Path) -> None:
    path = tmp_path / "torn.yaml"
    path.write_text(GOOD + "behaviour: {tear_after: 1, slow_ms: 1}\n", encoding="utf-8")
    with pytest.raises(Torn):
        load_card_file(path).answer(SELECT)
    assert load_card_file(path, behaviour=Behaviour()).answer(SELECT) == b"\x6a\x82"
    assert load_card_file(path, behaviour=Behaviour(mute=True)).answer(SELECT) == b""
    assert load_card_file("gen2-li", behaviour=Behaviour(garbage_seed=3)).answer(SELECT) != SELECT
