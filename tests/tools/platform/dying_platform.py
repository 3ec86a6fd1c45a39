"""A platform that is killed by SIGKILL right after its first batch is committed: `python -m … DIRECTORY PORT`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tools.platform import service
from tools.platform.ingest import Ingest, Message, Reply
from tools.platform.service import Platform, Settings


class DyingIngest(Ingest):
    """Commits a batch and never comes back to answer it."""

    def handle_all(self, messages: Sequence[Message]) -> list[Reply | None]:
        replies = super().handle_all(messages)
        if any(message.topic.endswith("/up/journal") for message in messages):
            os.kill(os.getpid(), signal.SIGKILL)
        return replies


def main() -> None:
    """Run until killed."""
    vars(service)["Ingest"] = DyingIngest
    with Platform.start(Path(sys.argv[1]), Settings(port=int(sys.argv[2]))):
        threading.Event().wait()


if __name__ == "__main__":
    main()
