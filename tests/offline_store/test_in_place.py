"""A file that is replaced where it lies: on a full disk, and through writes that were cut off."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from offline_store.in_place import InPlace
from tests.offline_store.small_disk import fill

HALF_BYTES = 4_096


def made(directory: Path) -> InPlace:
    file = InPlace(directory / "count", HALF_BYTES)
    assert file.make()
    return file


def test_what_was_written_last_is_read_also_by_another_start(tmp_path: Path) -> None:
    file = made(tmp_path)
    assert file.read() == b""
    for number in range(5):
        file.write(b"%d" % number)
        assert file.read() == b"%d" % number
        assert InPlace(tmp_path / "count", HALF_BYTES).read() == b"%d" % number
    assert made(tmp_path).read() == b"4", "making it again takes nothing away"


@pytest.mark.parametrize("cut_after", [0, 1, 20, 60])
def test_a_write_that_was_cut_off_leaves_the_one_before(tmp_path: Path, cut_after: int) -> None:
    file = made(tmp_path)
    file.write(b"one")
    before = (tmp_path / "count").read_bytes()
    file.write(b"two" * 20)
    after = (tmp_path / "count").read_bytes()
    place = next(at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new)
    place -= place % HALF_BYTES
    (tmp_path / "count").write_bytes(before[:place] + after[place:][:cut_after] + before[place + cut_after :])
    again = InPlace(tmp_path / "count", HALF_BYTES)
    assert again.read() == b"one"
    again.write(b"three")
    assert InPlace(tmp_path / "count", HALF_BYTES).read() == b"three"


def test_a_full_disk_takes_it_and_the_file_never_grows(small_disk: Path) -> None:
    file = made(small_disk)
    fill(small_disk)
    assert not InPlace(small_disk / "another", HALF_BYTES).make()
    assert not (small_disk / "another").exists()
    for number in range(20):
        file.write(b"%d" % number * 1_000)
    assert file.read() == b"19" * 1_000
    assert (small_disk / "count").stat().st_size == 2 * HALF_BYTES


@pytest.mark.parametrize("room_bytes", [0, 4_096, 8_191])
def test_a_disk_with_room_for_a_part_of_it_gets_none(small_disk: Path, room_bytes: int) -> None:
    room = small_disk / "room"
    room.write_bytes(bytes(room_bytes))
    fill(small_disk)
    room.unlink()
    assert not InPlace(small_disk / "count", 4 * HALF_BYTES).make()
    assert not (small_disk / "count").exists()


def test_what_does_not_fit_is_refused_and_what_was_never_made_is_not_begun(tmp_path: Path) -> None:
    file = made(tmp_path)
    file.write(bytes(file.room_bytes))
    with pytest.raises(ValueError, match="at most"):
        file.write(bytes(file.room_bytes + 1))
    with pytest.raises(FileNotFoundError) as missing:
        InPlace(tmp_path / "another", HALF_BYTES).write(b"one")
    assert missing.value.errno == errno.ENOENT


def test_a_file_that_was_not_made_to_its_end_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "count").write_bytes(bytes(100))
    assert made(tmp_path).read() == b""
    assert (tmp_path / "count").stat().st_size == 2 * HALF_BYTES
