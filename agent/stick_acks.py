"""Acknowledgements that come by stick: how a terminal that no network reaches learns what the platform has.

``onecard journal acknowledge`` leaves one in ``<state>/stick.ack``. The agent takes it within seconds, judges it again,
moves the outbox forward in the journal's writer, and removes it: from then on records may leave the disk after their
retention, as over the link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from agent import cose
from agent.disk_waits import durable
from agent.logs import log
from agent.stick_files import StickError, read_plain
from agent.sync.contract.errors import ContractError
from agent.sync.contract.stick import MAX_ACKNOWLEDGEMENT_FILE_BYTES, open_acknowledgement
from agent.threads import in_thread
from agent.words import tell
from offline_store.errors import AcknowledgementRefused
from offline_store.whole_file import replace_whole
from offline_store.writer import JournalWriter

NAME = "stick.ack"
POLL_S = 1.0


def hand_over(state_dir: Path, payload: bytes) -> Path:
    """Leave an acknowledgement for the agent; the path that is gone once it is taken. Raises ``OSError``."""
    path = state_dir / NAME
    replace_whole(path, payload, 0o644)  # no secret, and whoever plugs in the stick may be another user
    return path


class StickAcknowledgements:
    """One task on the event loop; ``told`` hears how far the outbox has come."""

    def __init__(
        self,
        state_dir: Path,
        terminal: str,
        writer: JournalWriter,
        keys: Callable[[], Mapping[bytes, cose.VerifyKey]],
        told: Callable[[int], None],
    ) -> None:
        self._path = state_dir / NAME
        self._terminal = terminal
        self._writer = writer
        self._keys = keys
        self._told = told
        self._log = log(terminal=terminal)

    async def run(self) -> None:
        """Look until cancelled. A ``StoreError`` ends it, and the file stays: its supervisor begins again."""
        while True:
            try:
                payload = await in_thread(partial(_waiting, self._path), "stick")
                if payload is not None:
                    await self._take(payload)
            except (ContractError, AcknowledgementRefused, StickError) as error:
                detail = str(error) if isinstance(error, ContractError) else tell(error)
                self._log.warning("acknowledgement refused", detail=detail)
                await in_thread(partial(self._path.unlink, missing_ok=True), "stick")
            await asyncio.sleep(POLL_S)

    async def _take(self, payload: bytes) -> None:
        ack = open_acknowledgement(payload, self._keys(), self._terminal)
        acked_seq = await durable(self._writer.acknowledge(ack.chain_id, ack.seq, ack.hash))
        self._told(acked_seq)
        await in_thread(partial(self._path.unlink, missing_ok=True), "stick")


def _waiting(path: Path) -> bytes | None:
    return read_plain(path, MAX_ACKNOWLEDGEMENT_FILE_BYTES) if path.is_symlink() or path.exists() else None
