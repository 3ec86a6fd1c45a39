"""Whose files a provisioned box has: a technician is root, and the terminal never is.

Where root provisions a state directory that belongs to the terminal's user, as the package makes it, keys and journal
are made as that user, and root comes back for one moment only, to write the configuration below `/etc`.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """The terminal's user, as whom this process acts."""

    uid: int
    gid: int

    @contextmanager
    def as_root(self) -> Iterator[None]:
        """Act as root again within the block."""
        os.seteuid(0)
        try:
            yield
        finally:
            os.seteuid(self.uid)

    @property
    def root_and_group(self) -> tuple[int, int]:
        """Whose the files are that the terminal's user may read and may not change."""
        return 0, self.gid


def act_as_owner(state_dir: Path) -> Owner | None:
    """Become the owner of a state directory that is not root's; ``None`` where nobody else is. Raises ``OSError``."""
    if os.geteuid() != 0 or not state_dir.is_dir():
        return None
    status = state_dir.stat()
    if status.st_uid == 0:
        return None
    owner = Owner(status.st_uid, status.st_gid)
    os.setgroups(_groups(owner))
    os.setegid(owner.gid)
    os.seteuid(owner.uid)
    return owner


def _groups(owner: Owner) -> list[int]:
    """Those that reach serial ports and cameras too."""
    try:
        return os.getgrouplist(pwd.getpwuid(owner.uid).pw_name, owner.gid)
    except KeyError:
        return [owner.gid]
