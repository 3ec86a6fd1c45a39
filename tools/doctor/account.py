"""Who checks: a check by root says nothing of what the terminal's own user may do."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = 0
_UNIT_GROUPS = ("dialout", "video", "plugdev")
"""Which the systemd unit adds to the user's own (``SupplementaryGroups=``)."""


@contextmanager
def as_owner(state_dir: Path) -> Iterator[None]:
    """Within it root is the user that owns the terminal's directory, with the unit's groups; others stay themselves."""
    try:
        owner = state_dir.stat().st_uid
    except OSError:
        owner = _ROOT
    if os.geteuid() != _ROOT or owner == _ROOT:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    own = _groups_of(owner)
    os.setgroups(own)
    os.setegid(own[0])
    os.seteuid(owner)
    try:
        yield
    finally:
        os.seteuid(_ROOT)
        os.setegid(group)
        os.setgroups(groups)


def _groups_of(owner: int) -> list[int]:
    """The user's own group first; a user that nobody knows has the unit's groups alone, behind its number."""
    given = [group.gr_gid for group in grp.getgrall() if group.gr_name in _UNIT_GROUPS]
    try:
        known = pwd.getpwuid(owner)
    except KeyError:
        return [owner, *given]
    return [known.pw_gid, *os.getgrouplist(known.pw_name, known.pw_gid), *given]
