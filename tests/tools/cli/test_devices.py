"""``onecard devices``: lists, watches, and writes what was found into a configuration, of which it leaves the rest."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.config import load
from drivers.pn532 import Pn532Settings
from drivers.virtual.pcscd import VirtualPcscd
from drivers.virtual.pn532 import VirtualPn532
from drivers.virtual.relay import VirtualRelay
from drivers.virtual.scanner import VirtualScanner
from tests.tools.cli import in_process
from tools.cli.presets import preset_text

DEADLINE_S = 20.0


@dataclass
class Box:
    """What a technician has plugged in: a field, a board and a scanner."""

    directory: Path
    field: VirtualPn532
    board: VirtualRelay
    scanner: VirtualScanner

    @property
    def ports(self) -> list[str]:
        return [f"--port={self.directory / name}" for name in ("field", "board", "scanner")]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    board = VirtualRelay(tmp_path / "board", {"gate": 0}, {"passage": 0})
    made = Box(tmp_path, VirtualPn532(tmp_path / "field"), board, VirtualScanner(tmp_path / "scanner"))
    for device in (made.field, made.board, made.scanner.port):
        device.plug()
    yield made
    for device in (made.field, made.board, made.scanner.port):
        device.unplug()


def onecard(*arguments: str, answer: str = "", lang: str = "en") -> tuple[int, str]:
    environment = {"ONECARD_LANG": lang}
    done = in_process.onecard(Path.cwd(), "devices", *arguments, stdin=answer, environment=environment)
    return done.exit_code, done.out + done.err


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gate.yaml"
    path.write_text(preset_text("gate"), encoding="utf-8")
    path.chmod(0o640)
    return path


def test_what_is_there_is_listed_in_both_languages(box: Box, pcscd: VirtualPcscd) -> None:
    code, said = onecard("list", "--json", *box.ports)
    assert code == 0
    rows = {row["address"]: row for row in json.loads(said)}
    assert rows[str(box.directory / "field")]["kind"] == "serial"
    assert sum(row["kind"] == "pcsc" for row in rows.values()) == 4
    assert "pcscd lists it" in onecard("list")[1]
    assert "读卡服务 pcscd 列出了它" in onecard("list", lang="zh")[1]


def test_the_addresses_go_into_the_file_and_nothing_else_changes(box: Box, config: Path, pcscd: VirtualPcscd) -> None:
    before = config.read_text(encoding="utf-8")
    code, said = onecard("write", str(config), *box.ports, answer="y\n")
    assert code == 0, said
    assert f"card-field: ${{virtual}}/pn532 → {box.directory / 'field'}" in said
    after = config.read_text(encoding="utf-8")
    expected = before
    for old, new in (("pn532", "field"), ("relay", "board"), ("scanner", "scanner")):
        expected = expected.replace(f"port: ${{virtual}}/{old}", f'port: "{box.directory / new}"')
    assert after == expected  # the comments, and the PC/SC reader that is there already
    settings = load(config).devices["card-field"]
    assert isinstance(settings, Pn532Settings)
    assert settings.port == str(box.directory / "field")
    assert config.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in config.parent.iterdir()) == ["board", "field", "gate.yaml", "scanner"]
    assert "nothing to write" in onecard("write", str(config), *box.ports)[1]


def test_who_says_no_changes_nothing(box: Box, config: Path) -> None:
    before = config.read_bytes()
    code, _ = onecard("write", str(config), *box.ports, answer="n\n")
    assert code == 1
    assert config.read_bytes() == before


def test_a_link_stays_a_link_and_line_ends_stay_as_they_are(box: Box, config: Path) -> None:
    config.write_bytes(config.read_bytes().replace(b"\n", b"\r\n"))
    link = config.with_name("link.yaml")
    link.symlink_to(config.name)
    before = config.read_bytes()
    code, said = onecard("write", str(link), *box.ports, "--yes")
    assert code == 0, said
    assert link.is_symlink()
    after = config.read_bytes()
    assert after != before
    assert after.count(b"\r\n") == after.count(b"\n") == before.count(b"\n")


def test_where_two_would_fit_a_person_chooses(box: Box, config: Path) -> None:
    other = VirtualPn532(box.directory / "other")
    other.plug()
    ports = [*box.ports, f"--port={other.path}"]
    _, said = onecard("write", str(config), *ports, "--yes", "--json")
    assert "card-field" not in json.loads(said.splitlines()[0])["changed"]
    _, said = onecard("write", str(config), *ports, "--yes", "--json", "--use", f"card-field={other.path}")
    assert json.loads(said.splitlines()[0])["changed"] == {"card-field": str(other.path)}
    other.unplug()


def test_what_would_make_the_configuration_invalid_is_not_written(box: Box, config: Path) -> None:
    before = config.read_bytes()
    taken = str(box.directory / "board")
    use = ("--use", f"card-field={taken}", "--use", f"board={taken}")
    code, said = onecard("write", str(config), "--yes", *use)
    assert code == 1
    assert "serves card-field already" in said or "serves board already" in said
    assert config.read_bytes() == before


@pytest.mark.parametrize(("lang", "words"), [("en", "wants DEVICE=ADDRESS"), ("zh", "应为 设备=地址")])
def test_a_device_that_the_file_does_not_have_is_a_sentence(config: Path, lang: str, words: str) -> None:
    code, said = onecard("write", str(config), "--yes", "--use", "nothing=/dev/x", lang=lang)
    assert code == 2
    assert words in said


def test_arrivals_and_removals_are_shown_as_they_happen(box: Box) -> None:
    command = [sys.executable, "-P", "-m", "agent", "devices", "watch", "--json", *box.ports]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        deadline_s = time.monotonic() + DEADLINE_S
        seen: list[tuple[str, str]] = []

        def wait_for(change: str) -> None:
            while (change, str(box.directory / "field")) not in seen:
                assert time.monotonic() < deadline_s
                assert process.stdout is not None
                row = json.loads(process.stdout.readline())
                seen.append((row["change"], row["address"]))

        wait_for("arrived")
        box.field.unplug()
        wait_for("left")
        process.terminate()


def test_ctrl_c_is_how_one_ends_watching(tmp_path: Path, pcscd: VirtualPcscd, monkeypatch: pytest.MonkeyPatch) -> None:
    def ctrl_c(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", ctrl_c)
    done = in_process.onecard(tmp_path, "devices", "watch", environment={"ONECARD_LANG": "en"})
    assert (done.exit_code, done.err) == (0, "")
