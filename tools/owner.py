"""As whom a command acts: a technician is root, and the terminal never is.

Where root works on a state directory that belongs to the terminal's user, as the package makes it, what is opened and
made is that user's: keys and journal are its own, and a device that opens here opens for the terminal too.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ROOT = 0
UNIT_GROUPS = ("dialout", "video", "audio", "plugdev")
"""Which the systemd unit adds to the user's own (``SupplementaryGroups=``): serial ports, cameras, sound."""


@dataclass(frozen=True)
class Owner:
    """The terminal's user, as whom this process acts."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    @contextmanager
    def as_root(self) -> Iterator[None]:
        """Act as root again within the block."""
        os.seteuid(_ROOT)
        try:
            yield
        finally:
            os.seteuid(self.uid)

    @property
    def root_and_group(self) -> tuple[int, int]:
        """Whose the files are that the terminal's user may read and may not change."""
        return _ROOT, self.gid


def act_as_owner(state_dir: Path) -> Owner | None:
    """Become the owner of a state directory that is not root's; ``None`` where nobody else is. Raises ``OSError``."""
    owner = _owner_of(state_dir)
    if owner is not None:
        os.setgroups(owner.groups)
        os.setegid(owner.gid)
        os.seteuid(owner.uid)
    return owner


@contextmanager
def as_owner(state_dir: Path) -> Iterator[None]:
    """Within it root is the owner of the state directory; others stay themselves. Raises ``OSError``."""
    groups, group = os.getgroups(), os.getegid()
    owner = act_as_owner(state_dir)
    try:
        yield
    finally:
        if owner is not None:
            os.seteuid(_ROOT)
            os.setegid(group)
            os.setgroups(groups)


def _owner_of(state_dir: Path) -> Owner | None:
    if os.geteuid() != _ROOT or not state_dir.is_dir():
        return None
    status = state_dir.stat()
    if status.st_uid == _ROOT:
        return None
    given = tuple(group.gr_gid for group in grp.getgrall() if group.gr_name in UNIT_GROUPS)
    try:
        known = pwd.getpwuid(status.st_uid)
    except KeyError:  # a user that is a number only: never with the rights of root's group
        gid = status.st_gid or status.st_uid
        return Owner(status.st_uid, gid, (gid, *given))
    own = os.getgrouplist(known.pw_name, known.pw_gid)
    return Owner(status.st_uid, known.pw_gid, tuple(dict.fromkeys((*own, *given))))
