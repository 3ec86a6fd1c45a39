"""Whatever lies on a stick: read if it is a plain, bounded file, else one sentence, and never a wait."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from agent.stick_files import MAX_NAME_CHARS, StickError, open_plain, open_to_go_on, read_plain, shown, write_plain
from offline_store.whole_file import replace_whole


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


def test_a_file_is_written_where_the_file_system_knows_neither_modes_nor_the_syncing_of_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As FAT that somebody else mounted (EPERM), and file systems in user space (EINVAL), answer; none is here."""
    synced: list[int] = []
    fsync = os.fsync

    def refuse_directories(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    def refuse_modes(descriptor: int, mode: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    (tmp_path / "gate-1.ack").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", refuse_directories)
    monkeypatch.setattr(os, "fchmod", refuse_modes)
    write_plain(tmp_path / "gate-1.ack", b"newer")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("gate-1.ack", b"newer")]
    assert synced == [5], "its content is on the stick all the same"
    with pytest.raises(PermissionError):
        replace_whole(tmp_path / "key.pem", b"secret")  # a disk of our own has to do both


def test_a_name_moves_nobodys_cursor() -> None:
    assert shown("a\nb\x1b[2Jc\udcff") == "a?b?[2Jc?"
    assert len(shown("x" * 5_000)) == MAX_NAME_CHARS + 1
