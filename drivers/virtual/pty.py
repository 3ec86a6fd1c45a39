"""The device's end of a serial line: a pseudo-terminal under a stable path, as udev gives a real port one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import threading
import tty
from collections.abc import Callable
from pathlib import Path

from drivers.virtual.api import Use

READ_SIZE_BYTES = 4096


class VirtualPort:
    """Serves a serial device in software: hands on what the host sends, writes what the device answers.

    ``on_bytes`` is called in the port's own thread with what the host wrote, split anywhere. Every method may be
    called from any thread, from ``on_bytes`` too.
    """

    def __init__(self, path: Path, on_bytes: Callable[[bytes], None]) -> None:
        self.path = path
        self._on_bytes = on_bytes
        self._lock = threading.Lock()
        self._master: int | None = None
        self._slave: int | None = None
        self._stop: int | None = None
        self._thread: threading.Thread | None = None

    def plug(self) -> None:
        """Appear under ``path``; harmless when plugged. Raises ``OSError`` when the path cannot be made."""
        with self._lock:
            if self._master is not None:
                return
            master, slave = pty.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._link_to(os.ttyname(slave))
            self._master = master
            self._slave = slave
            self._stop = os.eventfd(0, os.EFD_CLOEXEC)
            self._thread = threading.Thread(
                target=self._serve, args=(master, slave, self._stop), name=f"virtual {self.path.name}", daemon=True
            )
            self._thread.start()

    def unplug(self) -> None:
        """Vanish: the host's open port hangs up and the path is gone; harmless when unplugged."""
        with self._lock:
            thread = self._thread
            if self._master is not None and self._stop is not None:
                self._master = self._slave = None
                self.path.unlink(missing_ok=True)
                os.eventfd_write(self._stop, 1)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    @property
    def use(self) -> Use:
        """Whether a host holds the port: a driver locks the one it opens (flock(2)), so that nobody else can."""
        with self._lock:
            if self._slave is None:
                return Use.UNPLUGGED
            try:
                fcntl.flock(self._slave, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Use.IN_USE
            fcntl.flock(self._slave, fcntl.LOCK_UN)
            return Use.IDLE

    def write(self, data: bytes) -> None:
        """Send to the host. What a host that does not read cannot take is lost, as on a wire."""
        with self._lock:
            if self._master is not None:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._master, data)

    def _link_to(self, device: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(device)
        fresh.replace(self.path)

    def _serve(self, master: int, slave: int, stop: int) -> None:
        # The slave stays open here: without any opener the master would report a hang-up whenever the host closes.
        try:
            while True:
                ready, _, _ = select.select([master, stop], [], [])
                if stop in ready:
                    return
                self._on_bytes(os.read(master, READ_SIZE_BYTES))
        finally:
            for descriptor in (master, slave, stop):
                os.close(descriptor)
