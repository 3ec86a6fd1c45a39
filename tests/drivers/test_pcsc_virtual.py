"""The private pcscd and the virtual card: what a bench can rely on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.virtual import pcscd as pcscd_module
from drivers.virtual.api import Use
from drivers.virtual.pcscd import VirtualPcscd, VirtualReadersUnavailable
from drivers.virtual.vpcd import VpcdSlot
from tests.drivers.conformance import ATR, DEADLINE_S, EchoCard, echo

ROOT = Path(__file__).parents[2]


class Bench:
    """The reader's side of vpcd on a socket of our own, to see what the slot sends."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        server.settimeout(DEADLINE_S)
        self.slot = VpcdSlot("127.0.0.1", server.getsockname()[1])

    def accept(self) -> socket.socket:
        connection, _ = self._server.accept()
        connection.settimeout(DEADLINE_S)
        return connection


@pytest.fixture
def bench() -> Iterator[Bench]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        bench = Bench(server)
        yield bench
        bench.slot.remove()


def ask(connection: socket.socket, body: bytes) -> bytes:
    """One message to the card and its answer; empty when the card has left."""
    connection.sendall(len(body).to_bytes(2, "big") + body)
    length = connection.recv(2, socket.MSG_WAITALL)
    return connection.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL) if length else b""


def test_a_message_that_comes_a_byte_at_a_time_is_answered(bench: Bench) -> None:
    bench.slot.insert(EchoCard())
    with bench.accept() as connection:
        command = echo(b"slow")
        for byte in len(command).to_bytes(2, "big") + command:
            connection.sendall(bytes([byte]))
        assert connection.recv(2, socket.MSG_WAITALL) == b"\x00\x06"
        assert connection.recv(6, socket.MSG_WAITALL) == b"slow\x90\x00"


def test_power_and_reset_reset_the_program_and_unknown_controls_are_ignored(bench: Bench) -> None:
    card = EchoCard()
    bench.slot.insert(card)
    with bench.accept() as connection:
        for control in (b"\x01", b"\x02", b"\x00", b"\x07", b""):
            connection.sendall(len(control).to_bytes(2, "big") + control)
        assert ask(connection, b"\x04") == ATR
    assert card.resets == 2
    assert card.commands == []


@pytest.mark.parametrize("card", [EchoCard(torn_at=1), EchoCard(silent_at=1)], ids=["torn", "silent"])
def test_a_card_that_is_torn_or_falls_silent_hangs_up_and_stays_away(bench: Bench, card: EchoCard) -> None:
    bench.slot.insert(card)
    with bench.accept() as connection:
        assert ask(connection, echo(b"x")) == b""
    bench.slot.insert(EchoCard())
    with bench.accept() as connection:
        assert ask(connection, echo(b"next")) == b"next\x90\x00"


def test_an_answer_too_long_for_the_protocol_hangs_up(bench: Bench) -> None:
    class Endless(EchoCard):
        def answer(self, apdu: bytes) -> bytes:
            return bytes(0x10000)

    bench.slot.insert(Endless())
    with bench.accept() as connection:
        assert ask(connection, echo(b"x")) == b""


def test_a_card_connects_again_when_the_reader_hung_up(bench: Bench) -> None:
    bench.slot.insert(EchoCard())
    for _ in range(3):
        with bench.accept() as connection:
            assert ask(connection, b"\x04") == ATR


def test_a_card_may_be_removed_by_its_own_answer_and_from_many_threads(bench: Bench) -> None:
    class Escaping(EchoCard):
        def answer(self, apdu: bytes) -> bytes:
            bench.slot.remove()
            return b"\x90\x00"

    bench.slot.insert(Escaping())
    with bench.accept() as connection:
        assert ask(connection, echo(b"x")) == b""
    hands = [threading.Thread(target=bench.slot.remove) for _ in range(8)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(DEADLINE_S)
    assert not any(hand.is_alive() for hand in hands)


def test_start_and_stop_are_harmless_when_repeated(pcscd: VirtualPcscd) -> None:
    pcscd.start()
    pcscd.stop()
    pcscd.stop()
    assert not pcscd.socket_path.exists()
    pcscd.start()
    assert pcscd.socket_path.is_socket()


def test_a_daemon_that_somebody_killed_starts_again(pcscd: VirtualPcscd) -> None:
    configuration = str(pcscd.socket_path.parent).encode()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = command.read_bytes()
            if words.startswith(b"/usr/sbin/pcscd\0") and configuration in words:
                os.kill(int(command.parent.name), signal.SIGKILL)
    deadline_s = time.monotonic() + DEADLINE_S
    while pcscd.use is not Use.UNPLUGGED and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert pcscd.use is Use.UNPLUGGED
    pcscd.start()
    assert pcscd.use is not Use.UNPLUGGED


def test_a_second_private_pcscd_runs_beside_the_first(pcscd: VirtualPcscd, tmp_path: Path) -> None:
    with VirtualPcscd(tmp_path, readers=1) as second:
        assert second.socket_path != pcscd.socket_path
        assert len(second.slots) == 1
    assert pcscd.socket_path.is_socket()


@pytest.mark.parametrize("readers", [0, 17])
def test_a_number_of_readers_that_pcscd_cannot_hold_is_refused(tmp_path: Path, readers: int) -> None:
    with pytest.raises(ValueError, match="1 to 16"):
        VirtualPcscd(tmp_path, readers=readers)


@pytest.mark.parametrize(
    ("path", "package"), [("_PCSCD", "pcscd"), ("_VPCD_STANZA", "vsmartcard-vpcd")], ids=["pcscd", "vpcd"]
)
def test_a_missing_package_is_a_sentence_in_both_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, package: str
) -> None:
    monkeypatch.setattr(pcscd_module, path, tmp_path / "absent")
    with pytest.raises(VirtualReadersUnavailable) as caught:
        VirtualPcscd(tmp_path).start()
    assert caught.value.en == f"the package {package} is missing; run: apt-get install {package}"
    assert f"apt-get install {package}" in caught.value.zh


def test_a_pcscd_that_does_not_start_says_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcscd_module, "_ENTER", "echo no such driver >&2; exit 1")
    with pytest.raises(VirtualReadersUnavailable, match="no such driver") as caught:
        VirtualPcscd(tmp_path).start()
    assert "专用 pcscd 无法启动" in caught.value.zh


START = """
import sys
from pathlib import Path
from drivers.virtual.api import Use
from drivers.virtual.pcscd import VirtualPcscd, VirtualReadersUnavailable
try:
    VirtualPcscd(Path(sys.argv[1])).start()
except VirtualReadersUnavailable as error:
    print(error.zh, error.en, sep="\\n")
"""


@pytest.mark.parametrize(
    ("user", "switch", "zh", "en"),
    [
        ("1000", "max_user_namespaces", "系统不允许普通用户使用", "sysctl -w user.max_user_namespaces=10000"),
        ("0", "max_mnt_namespaces", "内核或容器不允许", "the kernel or the container forbids it"),
    ],
)
def test_a_kernel_that_forbids_namespaces_is_a_sentence_with_the_remedy(
    tmp_path: Path, user: str, switch: str, zh: str, en: str
) -> None:
    """A user namespace of the test's own has limits of its own, which it may set to zero."""
    forbid = f'echo 0 >/proc/sys/user/{switch} && exec "$@"'
    enter = ["unshare", "--user", f"--map-user={user}", "--keep-caps", "sh", "-c", forbid, "sh"]
    command = [*enter, sys.executable, "-c", START, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said_zh, said_en = done.stdout.splitlines()
    assert zh in said_zh
    assert en in said_en
