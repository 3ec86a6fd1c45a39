"""A platform that is killed by SIGKILL right after its first batch is committed: `python -m … DIRECTORY PORT`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from tools.platform import service
from tools.platform.ingest import Ingest, Reply
from tools.platform.service import Platform, Settings


class DyingIngest(Ingest):
    """Commits a batch and never comes back to answer it."""

    def handle(self, topic: str, payload: bytes) -> Reply | None:
        reply = super().handle(topic, payload)
        if topic.endswith("/up/journal"):
            os.kill(os.getpid(), signal.SIGKILL)
        return reply


def main() -> None:
    """Run until killed."""
    vars(service)["Ingest"] = DyingIngest
    with Platform.start(Path(sys.argv[1]), Settings(port=int(sys.argv[2]))):
        threading.Event().wait()


if __name__ == "__main__":
    main()
