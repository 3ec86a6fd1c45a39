"""A card session: whole answers, counted commands, bounded lengths."""

from __future__ import annotations

import time

import pytest

from drivers.api import CardError, CardFault
from drivers.cards.apdu import Command
from drivers.cards.session import CardSession
from tests.drivers.cards.channels import ScriptedChannel

READ = Command(0x00, 0xB2, 0x01, 0x04, le=256)


def fault_of(channel: ScriptedChannel, apdu_budget: int = 100) -> CardFault:
    with pytest.raises(CardError) as caught:
        CardSession(channel, apdu_budget).send(READ)
    return caught.value.fault


def test_61xx_is_followed_by_get_response_until_the_answer_is_whole() -> None:
    channel = ScriptedChannel(["6103", "0102036102", "04059000"])
    answer = CardSession(channel, 10).send(READ)
    assert (answer.data, answer.sw) == (bytes([1, 2, 3, 4, 5]), 0x9000)
    assert channel.commands == ["00B2010400", "00C0000003", "00C0000002"]


def test_6cxx_repeats_the_command_with_the_right_le() -> None:
    channel = ScriptedChannel(["6C02", "AABB9000"])
    assert CardSession(channel, 10).send(READ).data == b"\xaa\xbb"
    assert channel.commands == ["00B2010400", "00B2010402"]


def test_6100_announces_256_bytes() -> None:
    channel = ScriptedChannel(["6100", "00" * 256 + "9000"])
    assert len(CardSession(channel, 10).send(READ).data) == 256
    assert channel.commands[1] == "00C0000000"


def test_a_card_that_says_6cxx_again_is_taken_at_its_word() -> None:
    assert CardSession(ScriptedChannel(["6C02", "6C03"]), 10).send(READ).sw == 0x6C03


def test_an_answer_without_end_is_garbled() -> None:
    assert fault_of(ScriptedChannel(lambda _: b"\x00\x61\x01")) is CardFault.GARBLED


@pytest.mark.parametrize("length", [0, 1, 259, 70_000])
def test_an_answer_of_impossible_length_is_garbled(length: int) -> None:
    assert fault_of(ScriptedChannel(lambda _: bytes(length))) is CardFault.GARBLED


def test_get_response_counts_against_the_budget() -> None:
    channel = ScriptedChannel(lambda _: b"\x00\x61\x01")
    assert fault_of(channel, apdu_budget=3) is CardFault.BUDGET
    assert len(channel.commands) == 3


def test_the_time_of_the_last_answer_lies_between_send_and_return() -> None:
    session = CardSession(ScriptedChannel(["9000"]), 10)
    before_ns = time.monotonic_ns()
    session.send(READ)
    assert before_ns <= session.last_answer_ns <= time.monotonic_ns()
    assert session.apdu_count == 1
