"""Where the virtual devices of a terminal are found: a short path, since a Unix socket's may hold 107 bytes only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PLACEHOLDER = "${virtual}"
PLACE = "XDG_RUNTIME_DIR"
"""The environment's name for a directory of the user's own, where they are wherever it is set."""


def virtual_dir(terminal_id: str) -> Path:
    """The directory of a terminal's virtual devices: same user, same terminal, same place in every shell."""
    base = os.environ.get(PLACE)
    home = Path(base) / "onecard" if base else Path(tempfile.gettempdir()) / f"onecard-{os.getuid()}"
    return home / terminal_id
