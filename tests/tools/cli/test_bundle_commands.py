"""``onecard bundles``: what a terminal holds, and a stick that means harm."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.tools.cli.test_trust import Desk, keys, terminal

__all__ = ["keys"]


@pytest.fixture
def desk(keys: Path, tmp_path: Path) -> Desk:
    return Desk(Path(shutil.copytree(keys, tmp_path / "desk")))


async def test_bundles_come_from_a_stick_are_listed_and_shown(desk: Desk) -> None:
    first, second = await desk.status(1, "3\n"), await desk.status(2, "4\n")
    assert (await desk.good("bundles", "list", "--state-dir", "state")).out.startswith("no bundle is installed")
    await desk.good("bundles", "verify", second, "--state-dir", "state")
    async with terminal(desk):
        assert (await desk.good("bundles", "install", second, "--state-dir", "state")).out == f"{second}: installed\n"
        older = await desk.onecard("bundles", "install", first, "--state-dir", "state")
        assert (older.exit_code, "never rolled back" in older.out) == (1, True)
        listed = (await desk.good("bundles", "list", "--state-dir", "state", "--json")).json
    assert isinstance(listed["installed"], list)
    assert [(row["name"], row["version"], row["freshness"]) for row in listed["installed"]] == [
        ("status-7", 2, "fresh")
    ]
    assert isinstance(listed["refused"], list)
    assert [row["code"] for row in listed["refused"]] == ["rollback"]
    said = (await desk.onecard("bundles", "list", "--state-dir", "state", lang="zh")).out
    assert "status-7 2：吊销名单，有效期内" in said
    assert "已有更新的版本" in said
    assert "version: 2" in (await desk.good("bundles", "show", "status-7", "--state-dir", "state")).out
    unknown = await desk.onecard("bundles", "show", "status\n8", "--state-dir", "state")
    assert (unknown.exit_code, "no bundle named status?8" in unknown.err) == (1, True)


async def test_what_became_of_a_file_is_said_in_chinese_as_chinese_is_written(desk: Desk) -> None:
    done = await desk.onecard("bundles", "install", "none.bundle", "--state-dir", "state", lang="zh")
    assert (done.exit_code, done.out.startswith("none.bundle：文件无法读取")) == (1, True), done


async def test_each_thing_on_a_hostile_stick_has_its_reason_and_the_good_one_is_installed(desk: Desk) -> None:
    good = desk.home / await desk.status(1, "3\n")
    stick = desk.home / "stick"
    stick.mkdir()
    content = good.read_bytes()
    (stick / "a-link.bundle").symlink_to(good)
    os.mkfifo(stick / "b-fifo.bundle")
    (stick / "c-folder.bundle").mkdir()
    with (stick / "d-sparse.bundle").open("wb") as file:
        file.truncate(1 << 40)
    with (stick / "e-longer.bundle").open("wb") as file:
        file.write(content)
        file.truncate(1 << 29)
    (stick / "f-altered.bundle").write_bytes(content[:60] + bytes([content[60] ^ 1]) + content[61:])
    (stick / "g-short.bundle").write_bytes(content[:-1])
    (stick / "h-two\nlines\x1b[2J.bundle").write_bytes(b"junk")
    (stick / "i-good.bundle").write_bytes(content)
    async with terminal(desk) as bundles:
        done = await desk.onecard("bundles", "install", "stick", "--state-dir", "state")
        assert bundles.lists.current().status[7].revoked(3)
    said = {line.split(".bundle: ")[0]: line for line in done.out.splitlines()}
    assert done.exit_code == 1
    assert len(said) == 9
    assert "\x1b" not in done.out
    for name, words in (
        ("a-link", "symbolic link"),
        ("b-fifo", "no plain file"),
        ("c-folder", "is a directory"),
        ("d-sparse", "at most"),
        ("e-longer", "cut short or too long"),
        ("f-altered", "not"),
        ("g-short", "cut short or too long"),
        ("h-two?lines?[2J", "no bundle file"),
        ("i-good", "installed"),
    ):
        assert words in said[name], (name, said[name])
    left = [path.name for path in (desk.state_dir / "bundles").rglob("*.bundle")]
    assert left == []  # nothing of the stick was copied but what was installed


async def test_what_nobody_signed_stays_on_the_stick_unless_new_keys_come_with_it(desk: Desk) -> None:
    await desk.good("trust", "keygen", "new.pem")
    await desk.good(
        *("trust", "keys", "--public", "root", "root.pem.pub", "--public", "bundle", "new.pem.pub"),
        *("--key", "root.pem", "--version", "1", "-o", "keys.bundle", "--yes"),
    )
    file = await desk.status(1, "5\n")
    (desk.home / file).rename(desk.home / "old.bundle")
    await desk.good(
        *("status-list", "build", "--issuer", "7", "--entries", "1000", "--revoked", "-", "--version", "1"),
        *("--key", "new.pem", "-o", file),
        stdin="6\n",
    )
    refused = await desk.onecard("bundles", "install", file, "--state-dir", "state")
    assert (refused.exit_code, "not to be trusted" in refused.out) == (1, True)
    (desk.state_dir / "keys").chmod(0o755)
    waiting = await desk.good("bundles", "install", file, "--state-dir", "state", "--wait-s", "0", "--json")
    assert waiting.json["state"] == "waiting", "who may not read the keys leaves it to the terminal"
    (desk.state_dir / "keys").chmod(0o700)
    async with terminal(desk) as bundles:
        await desk.good("bundles", "install", file, "keys.bundle", "--state-dir", "state")
        assert bundles.lists.current().status[7].revoked(6)
