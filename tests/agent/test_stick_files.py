"""Whatever lies on a stick: read if it is a plain, bounded file, else one sentence, and never a wait."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from agent.stick_files import MAX_NAME_CHARS, StickError, open_plain, open_to_go_on, read_plain, shown


def test_a_plain_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert read_plain(tmp_path / "file", 7) == b"content"


def test_what_is_no_plain_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path, words in (
            (tmp_path / "link", "symbolic link"),
            (tmp_path / "loop", "symbolic link"),
            (tmp_path / "folder", "is a directory"),
            (tmp_path / "fifo", "no plain file"),
            (tmp_path / "socket", "no plain file"),
            (Path("/dev/zero"), "no plain file"),
            (tmp_path / "none", "does not exist"),
        ):
            with pytest.raises(StickError, match=words):
                open_plain(path, 1 << 20)
            if words != "does not exist":
                with pytest.raises(StickError, match=words):
                    open_to_go_on(path)


def test_a_sparse_file_of_a_terabyte_is_refused_by_its_length(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(StickError, match="at most 1048576"):
        read_plain(tmp_path / "huge", 1 << 20)


def test_a_file_is_made_once_and_gone_on_with(tmp_path: Path) -> None:
    for piece in (b"one", b"two"):
        with open_to_go_on(tmp_path / "file") as file:
            file.seek(0, os.SEEK_END)
            file.write(piece)
    assert (tmp_path / "file").read_bytes() == b"onetwo"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_a_name_moves_nobodys_cursor() -> None:
    assert shown("a\nb\x1b[2Jc\udcff") == "a?b?[2Jc?"
    assert len(shown("x" * 5_000)) == MAX_NAME_CHARS + 1
