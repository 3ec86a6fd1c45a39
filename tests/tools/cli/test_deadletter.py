"""``onecard deadletter``: what a terminal did not take is kept, looked at, and judged once more on request."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.tools.cli.test_trust import Desk, keys, terminal
from tools.cli import bundle_commands
from tools.cli.deadletter import deadletter

__all__ = ["keys"]


@pytest.fixture
def desk(keys: Path, tmp_path: Path) -> Desk:
    return Desk(Path(shutil.copytree(keys, tmp_path / "desk")))


async def test_what_was_refused_is_listed_and_taken_once_its_cause_is_gone(desk: Desk) -> None:
    first, delta = await desk.status(1, "3\n"), "delta.bundle"
    await desk.good("status-list", "delta", first, await desk.status(2, "4\n"), "--key", "bundle.pem", "-o", delta)
    async with terminal(desk) as bundles:
        refused = await desk.onecard("bundles", "install", delta, "--state-dir", "state")
        assert refused.exit_code == 1, "it has no base yet"
        listed = (await desk.good("deadletter", "list", "--state-dir", "state", "--json")).json
        assert isinstance(listed["bundles"], list)
        ((name, code),) = [(row["file"], row["code"]) for row in listed["bundles"]]
        assert code == "wrong-base"
        said = (await desk.onecard("deadletter", "list", "--state-dir", "state", lang="zh")).out
        assert name in said
        assert "onecard deadletter replay" in said

        again = await desk.onecard("deadletter", "replay", name, "--state-dir", "state")
        assert (again.exit_code, name in again.out) == (1, True), "its cause is still there"
        await desk.good("bundles", "install", first, "--state-dir", "state")
        taken = await desk.good("deadletter", "replay", "--all", "--state-dir", "state", "--json")
        assert taken.json == {"file": name, "state": "installed"}
        assert bundles.lists.current().status[7].revoked(4)
    assert (await desk.good("deadletter", "list", "--state-dir", "state")).out.startswith("nothing was refused")


def typed(desk: Desk, *arguments: str) -> Result:
    """The same where no terminal runs, in this process."""
    where = ("--state-dir", str(desk.state_dir))
    return CliRunner().invoke(deadletter, [*arguments, *where], env={"ONECARD_LANG": "en"})


def test_a_damaged_journal_is_named_with_the_way_to_its_records(desk: Desk) -> None:
    aside = desk.state_dir / "damaged-2"
    aside.mkdir()
    (aside / "journal.db").write_bytes(b"what is left of it")
    listed = json.loads(typed(desk, "list", "--json").stdout)
    assert listed["journals"] == [{"directory": str(aside), "size_bytes": 18}]
    assert f"onecard salvage {aside} --to" in typed(desk, "list").stdout


DAMAGED = {
    "empty": b"",
    "a list": b"[1]",
    "no text": b"\xff\xfe",
    "deep": b"[" * 50_000,
    "endless": b" " * (1 << 20),
    "a part": b'{"code": "rollback", "zh": 1}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_reason_is_an_unknown_one_and_keeps_nothing_from_being_judged_again(
    desk: Desk, content: bytes
) -> None:
    refused = desk.state_dir / "bundles" / "refused"
    refused.mkdir(parents=True)
    (refused / "late.bundle").write_bytes(b"junk")
    (refused / "late.bundle.json").write_bytes(content)
    row = {"file": "late.bundle", "code": "unknown", "zh": "原因未知", "en": "the reason is unknown"}
    assert json.loads(typed(desk, "list", "--json").stdout)["bundles"] == [row]
    assert "late.bundle: the reason is unknown" in typed(desk, "list").stdout
    held = CliRunner().invoke(bundle_commands.bundles, ["list", "--state-dir", str(desk.state_dir), "--json"])
    assert json.loads(held.stdout)["refused"] == [row]
    done = typed(desk, "replay", "--all", "--wait-s", "0", "--json")
    assert json.loads(done.stdout) == {"file": "late.bundle", "state": "waiting"}
    assert list(refused.iterdir()) == []


def test_what_only_points_elsewhere_is_no_reason_no_bundle_and_no_size(desk: Desk) -> None:
    refused, aside = desk.state_dir / "bundles" / "refused", desk.state_dir / "damaged-1"
    refused.mkdir(parents=True)
    aside.mkdir()
    (refused / "late.bundle").write_bytes(b"junk")
    (refused / "late.bundle.json").symlink_to("nowhere")
    (refused / "link.bundle").symlink_to("nowhere")
    (refused / "folder.bundle").mkdir()
    (aside / "journal.db").write_bytes(b"what is left of it")
    (aside / "journal.db-wal").symlink_to("nowhere")
    done = typed(desk, "list", "--json")
    assert done.exit_code == 0, done.exception
    assert [(row["file"], row["code"]) for row in json.loads(done.stdout)["bundles"]] == [("late.bundle", "unknown")]
    assert len(json.loads(done.stdout)["journals"]) == 1


@pytest.mark.parametrize("name", ["../../keys/tls.pem", "nobody.bundle", "two\nlines.bundle"])
def test_only_what_was_refused_is_judged_again(desk: Desk, name: str) -> None:
    done = typed(desk, "replay", name)
    assert (done.exit_code, "was refused" in done.stderr, done.stderr.count("\n")) == (1, True, 1)
    assert (desk.state_dir / "keys" / "checkpoint.pem").exists()
    assert not list(desk.state_dir.glob("bundles/incoming/*"))


def test_without_a_running_terminal_it_waits_for_one(desk: Desk) -> None:
    refused = desk.state_dir / "bundles" / "refused"
    refused.mkdir(parents=True)
    (refused / "late.bundle").write_bytes(b"junk")
    done = typed(desk, "replay", "--all", "--wait-s", "0", "--json")
    assert json.loads(done.stdout) == {"file": "late.bundle", "state": "waiting"}
    assert (desk.state_dir / "bundles" / "incoming" / "late.bundle").exists()
    nothing = typed(desk, "replay", "--all")
    assert (nothing.exit_code, "nothing was refused" in nothing.stdout) == (0, True)
