"""The bench as a process of its own: what it says, what it does when told, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.api import AmountReading, CodeReading, InputReading, ReaderError, ReaderFault
from drivers.camera import Camera, CameraSettings
from drivers.keypad import KeypadSettings, SerialKeypad
from drivers.relay import ModbusRelay, RelaySettings
from drivers.scanner import ScannerSettings, SerialScanner
from drivers.virtual.bench import LINE_MAX_BYTES, BenchState, ask_bench
from drivers.virtual.library import Shelves

WAIT_S = 20.0
SERIAL = ("pn532", "relay", "scanner", "keypad")

Started = tuple[subprocess.Popen[bytes], BenchState]


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory that is yet to be made, with a name short enough for a Unix socket."""
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    yield directory / "b"
    shutil.rmtree(directory)


@pytest.fixture
def start(short_dir: Path) -> Iterator[Callable[..., Started]]:
    """Starts benches, and ends what is left of them."""
    with ExitStack() as stack:

        def begin(*devices: str) -> Started:
            command = [sys.executable, "-P", "-m", "drivers.virtual", "--dir", str(short_dir), "--devices", *devices]
            process = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            )
            stack.callback(process.terminate)
            assert process.stdout is not None
            return process, BenchState.model_validate_json(process.stdout.readline())

        yield begin


@pytest.fixture
def serial(start: Callable[..., Started]) -> BenchState:
    return start(*SERIAL)[1]


def ask(bench: BenchState, **command: Any) -> dict[str, Any]:
    return ask_bench(bench.socket, command, WAIT_S)


def settings(bench: BenchState) -> RelaySettings:
    lines = {"outputs": {"gate": 0}, "inputs": {"passage": 0}}
    return RelaySettings.model_validate(
        {"port": str(bench.ports["relay"]), "baud": 115_200, "timeout_ms": 1000, **lines}
    )


def test_it_says_where_everything_is(serial: BenchState, short_dir: Path) -> None:
    assert serial.socket == short_dir / "virtual.sock"
    assert serial.socket.stat().st_mode & 0o777 == 0o600
    assert serial.ports == {device: short_dir / device for device in SERIAL}
    assert serial.readers == {"pn532": str(short_dir / "pn532")}
    assert serial.environment == {}
    assert ask(serial, do="status") == {"ok": True, "state": serial.model_dump(mode="json")}


def test_codes_and_amounts_reach_their_drivers(serial: BenchState) -> None:
    scanner = SerialScanner("scan", ScannerSettings(port=str(serial.ports["scanner"])))
    keypad = SerialKeypad("keys", KeypadSettings(port=str(serial.ports["keypad"])))
    scanner.open()
    keypad.open()
    try:
        assert ask(serial, do="show", text="电子市民码") == {"ok": True}
        assert ask(serial, do="scan", text="6901234567892") == {"ok": True}
        assert ask(serial, do="press", amount="12.50") == {"ok": True}
        texts = [reading.text for _ in range(2) if isinstance(reading := scanner.read(WAIT_S), CodeReading)]
        assert texts == ["电子市民码", "6901234567892"]
        reading = keypad.read(WAIT_S)
        assert isinstance(reading, AmountReading)
        assert reading.amount_fen == 1250
    finally:
        scanner.close()
        keypad.close()


def test_inputs_reach_the_board_and_its_coils_are_shown(serial: BenchState) -> None:
    board = ModbusRelay("board", settings(serial))
    board.open()
    try:
        assert ask(serial, do="press", input="passage", active=True) == {"ok": True}
        reading = board.read(WAIT_S)
        assert isinstance(reading, InputReading)
        assert (reading.input, reading.active) == ("passage", True)
        confirmed_ns = board.pulse("gate", 60_000).result(WAIT_S).confirmed_ns
        shown = ask(serial, do="relay")["relay"]
        assert shown["outputs"] == {"gate": True}
        assert shown["inputs"] == {"passage": True, "fire": False, "fire-reset": False}
        [change] = shown["history"]
        assert change["output"] == "gate"
        assert change["at_ns"] < confirmed_ns
    finally:
        board.close()


