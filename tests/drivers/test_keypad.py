"""Serial keypads: amounts in fen, exactly, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import AmountProblem, AmountReading, FunctionKey, KeyReading, NoAmount, PinReading, Source
from drivers.keypad import AMOUNT_MAX_FEN, KeypadSettings, SerialKeypad, fen
from drivers.virtual.keypad import VirtualKeypad

WAIT_S = 20.0


@pytest.fixture
def device(tmp_path: Path) -> Iterator[VirtualKeypad]:
    keypad = VirtualKeypad(tmp_path / "keypad")
    keypad.port.plug()
    yield keypad
    keypad.port.unplug()


@pytest.fixture
def keypad(device: VirtualKeypad) -> Iterator[SerialKeypad]:
    driver = SerialKeypad("keys", KeypadSettings(port=str(device.port.path)))
    driver.open()
    yield driver
    driver.close()


def amount(keypad: SerialKeypad) -> int:
    reading = keypad.read(WAIT_S)
    assert isinstance(reading, AmountReading)
    assert reading.reader == "keys"
    return reading.amount_fen


def test_it_is_a_source() -> None:
    assert isinstance(SerialKeypad("keys", KeypadSettings(port="/nowhere")), Source)


@pytest.mark.parametrize(
    ("typed", "expected_fen"),
    [("12.50", 1250), ("12.5", 1250), ("12.", 1200), ("12", 1200), (".5", 50), ("0.07", 7), ("0", 0), ("007", 700)],
)
def test_yuan_become_fen(device: VirtualKeypad, keypad: SerialKeypad, typed: str, expected_fen: int) -> None:
    device.press(typed + "\r")
    assert amount(keypad) == expected_fen


@pytest.mark.parametrize(
    "typed", ["1.234", "1.2.3", ".", "-5", "1e3", "12,5", "abc1x", "abc", "", "100000.01", "9" * 65]
)
def test_what_is_no_amount_never_becomes_one_and_is_said(
    device: VirtualKeypad, keypad: SerialKeypad, typed: str
) -> None:
    device.press(typed + "\r8.00\r")
    if typed:
        refused = keypad.read(WAIT_S)
        assert isinstance(refused, NoAmount)
        too_much = typed == "100000.01"
        assert refused.problem is (AmountProblem.TOO_MUCH if too_much else AmountProblem.UNREADABLE)
    assert amount(keypad) == 800


def test_clearing_without_typing_anything_enters_nothing(device: VirtualKeypad, keypad: SerialKeypad) -> None:
    device.press("12c\r8.00\r")
    assert amount(keypad) == 800


def test_the_largest_amount_is_accepted(device: VirtualKeypad, keypad: SerialKeypad) -> None:
    device.press("100000\r")
    assert amount(keypad) == AMOUNT_MAX_FEN


def test_clear_starts_over(device: VirtualKeypad, keypad: SerialKeypad) -> None:
    device.press("99.9c1c3.20\r")
    assert amount(keypad) == 320


def test_keys_pressed_one_by_one_make_one_amount(device: VirtualKeypad, keypad: SerialKeypad) -> None:
    for key in "15.80":
        device.press(key)
        assert keypad.read(0.01) is None
    device.press("\r")
    assert amount(keypad) == 1580


@given(st.integers(min_value=0, max_value=10**9))
def test_the_arithmetic_is_exact(amount_fen: int) -> None:
    assert fen(str(Decimal(amount_fen) / 100).encode()) == amount_fen


@given(st.binary(max_size=64))
def test_hostile_bytes_give_an_amount_or_nothing(line: bytes) -> None:
    result = fen(line)
    assert result is None or result >= 0


@pytest.mark.parametrize(
    ("typed", "key", "number"),
    [
        ("12v", FunctionKey.VOID, 12),
        ("o", FunctionKey.OPERATOR, None),
        ("7c3G", FunctionKey.GUESTS, 3),
        ("99999999r", FunctionKey.REFUND, 99_999_999),
    ],
)
def test_a_letter_before_enter_is_a_function_key_with_the_number_before_it(
    device: VirtualKeypad, keypad: SerialKeypad, typed: str, key: FunctionKey, number: int | None
) -> None:
    device.press(typed + "\r")
    reading = keypad.read(WAIT_S)
    assert isinstance(reading, KeyReading)
    assert (reading.key, reading.number) == (key, number)


@pytest.mark.parametrize("digits", ["", "00123456", "00126000000123456789", "9" * 32])
def test_a_bills_number_keeps_its_zeros_and_may_be_long(digits: str) -> None:
    reading = SerialKeypad("keys", KeypadSettings(port="/nowhere")).parse(f"{digits}b".encode(), 0)
    assert isinstance(reading, KeyReading)
    assert (reading.key, reading.number, reading.digits) == (FunctionKey.BILL, None, digits)


@pytest.mark.parametrize("typed", ["1.5v", "123456789v", f"{1:033d}b", "12z", "v12", "12vv"])
def test_what_is_no_function_key_does_nothing_but_is_said(
    device: VirtualKeypad, keypad: SerialKeypad, typed: str
) -> None:
    device.press(typed + "\r")
    assert isinstance(keypad.read(WAIT_S), NoAmount)


def test_a_keypad_whose_keys_send_other_letters_has_its_own_functions() -> None:
    driver = SerialKeypad("keys", KeypadSettings(port="/nowhere", functions={"z": FunctionKey.VOID}))
    assert isinstance(driver.parse(b"12z", 0), KeyReading)
    assert isinstance(driver.parse(b"12v", 0), NoAmount)


def test_a_keypad_for_pins_hands_over_digits_that_show_themselves_nowhere() -> None:
    keypad = SerialKeypad("pins", KeypadSettings(port="", pins=True))
    read = keypad.parse(b"c0135790", 7)
    assert isinstance(read, PinReading)
    assert read.digits == "0135790"
    assert "0135790" not in repr(read)
    assert keypad.parse(b"0", 7) == AmountReading(reader="pins", at_ns=7, amount_fen=0)
    assert isinstance(keypad.parse(b"1" * 13, 7), NoAmount)
    amounts = SerialKeypad("amounts", KeypadSettings(port=""))
    assert isinstance(amounts.parse(b"0135", 7), AmountReading)
