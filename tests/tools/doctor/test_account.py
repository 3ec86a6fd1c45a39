"""Root checks as the terminal's own user: what root may do says nothing of what the terminal may."""

from __future__ import annotations

import os
from pathlib import Path

from tests.faults.privilege import refused
from tools.doctor.account import as_owner

SOMEBODY = 4711


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
