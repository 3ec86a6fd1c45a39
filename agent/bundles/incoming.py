"""The drop folder ``<state>/bundles/incoming/``: how a bundle reaches a terminal that no network reaches.

Whoever brings a file writes it under another name and then renames it to ``<anything>.bundle``. The agent takes it
within a second: an installed one goes, a refused one stays in ``refused/`` beside ``<name>.json``, which says why.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path

from agent.bundles.errors import BundleError
from agent.bundles.install import DIRECTORY, opened
from agent.logs import log
from agent.stick_files import StickError, read_plain
from agent.words import say, why_en, why_zh
from offline_store.whole_file import drafted, replace_whole, whole

SUFFIX = ".bundle"
MAX_FILES = 256
MAX_REFUSED = 16
_NAME_MAX_BYTES = 255
_REASON_MAX_BYTES = 64 * 1024
_UNKNOWN = {"code": "unknown", "zh": "原因未知", "en": "the reason is unknown"}
_MODE = 0o644
"""Root may bring what the terminal's user reads; the folder lets nobody else in."""


class Incoming:
    """The drop folder of one terminal. Every method may raise ``OSError``."""

    def __init__(self, state_dir: Path) -> None:
        self.directory = state_dir / DIRECTORY / "incoming"
        self.refused = state_dir / DIRECTORY / "refused"

    def make(self) -> None:
        """Make the folders where they are missing."""
        for directory in (self.directory, self.refused):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Remove drafts that a power cut left. Whoever brings a file at this very moment is told, and does it again."""
        for directory in (self.directory, self.refused):
            for path in directory.iterdir():
                if drafted(path.name) is not None and _is_plain_file(path):
                    try:
                        path.unlink(missing_ok=True)
                    except OSError as error:  # it is in nobody's way
                        log().warning("a draft stays", path=path.name, detail=say(why_zh(error), why_en(error)))

    def files(self) -> list[Path]:
        """What waits, by name, at most ``MAX_FILES`` of it; nothing that only points elsewhere."""
        waiting = (path for path in self.directory.iterdir() if path.suffix == SUFFIX and _is_plain_file(path))
        return sorted(waiting)[:MAX_FILES]

    def drop(self, source: Path, name: str) -> Path:
        """Bring a plain file, as ``name``; the path under which it waits. Raises :class:`BundleError` for any other."""
        path = self.directory / f"{name}{SUFFIX}"
        with opened(source) as file, whole(path, _MODE) as draft:
            shutil.copyfileobj(file, draft.file)
        return path

    def bring(self, content: bytes, name: str) -> None:
        """The same for a bundle that is no file yet."""
        replace_whole(self.directory / f"{name}{SUFFIX}", content, _MODE)

    def refuse(self, path: Path, error: BundleError) -> None:
        """Put a refused file aside, its reason first; the oldest ones beyond the bound go."""
        reason = {"code": error.fault.code, "zh": error.zh, "en": error.en}
        replace_whole(self._reason(path), json.dumps(reason, ensure_ascii=False).encode())
        path.replace(self.refused / path.name)
        aside = sorted(self._kept(), key=lambda old: old.stat().st_mtime_ns, reverse=True)
        for old in aside[MAX_REFUSED:]:
            old.unlink()
            self._reason(old).unlink(missing_ok=True)

    def again(self, name: str) -> Path:
        """Let a file of :meth:`aside` wait once more, its reason gone; the path under which it waits."""
        path = self.directory / name
        self.make()
        self._reason(path).unlink(missing_ok=True)
        return (self.refused / name).replace(path)

    def aside(self) -> list[tuple[str, dict[str, str]]]:
        """What was refused and is kept, by name, each with its reason; at most ``MAX_REFUSED``."""
        return [(path.name, self.reason(path) or {}) for path in sorted(self._kept())[:MAX_REFUSED]]

    def reason(self, path: Path) -> dict[str, str] | None:
        """Why a file that waited under ``path`` was refused: ``code``, ``zh`` and ``en``; ``None`` if it was not.

        It is unknown where what should say so was damaged.
        """
        file = self._reason(path)
        try:
            reason = json.loads(read_plain(file, _REASON_MAX_BYTES))
        except (StickError, ValueError, RecursionError):
            return dict(_UNKNOWN) if os.path.lexists(file) else None
        whole = isinstance(reason, dict) and all(isinstance(reason.get(key), str) for key in _UNKNOWN)
        return {key: reason[key] for key in _UNKNOWN} if whole else dict(_UNKNOWN)

    def _kept(self) -> list[Path]:
        return [path for path in self.refused.glob(f"*{SUFFIX}") if _is_plain_file(path)]

    def _reason(self, path: Path) -> Path:
        name = f"{path.name}.json"
        if len(os.fsencode(name)) > _NAME_MAX_BYTES:
            name = f"{hashlib.sha256(os.fsencode(path.name)).hexdigest()}.json"
        return self.refused / name


def _is_plain_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False
