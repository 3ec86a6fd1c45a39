"""Root acts as the terminal's user: for good in a child of the test, since it changes who the process is."""

from __future__ import annotations

import grp
import os
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.keys import FileKeyStore
from offline_store.whole_file import replace_whole
from tests.faults.privilege import reachable, refused
from tools.owner import UNIT_GROUPS, act_as_owner, as_owner

ROOT = Path(__file__).parents[2]
OWNER, GROUP = 54_321, 54_322
SOMEBODY = 4711


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory as the package makes it, on a path that its owner reaches."""
    if os.geteuid() != 0:
        refused("directories of another user are made")
    reachable(tmp_path)
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.chown(state, OWNER, GROUP)
    return state


def in_child(act: Callable[[], None]) -> bool:
    """Whether it ended well."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException:  # noqa: BLE001 -- the child ends here, whatever it was
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def test_keys_are_the_terminals_users_and_the_configuration_is_roots(state: Path, tmp_path: Path) -> None:
    config = tmp_path / "terminal.yaml"

    def provision() -> None:
        owner = act_as_owner(state)
        assert owner is not None
        FileKeyStore.create(state / "keys").checkpoint_signer()
        with pytest.raises(PermissionError):
            config.write_text("not by this user")
        with owner.as_root():
            replace_whole(config, b"terminal: {}", 0o640, owner.root_and_group)
        assert os.geteuid() == OWNER
        assert config.read_text() == "terminal: {}"

    assert in_child(provision)
    assert {path.stat().st_uid for path in state.rglob("*")} == {OWNER}
    assert (config.stat().st_uid, config.stat().st_gid, config.stat().st_mode & 0o777) == (0, GROUP, 0o640)


def test_what_it_starts_is_that_user_for_good(state: Path) -> None:
    def start() -> None:
        owner = act_as_owner(state)
        assert owner is not None
        command = ["setpriv", "--pdeathsig", "TERM", "--", "cat", "/proc/self/status"]
        done = subprocess.run(command, user=owner.uid, group=owner.gid, stdout=subprocess.PIPE, check=True)
        said = dict(line.split(":", 1) for line in done.stdout.decode().splitlines())
        assert set(said["Uid"].split()) == {str(OWNER)}
        assert set(said["Gid"].split()) == {str(GROUP)}
        assert {grp.getgrnam(name).gr_gid for name in UNIT_GROUPS} <= set(map(int, said["Groups"].split()))
        assert int(said["CapEff"], 16) == int(said["CapPrm"], 16) == 0

    assert in_child(start)


def test_roots_own_directory_stays_roots(tmp_path: Path) -> None:
    assert act_as_owner(tmp_path) is None
    assert act_as_owner(tmp_path / "nothing") is None


def test_the_groups_that_reach_devices_are_those_of_the_unit() -> None:
    unit = (ROOT / "packaging/debian/onecard-terminal.onecard.service").read_text(encoding="utf-8")
    assert f"SupplementaryGroups={' '.join(UNIT_GROUPS)}\n" in unit


def test_root_is_the_owner_within_and_root_again_afterwards(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        refused("root becomes another user")
    before = os.geteuid(), os.getegid(), os.getgroups()
    os.chown(tmp_path, SOMEBODY, -1)
    others = tmp_path / "others"
    others.touch()
    others.chmod(0o600)
    with as_owner(tmp_path):
        assert (os.geteuid(), os.getegid()) == (SOMEBODY, SOMEBODY)
        assert not os.access(others, os.R_OK, effective_ids=True)
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before


def test_a_directory_that_is_not_there_changes_nobody(tmp_path: Path) -> None:
    before = os.geteuid()
    with as_owner(tmp_path / "none"):
        assert os.geteuid() == before