def test_a_pressed_button_comes_up_again_and_no_press_is_too_short_to_be_seen(serial: BenchState) -> None:
    board = ModbusRelay("board", settings(serial))
    board.open()
    try:
        seen: list[bool] = []
        for _ in range(10):
            assert ask(serial, do="press", input="passage", pulse_ms=1) == {"ok": True}
            seen += [reading.active for _ in range(2) if isinstance(reading := board.read(WAIT_S), InputReading)]
        assert seen == 10 * [True, False]
    finally:
        board.close()


def test_an_unplugged_device_is_gone_until_it_is_plugged_in_again(serial: BenchState) -> None:
    board = ModbusRelay("board", settings(serial))
    board.open()
    try:
        assert ask(serial, do="unplug", device="relay") == {"ok": True}
        with pytest.raises(ReaderError) as caught:
            board.read(WAIT_S)
        assert caught.value.fault is ReaderFault.UNPLUGGED
        assert ask(serial, do="replug", device="relay") == {"ok": True}
        board.open()
        board.pulse("gate", 1).result(WAIT_S)
    finally:
        board.close()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ({}, "not a command"),
        ({"do": "fly"}, "not a command"),
        ({"do": "insert"}, "not a command"),
        ({"do": "relay", "more": 1}, "not a command"),
        ({"do": "press"}, "not a command"),
        ({"do": "press", "input": "fire"}, "not a command"),
        ({"do": "press", "input": "fire", "active": True, "pulse_ms": 5}, "not a command"),
        ({"do": "press", "amount": "1,5"}, "not a command"),
        ({"do": "press", "input": "roof", "active": True}, "no input roof"),
        ({"do": "insert", "card": "nobody"}, "no such file"),
        ({"do": "insert", "card": "gen3-chen", "reader": "drawer"}, "no reader drawer"),
        ({"do": "remove", "reader": "drawer"}, "no reader drawer"),
        ({"do": "unplug", "device": "lamp"}, "no device lamp"),
    ],
)
def test_what_cannot_be_done_gets_a_clear_answer(
    start: Callable[..., Started], command: dict[str, Any], said: str
) -> None:
    _, bench = start("pn532", "relay")
    answer = ask_bench(bench.socket, command, WAIT_S)
    assert answer["ok"] is False
    assert said in answer["error"]["en"]


@pytest.mark.parametrize(
    ("device", "command"),
    [
        ("scanner", {"do": "show", "text": "code"}),
        ("scanner", {"do": "scan", "text": "6901234567892"}),
        ("keypad", {"do": "press", "amount": "1.50"}),
        ("relay", {"do": "press", "input": "passage", "pulse_ms": 200}),
        ("relay", {"do": "press", "input": "fire", "active": True}),
        ("pn532", {"do": "insert", "card": "gen3-chen", "reader": "pn532"}),
    ],
)
def test_what_nobody_sees_is_not_called_done(serial: BenchState, device: str, command: dict[str, Any]) -> None:
    idle = ask(serial, **command)
    assert (idle["ok"], f"no terminal uses {device}" in idle["error"]["en"]) == (False, True)
    assert ask(serial, do="unplug", device=device) == {"ok": True}
    unplugged = ask(serial, **command)
    assert (unplugged["ok"], f"{device} is unplugged" in unplugged["error"]["en"]) == (False, True)
    assert "unplugged already" in ask(serial, do="unplug", device=device)["error"]["en"]
    assert ask(serial, do="replug", device=device) == {"ok": True}
    assert "plugged in already" in ask(serial, do="replug", device=device)["error"]["en"]


def test_where_no_card_is_none_can_be_taken_away(serial: BenchState) -> None:
    assert "there is no card" in ask(serial, do="remove")["error"]["en"]
    ask(serial, do="insert", card="gen3-chen", reader="pn532")
    assert ask(serial, do="remove", reader="pn532") == {"ok": True}
    assert "there is no card" in ask(serial, do="remove", reader="pn532")["error"]["en"]


