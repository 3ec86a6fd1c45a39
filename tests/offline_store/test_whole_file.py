"""Files that take another's place: what stays where it fails, and what nobody can plant."""

from __future__ import annotations

import errno
import io
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from offline_store.whole_file import drafted, replace_whole, whole


@contextmanager
def no_file_grows_beyond(size_bytes: int) -> Iterator[None]:
    """What a full disk does, at a size of the test's choice (setrlimit(2), ``RLIMIT_FSIZE``)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_it_takes_the_place_of_the_old_one_with_the_mode_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "terminal.yaml"
    path.write_text("old")
    replace_whole(path, b"new", 0o640, (os.geteuid(), os.getegid()))
    assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (b"new", 0o640)
    assert list(tmp_path.iterdir()) == [path]


def test_where_there_is_no_room_the_old_one_stays_alone_and_the_error_names_it(tmp_path: Path) -> None:
    path = tmp_path / "terminal.yaml"
    path.write_text("old")
    with no_file_grows_beyond(10), pytest.raises(OSError, match="too large") as failed:
        replace_whole(path, bytes(1_000), 0o640)
    assert (failed.value.errno, failed.value.filename) == (errno.EFBIG, str(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_its_bytes_are_on_the_disk_before_its_name_and_its_name_on_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        done.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed(draft: str, name: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        done.append("name")
        replace(draft, name, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    replace_whole(tmp_path / "key.pem", io.BytesIO(b"new"))
    assert done == ["file", "name", "directory"]
    assert (tmp_path / "key.pem").stat().st_mode & 0o7777 == 0o600


def test_what_somebody_planted_where_the_draft_would_be_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "others").write_text("not ours")
    (tmp_path / ".key.pem.guessed").symlink_to(tmp_path / "others")
    monkeypatch.setattr("secrets.token_hex", lambda _: "guessed")
    with pytest.raises(FileExistsError):
        replace_whole(tmp_path / "key.pem", b"new")
    assert (tmp_path / "others").read_text() == "not ours"


def test_a_link_in_its_place_goes_and_what_it_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "others").write_text("not ours")
    (tmp_path / "terminal.yaml").symlink_to(tmp_path / "others")
    replace_whole(tmp_path / "terminal.yaml", b"new", 0o640)
    assert (tmp_path / "others").read_text() == "not ours"
    assert not (tmp_path / "terminal.yaml").is_symlink()


def test_piece_by_piece_it_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "trust.1"
    with suppress(ValueError), whole(path) as draft:
        draft.file.write(b"half")
        raise ValueError("not what was signed")
    assert list(tmp_path.iterdir()) == []
    with whole(path) as draft:
        draft.file.write(b"first ")
        draft.file.flush()
        assert (draft.path.read_bytes(), path.exists()) == (b"first ", False)
        draft.file.write(b"second")
    assert path.read_bytes() == b"first second"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["n" * 255, "名" * 85, "terminal.yaml"])
def test_whatever_a_file_is_called_its_draft_has_a_name_too_and_is_known_by_it(tmp_path: Path, name: str) -> None:
    with whole(tmp_path / name) as draft:
        of = drafted(draft.path.name)
    assert of is not None
    assert name.startswith(of)
    assert drafted(name) is None
    assert [path.name for path in tmp_path.iterdir()] == [name]
