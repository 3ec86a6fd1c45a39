"""MJPEG over HTTP: parts however they are split and announced, and what a hostile or broken camera sends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import ReaderError, ReaderFault
from drivers.capture import PIXELS_MAX, JpegFrame, jpeg_pixels
from drivers.mjpeg import HEAD_MAX_BYTES, PART_MAX_BYTES, MjpegStream, NotMultipart, PartSplitter

PARTS = [b"one", b"\r\n--almost\r\n", bytes(range(256)) * 3]
WAIT_S = 10.0


def announced(parts: list[bytes], *, length: bool = True, end: str = "\r\n") -> bytes:
    stream = b""
    for part in parts:
        head = f"--edge{end}Content-Type: image/jpeg{end}" + (f"Content-Length: {len(part)}{end}" if length else "")
        stream += head.encode() + end.encode() + part + end.encode()
    return stream + b"--edge"


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("boundary", ["edge", "--edge"])
def test_parts_arrive_whole_however_they_are_announced_and_split(length: bool, end: str, boundary: str) -> None:
    stream = announced(PARTS, length=length, end=end)
    assert PartSplitter(boundary).feed(stream) == PARTS
    bytewise = PartSplitter(boundary)
    assert [part for byte in stream for part in bytewise.feed(bytes([byte]))] == PARTS


def test_what_precedes_the_first_part_is_skipped() -> None:
    assert PartSplitter("edge").feed(b"welcome\r\n" + announced([b"x"])) == [b"x"]


@pytest.mark.parametrize(
    "flood",
    [
        b"x" * (HEAD_MAX_BYTES + 1),
        b"--edge\r\n" + b"X: y\r\n" * HEAD_MAX_BYTES,
        b"--edge\r\nContent-Length: 999999999\r\n\r\n",
        b"--edge\r\n\r\n" + bytes(PART_MAX_BYTES + 1),
    ],
)
def test_a_flood_is_refused(flood: bytes) -> None:
    with pytest.raises(NotMultipart):
        PartSplitter("edge").feed(flood)


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([b"--edge", b"\r\n\r\n", b"Content-Length: 5\r\n"]))))
def test_no_bytes_raise_anything_else_or_are_kept_without_bound(chunks: list[bytes]) -> None:
    splitter = PartSplitter("edge")
    for chunk in chunks:
        assert all(len(part) <= PART_MAX_BYTES for part in splitter.feed(chunk))


@given(st.binary(max_size=200))
def test_what_is_no_jpeg_is_no_picture(noise: bytes) -> None:
    assert JpegFrame(0, b"\xff\xd8" + noise).gray() is None
    assert jpeg_pixels(noise) >= 0


def test_a_picture_of_gigabytes_is_not_unpacked() -> None:
    bomb = b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff" + bytes(10) + b"\xff\xd9"
    assert jpeg_pixels(bomb) > PIXELS_MAX
    assert JpegFrame(0, bomb).gray() is None


class Camera:
    """A server that answers each connection with given bytes and then closes it."""

    def __init__(self, answer: bytes) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._answer = answer
        self.asked = b""
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            self.asked = connection.recv(4096)
            connection.sendall(self._answer)

    def close(self) -> None:
        self._thread.join(WAIT_S)
        self._server.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def stream_of(stack: ExitStack, answer: bytes, user: str = "") -> tuple[Camera, MjpegStream]:
    camera = Camera(answer)
    stack.callback(camera.close)
    stream = MjpegStream(f"http://{user}{camera.address}/live?channel=1", WAIT_S)
    stack.callback(stream.close)
    return camera, stream


def fault_at_open(stack: ExitStack, answer: bytes) -> ReaderFault:
    with pytest.raises(ReaderError) as caught:
        stream_of(stack, answer)[1].open()
    return caught.value.fault


def test_a_stream_is_asked_for_and_its_end_is_a_fault(stack: ExitStack) -> None:
    head = b'HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary="edge"\r\n\r\n'
    camera, stream = stream_of(stack, head + announced(PARTS), "guard:se%40cret@")
    stream.open()
    got: list[bytes] = []
    while len(got) < len(PARTS):
        got += stream.parts()
    assert got == PARTS
    assert camera.asked.startswith(b"GET /live?channel=1 HTTP/1.1\r\n")
    assert b"Authorization: Basic Z3VhcmQ6c2VAY3JldA==\r\n" in camera.asked
    with pytest.raises(ReaderError) as caught:
        stream.parts()
    assert caught.value.fault is ReaderFault.UNPLUGGED


def test_what_is_no_stream_is_refused_with_its_reason(stack: ExitStack) -> None:
    assert fault_at_open(stack, b"HTTP/1.0 401 No\r\n\r\n") is ReaderFault.DENIED
    assert fault_at_open(stack, b"HTTP/1.0 404 No\r\n\r\n") is ReaderFault.NOT_FOUND
    assert fault_at_open(stack, b"HTTP/1.0 500 No\r\n\r\n") is ReaderFault.PROTOCOL
    assert fault_at_open(stack, b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n") is ReaderFault.PROTOCOL
    assert fault_at_open(stack, b"SSH-2.0-camera\r\n") is ReaderFault.PROTOCOL
    foreign = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary*=utf-8''%E4%B8%80\r\n\r\n"
    assert fault_at_open(stack, foreign) is ReaderFault.PROTOCOL, "no boundary of RFC 2046 §5.1.1"
