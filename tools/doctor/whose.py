"""Whose a device or socket is, in words: what a technician compares with the terminal's user and groups."""

from __future__ import annotations

import grp
import pwd
import stat
from pathlib import Path

from profiles.reasons import Sentence

_FIRST_PERSON = 1_000
"""Numbers below are the system's users; a person's name is said nowhere."""


def whose(path: Path) -> Sentence:
    """Owner, group and mode of what stands there."""
    try:
        status = path.stat()
    except OSError:
        return Sentence("看不到文件", "no file can be seen there")
    owner, group = _user(status.st_uid), _group(status.st_gid)
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    return Sentence(f"属于 {owner}:{group}，权限 {mode}", f"it is {owner}:{group}'s, mode {mode}")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name if uid < _FIRST_PERSON else str(uid)
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name if gid < _FIRST_PERSON else str(gid)
    except KeyError:
        return str(gid)
