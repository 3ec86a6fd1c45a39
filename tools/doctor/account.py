"""Who checks: a check by root says nothing of what the terminal's own user may do."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = 0


@contextmanager
def as_owner(state_dir: Path) -> Iterator[None]:
    """Within it root is the user that owns the terminal's directory, with its groups; anybody else stays who he is."""
    try:
        owner = state_dir.stat().st_uid
    except OSError:
        owner = _ROOT
    if os.geteuid() != _ROOT or owner == _ROOT:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    try:
        known = pwd.getpwuid(owner)
        os.initgroups(known.pw_name, known.pw_gid)
        os.setegid(known.pw_gid)
    except KeyError:
        os.setgroups([])
    os.seteuid(owner)
    try:
        yield
    finally:
        os.seteuid(_ROOT)
        os.setegid(group)
        os.setgroups(groups)
