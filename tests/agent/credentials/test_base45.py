"""Base45: the examples of RFC 9285 §4.3 and §4.4, and every edge at which decoders differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.credentials.base45 import ALPHABET, Base45Error, decode, encode

EXAMPLES = {"BB8": b"AB", "%69 VD92EX0": b"Hello!!", "UJCLQE7W581": b"base-45", "QED8WEX0": b"ietf!", "": b""}


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_standard(text: str) -> None:
    assert decode(text) == EXAMPLES[text]
    assert encode(EXAMPLES[text]) == text


@pytest.mark.parametrize("text", ["GGW", ":::", "00X"])
def test_three_characters_above_65535_are_refused(text: str) -> None:
    with pytest.raises(Base45Error, match="larger"):
        decode(text)


@pytest.mark.parametrize("text", ["V5", "::", "BB8V5", "06"])
def test_two_characters_above_255_are_refused(text: str) -> None:
    with pytest.raises(Base45Error, match="larger"):
        decode(text)


def test_the_largest_groups_are_read() -> None:
    assert decode("FGW") == b"\xff\xff"
    assert decode("U5") == b"\xff"


@pytest.mark.parametrize("text", ["A", "BB8A", "BB8BB8A"])
def test_a_cut_group_is_refused(text: str) -> None:
    with pytest.raises(Base45Error, match="cut"):
        decode(text)


@pytest.mark.parametrize("char", ["a", "\n", "\r", "\t", "\0", "_", "é", "中", "\U0001f600", "０", "\xff"])
def test_a_character_outside_the_alphabet_is_refused_and_not_quoted(char: str) -> None:
    with pytest.raises(Base45Error) as caught:
        decode("BB" + char)
    assert str(caught.value) == "a character is not in the alphabet"
    assert caught.value.__cause__ is None


@given(st.binary(max_size=300))
def test_what_was_encoded_is_decoded(data: bytes) -> None:
    assert decode(encode(data)) == data


@given(st.text(alphabet=ALPHABET, max_size=12))
def test_every_text_that_is_read_is_the_one_that_would_be_written(text: str) -> None:
    try:
        data = decode(text)
    except Base45Error:
        return
    assert encode(data) == text