def test_a_device_that_was_not_asked_for_is_said_to_be_missing(start: Callable[..., Started]) -> None:
    _, bench = start("scanner")
    for command in ({"do": "relay"}, {"do": "press", "amount": "1"}, {"do": "insert", "card": "gen2-li"}):
        assert "no virtual" in ask_bench(bench.socket, command, WAIT_S)["error"]["en"]


@pytest.mark.parametrize(
    "line", [b"not json\n", b"\xff\xfe\n", b"[" * 5000 + b"\n", b"x" * (2 * LINE_MAX_BYTES) + b"\n"]
)
def test_hostile_bytes_get_an_answer_and_do_no_harm(start: Callable[..., Started], line: bytes) -> None:
    _, bench = start("scanner")
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(WAIT_S)
        link.connect(str(bench.socket))
        link.sendall(line)
        with link.makefile("rb") as answers:
            assert json.loads(answers.readline())["ok"] is False
    assert ask(bench, do="status")["ok"] is True


def test_a_client_may_send_many_commands_and_leave_in_mid_line(start: Callable[..., Started]) -> None:
    _, bench = start("scanner")
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(WAIT_S)
        link.connect(str(bench.socket))
        link.sendall(b'{"do": "status"}\n{"do": "status"}\n{"do": "st')
        with link.makefile("rb") as answers:
            assert [json.loads(answers.readline())["ok"] for _ in range(2)] == [True, True]
    assert ask(bench, do="status")["ok"] is True


def test_a_card_inserted_into_a_virtual_reader_is_seen_over_pcsc(start: Callable[..., Started]) -> None:
    _, bench = start("pcscd", "pn532")
    assert list(bench.readers) == ["pcsc-0", "pcsc-1", "pn532"]
    assert "the card is in pcsc-0, but no terminal uses pcscd" in ask(bench, do="insert", card="gen2-li")["error"]["en"]
    assert _states(bench, "pcsc-0", present=True)
    assert ask(bench, do="remove", reader=bench.readers["pcsc-0"]) == {"ok": True}
    assert _states(bench, "pcsc-0", present=False)
    with _client(bench):
        assert ask(bench, do="insert", card="gen2-li", reader="pcsc-1", tear_after=3, slow_ms=1) == {"ok": True}
        assert ask(bench, do="insert", card="gen3-chen") == {"ok": True}, "not into the field that nobody uses"
    assert _states(bench, "pcsc-1", present=True)
    assert ask(bench, do="unplug", device="pcscd") == {"ok": True}
    assert ask(bench, do="replug", device="pcscd") == {"ok": True}
    assert _states(bench, "pcsc-1", present=True)


_WAIT_FOR_STATE = """
import sys
from smartcard.scard import *
reader, wanted = sys.argv[1], int(sys.argv[2])
context = SCardEstablishContext(SCARD_SCOPE_SYSTEM)[1]
states = [(reader, SCARD_STATE_UNAWARE)]
for _ in range(10):
    code, states = SCardGetStatusChange(context, 5000, states)
    if code == SCARD_S_SUCCESS and states[0][1] & wanted:
        sys.exit(0)
sys.exit(1)
"""


@contextmanager
def _client(bench: BenchState) -> Iterator[None]:
    """A program that uses pcscd."""
    script = "from smartcard.scard import *; SCardEstablishContext(SCARD_SCOPE_SYSTEM); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **bench.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.communicate(b"\n")


def _states(bench: BenchState, reader: str, *, present: bool) -> bool:
    # A process of its own: libpcsclite reads the socket's path once.
    script = [sys.executable, "-c", _WAIT_FOR_STATE, bench.readers[reader], "32" if present else "16"]
    return subprocess.run(script, env={**os.environ, **bench.environment}, timeout=60, check=False).returncode == 0


