"""What in a state directory is the terminal's own, so that nothing else is ever taken for it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from agent.bundles.install import DIRECTORY as BUNDLES
from agent.composition import keys_dir
from agent.configuration.shelf import DIRECTORY as CONFIGURATIONS
from agent.keys import Own
from agent.machine_secret import SALT_FILE
from agent.permits.socket import NAME as SERVICE
from agent.standing_socket import NAME as SOCKET
from agent.stick_acks import NAME as STICK_ACK
from agent.sync.metrics import NAME as LINK
from offline_store.aside import READY, STAGING
from offline_store.database import DATABASE_NAME
from offline_store.lock import LOCK_NAME
from offline_store.reserve import OPENING_NAME, RESERVE_NAME
from offline_store.unrecorded import NAME as UNRECORDED
from offline_store.whole_file import drafted

_BESIDE = frozenset(
    {
        *(BUNDLES, CONFIGURATIONS, STAGING, READY, SOCKET, SERVICE, STICK_ACK, f"{Path(STICK_ACK).stem}.part"),
        *(f".{SOCKET}", f".{SERVICE}", LINK, f".{LINK}", RESERVE_NAME, OPENING_NAME, UNRECORDED, "fire.latch"),
    }
)
_DAMAGED = re.compile(r"damaged-\d{1,10}")
_JOURNAL = (f"{DATABASE_NAME}-journal", f"{DATABASE_NAME}-shm", f"{DATABASE_NAME}-wal", DATABASE_NAME)


def is_own(state_dir: Path, name: str) -> bool:
    """Whether a name in a state directory is one that the terminal gives."""
    return _is_beside(name) or name in (*_JOURNAL, LOCK_NAME, keys_dir(state_dir).name)


def is_a_terminals(state_dir: Path) -> bool:
    """Whether a terminal kept its journal or keys here; its lock is what a removal that was cut short leaves last."""
    keys = keys_dir(state_dir)
    marks = (state_dir / DATABASE_NAME, state_dir / LOCK_NAME, keys / SALT_FILE, keys / Own.CHECKPOINT)
    return any(mark.is_file() and not mark.is_symlink() for mark in marks)


def remove_own(state_dir: Path) -> list[str]:
    """Remove what is the terminal's, the journal after what lies beside it; the names of what is left.

    The keys were wiped before. Raises ``OSError``; repeated, it goes on.
    """
    beside = [path for path in state_dir.iterdir() if _is_beside(path.name)]
    for path in (*beside, *(state_dir / name for name in _JOURNAL)):
        _remove(path)
    keys = keys_dir(state_dir)
    if keys.is_dir() and not any(keys.iterdir()):
        keys.rmdir()
    _remove(state_dir / LOCK_NAME)
    return sorted(path.name for path in state_dir.iterdir())


def _is_beside(name: str) -> bool:
    """A draft of such a file, which a power cut left, is the terminal's too."""
    name = drafted(name) or name
    return name in _BESIDE or _DAMAGED.fullmatch(name) is not None


def _remove(path: Path) -> None:
    """A link goes, what it points to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
