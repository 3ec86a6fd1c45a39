"""The codec of PN532 frames: golden frames, round trips, and a parser that nothing upsets."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.pn532_frame import (
    MAX_BODY_BYTES,
    Ack,
    ApplicationError,
    Frame,
    FrameError,
    FrameParser,
    Information,
    Nack,
)

GOLDEN = [
    # NXP UM0701-02 §6.2.1.3 to §6.2.1.5.
    ("0000FF00FF00", Ack()),
    ("0000FFFF0000", Nack()),
    ("0000FF01FF7F8100", ApplicationError()),
    # The first exchanges of public drivers: SAMConfiguration (libnfc), GetFirmwareVersion (Adafruit), a PN532 1.6.
    ("0000FF03FDD414011700", Information(bytes.fromhex("D41401"))),
    ("0000FF02FED5151600", Information(bytes.fromhex("D515"))),
    ("0000FF02FED4022A00", Information(bytes.fromhex("D402"))),
    ("0000FF06FAD50332010607E800", Information(bytes.fromhex("D50332010607"))),
    # Worked out by hand after §6.2.1.2: LENM 01, LENL 00, LCS FF; 254 zero bytes leave the checksum of D5 41.
    ("0000FFFFFF0100FFD541" + "00" * 254 + "EA00", Information(bytes.fromhex("D541") + bytes(254))),
]

bodies = st.binary(min_size=1, max_size=MAX_BODY_BYTES).filter(lambda body: body != b"\x7f")
answers = st.binary(min_size=1, max_size=MAX_BODY_BYTES - 1).map(lambda data: b"\xd5" + data)
frames = st.one_of(st.builds(Information, bodies), st.builds(Ack), st.builds(Nack), st.builds(ApplicationError))


def feed_in_pieces(parser: FrameParser, data: bytes, cuts: list[int]) -> list[Frame]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [frame for start, end in itertools.pairwise(edges) for frame in parser.feed(data[start:end])]


@pytest.mark.parametrize(("text", "frame"), GOLDEN)
def test_golden_frames_are_written_and_read(text: str, frame: Frame) -> None:
    raw = bytes.fromhex(text)
    assert frame.to_bytes() == raw
    assert Frame.from_bytes(raw) == frame


@given(frames)
def test_every_frame_survives_a_round_trip(frame: Frame) -> None:
    assert Frame.from_bytes(frame.to_bytes()) == frame


@pytest.mark.parametrize("size", [1, 255, 256, 265])
def test_the_length_decides_between_a_normal_and_an_extended_frame(size: int) -> None:
    raw = Information(bytes(size)).to_bytes()
    assert (raw[3:5] == b"\xff\xff") == (size > 255)
    assert Frame.from_bytes(raw) == Information(bytes(size))


@pytest.mark.parametrize("size", [0, 266])
def test_a_body_that_no_frame_can_carry_is_refused(size: int) -> None:
    with pytest.raises(FrameError):
        Information(bytes(size))


def test_a_short_body_in_an_extended_frame_is_read() -> None:
    assert Frame.from_bytes(bytes.fromhex("0000FFFFFF0002FED5151600")) == Information(b"\xd5\x15")


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_frame_or_a_frame_error(raw: bytes) -> None:
    try:
        frame = Frame.from_bytes(raw)
    except FrameError:
        return
    assert Frame.from_bytes(frame.to_bytes()) == frame


@given(answers, st.data())
def test_one_wrong_byte_anywhere_is_never_taken_for_a_frame(body: bytes, data: st.DataObject) -> None:
    raw = bytearray(Information(body).to_bytes())
    raw[data.draw(st.integers(1, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FrameError):
        Frame.from_bytes(bytes(raw))


@given(answers, st.data())
def test_one_lost_byte_anywhere_is_never_taken_for_another_frame(body: bytes, data: st.DataObject) -> None:
    raw = Information(body).to_bytes()
    at = data.draw(st.integers(0, len(raw) - 1))
    assert FrameParser().feed(raw[:at] + raw[at + 1 :]) in ([], [Information(body)])


@given(st.lists(frames, max_size=5), st.lists(st.integers(0, 10_000), max_size=8))
def test_frames_split_anywhere_are_found_in_order(sent: list[Frame], cuts: list[int]) -> None:
    parser = FrameParser()
    assert feed_in_pieces(parser, b"".join(frame.to_bytes() for frame in sent), cuts) == sent
    assert parser.dropped_bytes == 0
    assert parser.pending_bytes == 0


@given(st.binary(max_size=400), st.lists(st.integers(0, 10_000), max_size=8), frames)
def test_noise_never_raises_is_never_kept_for_long_and_never_hides_the_frames_behind_it(
    garbage: bytes, cuts: list[int], frame: Frame
) -> None:
    parser = FrameParser()
    feed_in_pieces(parser, garbage, cuts)
    assert parser.pending_bytes < 300
    # A false start may swallow as much as the longest frame before it is found out.
    found = parser.feed(bytes(300) + frame.to_bytes())
    assert found[-1] == frame


def test_what_was_no_frame_is_counted() -> None:
    parser = FrameParser()
    assert parser.feed(b"noise" + Ack().to_bytes() + b"\x55\x55") == [Ack()]
    assert parser.dropped_bytes == 7


def test_a_start_code_inside_a_damaged_frame_is_found() -> None:
    damaged = bytes.fromhex("0000FF20E0")
    assert FrameParser().feed(damaged + Information(b"\xd5\x15").to_bytes() + bytes(40)) == [Information(b"\xd5\x15")]


def test_reset_gives_up_the_frame_that_was_begun() -> None:
    parser = FrameParser()
    whole = Information(b"\xd5\x41\x00").to_bytes()
    assert parser.feed(whole[:7]) == []
    parser.reset()
    assert parser.pending_bytes == 0
    assert parser.feed(whole[7:] + Nack().to_bytes()) == [Nack()]


@pytest.mark.parametrize("body", [b"\xd5\x33", b"\xd5\x4b\x00"])
def test_what_an_empty_field_answers_is_compared_and_means_the_same(body: bytes) -> None:
    answer = Ack().to_bytes() + Information(body).to_bytes()
    whole, parser = FrameParser(), FrameParser()
    assert (
        whole.feed(answer) == whole.feed(answer) == feed_in_pieces(parser, answer, [3, 9]) == [Ack(), Information(body)]
    )
    assert (whole.pending_bytes, whole.dropped_bytes) == (0, 0)
    assert whole.feed(answer[:4]) == []
    assert whole.feed(answer[4:]) == [Ack(), Information(body)]
