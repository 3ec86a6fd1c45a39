"""Text screens: what is shown replaces what was there, no byte is a command, and a wiped file holds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.api import ReaderError, ReaderFault
from drivers.screen import CLEAR, ScreenSettings, TextScreen
from tests.drivers.test_printer import _Paper


def test_a_serial_screen_is_cleared_before_it_shows(tmp_path: Path) -> None:
    wire = _Paper(tmp_path / "screen")
    screen = TextScreen("s", ScreenSettings(port=str(wire.port.path)))
    screen.open()
    screen.show_lines(("余额", "a\x1b[2Jb"))
    assert wire.until(b"b").endswith(CLEAR + "余额\r\na?[2Jb".encode())
    screen.show_lines(())
    assert wire.until(CLEAR).endswith(CLEAR)
    screen.close()
    with pytest.raises(ReaderError):
        screen.show_lines(())
    wire.port.unplug()


def test_a_file_holds_what_is_shown_now_and_is_the_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "screen.txt"
    screen = TextScreen("s", ScreenSettings(port=str(path)))
    path.write_text("left from before", encoding="utf-8")
    screen.open()
    assert path.read_bytes() == b""
    screen.show_lines(("long line", "another"))
    screen.show_lines(("短",))
    assert path.read_text(encoding="utf-8") == "短\n"
    screen.show_lines(())
    assert path.read_bytes() == b""
    path.unlink()
    screen.show_lines(("x",))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_screen_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    for port, fault in (
        ("/dev/no-such-screen", ReaderFault.NOT_FOUND),
        (str(tmp_path / "no/s"), ReaderFault.NOT_FOUND),
    ):
        with pytest.raises(ReaderError) as caught:
            TextScreen("s", ScreenSettings(port=port)).open()
        assert caught.value.fault is fault
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReaderError):
        TextScreen("s", ScreenSettings(port=str(tmp_path / "link"))).open()