def test_a_second_bench_in_the_same_place_is_refused(start: Callable[..., Started], short_dir: Path) -> None:
    start("scanner")
    command = [sys.executable, "-m", "drivers.virtual", "--dir", str(short_dir), "--devices", "keypad"]
    second = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 2
    assert "already run" in second.stdout
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("way", ["sigterm", "stop", "parent gone"])
def test_it_ends_cleanly_and_leaves_nothing_behind(start: Callable[..., Started], short_dir: Path, way: str) -> None:
    process, bench = start("pcscd", *SERIAL)
    daemon = int((short_dir / "pcscd" / "pcscd.pid").read_bytes().rstrip(b"\0"))
    match way:
        case "sigterm":
            process.send_signal(signal.SIGTERM)
        case "stop":
            assert ask(bench, do="stop") == {"ok": True}
        case _:
            assert process.stdin is not None
            process.stdin.close()
    assert process.wait(WAIT_S) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert not short_dir.exists()
    deadline = time.monotonic() + WAIT_S
    while Path(f"/proc/{daemon}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(OSError, match="No such file"):
        ask(bench, do="status")


def test_what_a_killed_bench_left_does_not_hinder_the_next(start: Callable[..., Started]) -> None:
    killed, _ = start(*SERIAL)
    killed.kill()
    killed.wait()
    _, bench = start(*SERIAL)
    assert ask(bench, do="status")["ok"] is True


def test_a_phone_is_held_before_the_camera_and_its_frames_are_known(start: Callable[..., Started]) -> None:
    bench = start("camera")[1]
    camera = Camera("lens", CameraSettings(source=str(bench.ports["camera"])))
    camera.open()
    assert ask(bench, do="hold", texts=["ON THE PHONE"], look="oled", hold_ms=500) == {"ok": True}
    code = camera.read(WAIT_S)
    camera.close()
    assert isinstance(code, CodeReading)
    assert code.text == "ON THE PHONE"
    deadline_s = time.monotonic() + WAIT_S
    while not (shown := ask(bench, do="shown")["shown"]):
        assert time.monotonic() < deadline_s
    assert len(shown) == 1
    assert shown[0]["sequence"] > 0


def test_what_the_camera_cannot_show_is_refused(start: Callable[..., Started]) -> None:
    bench = start("camera")[1]
    nobody_looks = ask(bench, do="hold", texts=["x"])
    assert nobody_looks["error"]["en"] == "no terminal received it: no terminal uses camera"
    camera = Camera("lens", CameraSettings(source=str(bench.ports["camera"])))
    camera.open()
    for wrong in ({"look": "rosy"}, {"symbology": "runes"}, {"symbology": "ean-13"}):
        answer = ask(bench, do="hold", texts=["x"], **wrong)
        assert answer["ok"] is False
        assert "no terminal" not in answer["error"]["en"]
    camera.close()
    assert ask(bench, do="trouble", trouble="frozen") == {"ok": True}
    assert ask(bench, do="hold") == {"ok": True}


def test_the_library_is_unplugged_and_comes_back_where_it_was_with_all_that_was_lent(
    start: Callable[..., Started],
) -> None:
    bench = start("library")[1]
    host, _, port = bench.ports["library"].read_text().strip().partition(":")
    with socket.create_connection((host, int(port)), WAIT_S) as link, link.makefile("rwb") as stream:
        stream.write(b"11NN20261126    120000                  AOcity|AAp1|AB310000000001|AC|\r")
        stream.flush()
        assert stream.read(3) == b"121"
        ask(bench, do="unplug", device="library")
        assert stream.read().startswith(b"NNY")  # the rest, and the end
    assert not bench.ports["library"].exists()
    ask(bench, do="replug", device="library")
    assert bench.ports["library"].read_text().strip() == f"{host}:{port}"
    state = ask(bench, do="library")["library"]
    assert state["loans"] == {"310000000001": "p1"}
    assert [(move["act"], move["no_block"]) for move in state["moves"]] == [("out", False)]


def test_what_the_library_refused_is_told_from_what_was_done() -> None:
    shelves = Shelves()
    for item in ("310000000090", "310000000001"):
        shelves.answer(f"11NN20261126    120000                  AOcity|AAp1|AB{item}|AC|")
    assert [(move.item, move.done) for move in shelves.moves] == [("310000000090", False), ("310000000001", True)]
