"""Journals that come on a stick: the file of `onecard journal export`, taken as if its batches had come by the broker.

The file is a CBOR sequence (RFC 8742) of byte strings, each one `journal` message of the contract.

Over the broker a certificate says whose a chain is; here somebody has typed a name. A chain that is not known yet is
taken for the terminal alone that its first checkpoint names: under another name it could not come under its own again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO

from agent.sync.contract import Address, ContractError, JournalBatch
from offline_store.checkpoint import CHECKPOINT
from offline_store.errors import RecordInvalid
from offline_store.fields import KIND, PUBLIC
from tools.cli.words import say, why_en, why_zh
from tools.platform.arrived import Arrived
from tools.platform.errors import PlatformError
from tools.platform.ingest import Forked, Gap, Ingest
from tools.platform.store import Position

_BYTES = 0x40
_ARGUMENT_SIZES = {24: 1, 25: 2, 26: 4}
"""RFC 8949 §3: how many bytes of length follow the first; shorter ones stand in it."""


def bring(ingest: Ingest, terminal: str, file: Path) -> Position:
    """Commit a whole file; what is committed already stays. Raises `PlatformError` at the first batch at fault."""
    head: Position | None = None
    try:
        with file.open("rb") as stream:
            _check_owner(ingest, terminal, stream)
            stream.seek(0)
            for number, payload in enumerate(_messages(stream), start=1):
                head = _taken(ingest, terminal, payload, number)
    except OSError as error:
        raise PlatformError(
            say(f"{file}：无法读取（{why_zh(error)}）。", f"{file}: cannot be read ({why_en(error)}).")
        ) from error
    if head is None:
        raise PlatformError(say(f"{file} 中没有记录。", f"There are no records in {file}."))
    return head


def _taken(ingest: Ingest, terminal: str, payload: bytes, number: int) -> Position:
    match ingest.bring(terminal, payload):
        case Position() as head:
            return head
        case Gap(head):
            wanted = head.seq + 1 if head else 1
            raise PlatformError(
                say(
                    f"第 {number} 批之前缺少记录：平台需要从第 {wanted} 条开始。请用 --from {wanted} 重新导出。",
                    f"Records are missing before batch {number}: the platform wants record {wanted} next."
                    f" Export again with --from {wanted}.",
                )
            )
        case Forked(seq, _):
            raise PlatformError(
                say(
                    f"第 {seq} 条与平台已有的不同：终端被复制，或由旧副本恢复。",
                    f"Another record {seq} is committed: the terminal was copied, or went back to an old copy.",
                )
            )


def _check_owner(ingest: Ingest, terminal: str, stream: IO[bytes]) -> None:
    """Refuse records of another terminal, and such of a new chain that tell nobody whose they are."""
    messages = _messages(stream)
    try:
        first = JournalBatch.decode(next(messages))
    except (StopIteration, ContractError):
        return  # to be refused as what it is
    owner = ingest.owner(first.chain_id) or _named_in(first, messages)
    if owner is None and first.first_seq > 1:
        return  # a gap, unless the terminal has named the chain itself
    if owner is None:
        raise PlatformError(
            say(
                "记录中没有检查点，看不出属于哪个终端，没有接收。终端最迟在有新记录后十分钟写检查点：请再导出一次。",
                "No checkpoint among the records says which terminal's they are, so none was taken. Within ten minutes"
                " of a new record the terminal writes one: export again.",
            )
        )
    if owner != terminal:
        raise PlatformError(
            say(
                f"这些记录属于终端 {owner}，没有接收。请写 --terminal {owner}。",
                f"These are records of the terminal {owner}, and none was taken: write --terminal {owner}.",
            )
        )


def _named_in(first: JournalBatch, messages: Iterator[bytes]) -> str | None:
    """The terminal that the first checkpoint names, as far as the records can be read."""
    try:
        for batch in chain([first], map(JournalBatch.decode, messages)):
            for fields in (Arrived.of(body).fields for body in batch.records):
                if fields is not None and fields[KIND] == CHECKPOINT:
                    return Address(str(fields.get(PUBLIC, {}).get("terminal"))).terminal
    except (ContractError, RecordInvalid):
        pass
    return None


def _messages(stream: IO[bytes]) -> Iterator[bytes]:
    while first := stream.read(1):
        size = first[0] & 0x1F
        if first[0] & 0xE0 != _BYTES or (size > 23 and size not in _ARGUMENT_SIZES):
            raise _not_an_export()
        if size in _ARGUMENT_SIZES:
            argument = stream.read(_ARGUMENT_SIZES[size])
            if len(argument) < _ARGUMENT_SIZES[size]:
                raise _cut_short()
            size = int.from_bytes(argument, "big")
        if size > JournalBatch.MAX_BYTES:
            raise _not_an_export()
        payload = stream.read(size)
        if len(payload) < size:
            raise _cut_short()
        yield payload


def _cut_short() -> PlatformError:
    return PlatformError(say("文件不完整，请重新复制。", "The file is cut short; copy it again."))


def _not_an_export() -> PlatformError:
    return PlatformError(
        say("不是 onecard journal export 写出的文件。", "The file is not one that `onecard journal export` wrote.")
    )
