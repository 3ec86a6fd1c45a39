"""``onecard watch`` and ``onecard status`` beside a running terminal: a table, a pipe, JSON, both languages."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.standing import DeviceNow, Standing
from drivers.api import ReaderFault
from drivers.virtual.bench import Plug
from tests.agent.test_standing_socket import wait_for_answer
from tests.scenarios.site import Site, gate
from tools.cli import standing_words

DEADLINE_S = 20.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with gate(tmp_path_factory.mktemp("gate")) as site:
        wait_for_answer(site.state_dir)
        yield site


def onecard(state_dir: Path, command: str, *arguments: str, lang: str = "en") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent", command, "--state-dir", str(state_dir), *arguments],
        env=os.environ | {"ONECARD_LANG": lang},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_a_line_of_json_is_what_the_terminal_says(site: Site) -> None:
    code, said = onecard(site.state_dir, "watch", "--json", "--for", "0")
    assert code == 0
    told = Standing.model_validate_json(said)
    assert (told.terminal, told.in_service) == (site.terminal_id, True)
    assert {device.name for device in told.devices} == {"card-slot", "card-field", "scanner", "board"}


@pytest.mark.parametrize(("lang", "words"), [("en", ("in service", "ready")), ("zh", ("受理中", "正常"))])
def test_in_a_pipe_the_table_is_printed_once(site: Site, lang: str, words: tuple[str, ...]) -> None:
    code, said = onecard(site.state_dir, "watch", lang=lang)
    assert code == 0
    for word in (*words, "card-field", "board"):
        assert word in said
    assert "\x1b" not in said


def test_at_a_terminal_the_table_renews_itself_and_no_color_is_heeded(site: Site) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-P", "-m", "agent", "watch", "--state-dir", str(site.state_dir)]
    environment = os.environ | {"ONECARD_LANG": "en", "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        seen = b""
        while b"card-field" not in seen:
            seen += os.read(master, 65_536)
        site.devices.ask(Plug(do="unplug", device="pn532"))
        while ReaderFault.UNPLUGGED.en.encode() not in seen and ReaderFault.NOT_FOUND.en.encode() not in seen:
            seen += os.read(master, 65_536)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0, "which is how one ends watching"
    seen += os.read(master, 65_536)
    os.close(master)
    assert b"Aborted" not in seen
    assert b"\x1b[31m" not in seen
    site.devices.ask(Plug(do="replug", device="pn532"))


def test_the_status_says_how_the_terminal_does_where_it_has_no_platform(site: Site) -> None:
    code, said = onecard(site.state_dir, "status")
    assert code == 0
    assert f"terminal {site.terminal_id}: in service" in said
    _, said = onecard(site.state_dir, "status", "--json")
    assert Standing.model_validate(json.loads(said)["terminal"]).in_service


@pytest.mark.parametrize(("lang", "words"), [("en", "does not run"), ("zh", "没有运行")])
def test_where_nobody_answers_that_is_a_sentence(tmp_path: Path, lang: str, words: str) -> None:
    code, said = onecard(tmp_path, "watch", lang=lang)
    assert code == 1
    assert words in said


def test_what_a_device_says_is_no_markup() -> None:
    said = standing_words.device(DeviceNow(name="x", state="failed", reason="busy", detail="[red]/dev/x[/red]"))
    assert said == f"{ReaderFault.BUSY.en} ([red]/dev/x[/red])"
