"""The fire latch on disk: a file that exists while the latch is set, touched only by a thread of its own.

A hung disk therefore delays neither the outputs nor the loop that commands them; the file is best effort, the latch
in memory is what counts. A file that cannot be looked at counts as set: in doubt the doors are open.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

RETRY_S = 5.0
_TEXT = b"The fire latch is set. Reset it at the terminal; do not delete this file by hand.\n"


class LatchFile:
    """Remembers one latch across restarts. Safe to use from any thread; no method waits for the disk but ``flush``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self._found: bool | None = None
        self._wanted: bool | None = None
        self._saved: bool | None = None

    @property
    def found(self) -> bool | None:
        """Whether the latch was set when the disk was first looked at; ``None`` until it has answered."""
        return self._found

    @property
    def saved(self) -> bool:
        """Whether the disk holds what :meth:`keep` was last told."""
        return self._wanted is None or self._saved == self._wanted

    def look(self) -> None:
        """Begin to find out whether the latch is set; harmless when that is known."""
        with self._lock:
            if self._found is None:
                self._ensure_worker()

    def keep(self, latched: bool) -> None:
        """Bring the disk to this state in the background; the newest call wins."""
        with self._lock:
            self._wanted = latched
            self._ensure_worker()

    def flush(self, timeout_s: float) -> None:
        """Give what is under way this long to reach the disk."""
        with self._lock:
            worker = self._worker
        if worker is not None:
            worker.join(timeout_s)

    def _ensure_worker(self) -> None:
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name=f"latch {self.path.name}", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        if self._found is None:
            self._found = self._exists()
        while True:
            with self._lock:
                wanted = self._wanted
                if wanted is None or wanted == self._saved:
                    self._worker = None
                    return
            try:
                self._write(wanted)
            except OSError:
                time.sleep(RETRY_S)
            else:
                self._saved = wanted

    def _exists(self) -> bool:
        try:
            self.path.stat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def _write(self, latched: bool) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if latched:
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, _TEXT)
                os.fsync(file)
            finally:
                os.close(file)
        else:
            self.path.unlink(missing_ok=True)
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
