"""Where the virtual devices of a terminal are found: a short path, since a Unix socket's may hold 107 bytes only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PLACEHOLDER = "${virtual}"


def virtual_dir(terminal_id: str) -> Path:
    """The directory of a terminal's virtual devices: same user, same terminal, same place in every shell."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    home = Path(base) / "onecard" if base else Path(tempfile.gettempdir()) / f"onecard-{os.getuid()}"
    return home / terminal_id
