"""APDUs in the short form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.cards.apdu import Command, Response

BYTE = st.integers(0, 255)
COMMANDS = st.builds(
    Command, BYTE, BYTE, BYTE, BYTE, st.binary(max_size=255), st.one_of(st.none(), st.integers(1, 256))
)


@given(COMMANDS)
def test_every_command_reads_back_as_itself(command: Command) -> None:
    assert Command.from_bytes(command.to_bytes()) == command


@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_of_the_same_bytes_or_a_value_error(apdu: bytes) -> None:
    try:
        command = Command.from_bytes(apdu)
    except ValueError:
        return
    assert command.to_bytes() == apdu


@pytest.mark.parametrize(
    ("command", "apdu"),
    [
        (Command(0x00, 0xA4, 0x04, 0x00), "00A40400"),
        (Command(0x00, 0xB2, 0x01, 0x05, le=256), "00B2010500"),
        (Command(0x00, 0xA4, 0x00, 0x00, b"\xef\x05"), "00A4000002EF05"),
        (Command(0x80, 0xA8, 0x00, 0x00, b"\x83\x00", 256), "80A8000002830000"),
    ],
)
def test_the_four_cases_of_the_standard(command: Command, apdu: str) -> None:
    assert command.to_bytes().hex().upper() == apdu


@pytest.mark.parametrize(
    "build",
    [
        lambda: Command(256, 0, 0, 0),
        lambda: Command(0, 0, 0, 0, bytes(256)),
        lambda: Command(0, 0, 0, 0, le=0),
        lambda: Command(0, 0, 0, 0, le=257),
    ],
)
def test_what_the_short_form_cannot_say_is_refused(build: object) -> None:
    assert callable(build)
    with pytest.raises(ValueError, match=r"range|at most|within"):
        build()


def test_data_stays_out_of_repr() -> None:
    assert "secret" not in repr(Command(0, 0x20, 0, 0, b"secret"))
    assert "secret" not in repr(Response(b"secret", 0x9000))
