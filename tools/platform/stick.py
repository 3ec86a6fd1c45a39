"""Journals that come on a stick: the file of `onecard journal export`, taken as if its parts had come by the broker.

A part counts if it was signed by a key that the terminal was enrolled with, and opens with the platform's own. What is
bare, from a disk whose keys are gone, is taken only where the operator says so, and then as far as the terminal's
checkpoints prove it (:mod:`tools.platform.stick_proof`): a file that somebody wrote moves no money. What is committed
stays, whatever the rest of the file is worth, and is acknowledged by a file that goes back on the same stick.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.stick_files import StickError, open_plain, shown
from agent.sync.contract import ContractError, JournalBatch
from agent.sync.contract.stick import (
    MAX_PART_BYTES,
    StickAcknowledgement,
    check_part,
    is_batch,
    is_part,
    open_part,
    sign_acknowledgement,
)
from offline_store.verify import Told, unheard
from tools.cli.words import say, tell, why_en, why_zh
from tools.platform.ca import Authority
from tools.platform.dead_letters import UNPROVEN
from tools.platform.errors import PlatformError
from tools.platform.ingest import Forked, Gap, Ingest
from tools.platform.stick_proof import Numbered, Unproven
from tools.platform.store import Position
from tools.sequence import CutShort, SequenceBroken, parts

MAX_FILE_BYTES = 1 << 36


@dataclass(frozen=True)
class Customs:
    """What is believed of a stick: parts by these keys, sealed for this one or a former; and bare batches, if `plain`.

    Of a `salvaged` disk, which is bare, records may be missing, and what nothing proves is put aside.
    """

    keys: Mapping[bytes, cose.VerifyKey]
    private: ec.EllipticCurvePrivateKey = field(repr=False)
    plain: bool = False
    salvaged: bool = False
    former: tuple[ec.EllipticCurvePrivateKey, ...] = field(default=(), repr=False)

    def private_for(self, kid: bytes) -> ec.EllipticCurvePrivateKey:
        """What opens what was sealed for that key; the present one where nothing does."""
        return next((each for each in self.former if cose.key_id(each.public_key()) == kid), self.private)


def customs_of(authority: Authority, terminal: str, *, plain: bool = False, salvaged: bool = False) -> Customs:
    """By the keys of a platform's directory."""
    former = tuple(authority.load_former_sealing_keys())
    return Customs(authority.checkpoint_keys(terminal), authority.load_sealing_key(), plain, salvaged, former)


@dataclass(frozen=True, slots=True)
class Aside:
    """Records that count for nothing before a person decides; `kept` unless there was no room."""

    first: int
    last: int
    kept: bool


class AllAside(PlatformError):
    """Nothing is taken, and nothing is wrong: no checkpoint proves any record, and all wait for a person."""


class BroughtInPart(PlatformError):
    """Something is wrong with the file, behind what is committed up to `head`."""

    def __init__(self, words: str, head: Position) -> None:
        super().__init__(words)
        self.head = head


def bring(
    ingest: Ingest,
    terminal: str,
    file: Path,
    customs: Customs,
    aside: Callable[[Aside], None] | None = None,
    told: Told = unheard,
) -> Position:
    """Commit a whole file; what is committed already stays, and ``aside`` is told what was put there.

    ``told`` hears how many of the file's bytes are read.

    Raises `BroughtInPart` at the first part at fault, `PlatformError` if nothing before it was taken, and `AllAside`.
    """
    head: Position | None = None
    has_aside = False

    def put_aside(payload: bytes) -> None:
        nonlocal has_aside
        has_aside, put = True, _put_aside(ingest, terminal, payload)
        if aside is not None:
            aside(put)

    unproven = Unproven(terminal, customs.keys, ingest.head, put_aside if customs.salvaged else None)
    try:
        for number, batch in _believed(unproven, terminal, file, customs, told):
            head = _taken(ingest, terminal, batch, number, bridges=customs.salvaged)
    except PlatformError as error:
        if head is None:
            raise
        raise BroughtInPart(str(error), head) from error
    if head is None and has_aside:
        raise AllAside(
            say(
                f"没有一条记录能由检查点证明：都没有收下，等待人工决定。查看：onecard platform dead-letters list"
                f" --terminal {terminal}；确认属实后收下：onecard platform dead-letters replay 编号",
                f"No checkpoint proves any of these records: none is taken, and all wait for a person. To look at them:"
                f" `onecard platform dead-letters list --terminal {terminal}`; once somebody vouches for them:"
                " `onecard platform dead-letters replay ID`.",
            )
        )
    if head is None:
        raise PlatformError(say(f"{shown(file)} 中没有记录。", f"There are no records in {shown(file)}."))
    return head


def acknowledgement(head: Position, now_ms: int, signer: cose.Signer) -> bytes:
    """What goes back to the terminal: a file for `onecard journal acknowledge`."""
    return sign_acknowledgement(
        StickAcknowledgement(
            terminal=head.terminal, chain_id=head.chain_id, issued_ms=now_ms, seq=head.seq, hash=head.hash
        ),
        signer,
    )


def _put_aside(ingest: Ingest, terminal: str, payload: bytes) -> Aside:
    batch = JournalBatch.decode(payload)
    detail = f"records {batch.first_seq} to {batch.last_seq}: no checkpoint of the terminal follows them"
    kept = ingest.put_aside(terminal, payload, UNPROVEN, detail)
    return Aside(batch.first_seq, batch.last_seq, kept)


def _taken(ingest: Ingest, terminal: str, payload: bytes, number: int, *, bridges: bool) -> Position:
    match ingest.bring(terminal, payload, bridges=bridges):
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


def _believed(unproven: Unproven, terminal: str, file: Path, customs: Customs, told: Told) -> Iterator[Numbered]:
    """The `journal` messages of a file as far as the terminal signed them. Raises `PlatformError`."""
    for number, payload, is_signed in _batches(terminal, file, customs, told):
        if is_signed:
            unproven.end()
            yield number, payload
        else:
            yield from unproven.take(number, payload)
    unproven.end()


def _batches(terminal: str, file: Path, customs: Customs, told: Told) -> Iterator[tuple[int, bytes, bool]]:
    """The `journal` messages of a file, numbered, and whether the terminal signed each. Raises `PlatformError`."""
    try:
        with open_plain(file, MAX_FILE_BYTES) as stream:
            size_bytes = os.fstat(stream.fileno()).st_size
            for number, payload in enumerate(parts(stream, MAX_PART_BYTES), start=1):
                if not is_part(payload) and not is_batch(payload):
                    raise _no_export(file, number)
                yield number, _batch(terminal, payload, number, customs), is_part(payload)
                told(stream.tell(), size_bytes)
    except CutShort as error:
        raise PlatformError(
            say(
                "文件不完整：请在终端上再次导出到同一文件，或重新复制。",
                "The file is cut short: export to the same file again at the terminal, or copy it again.",
            )
        ) from error
    except SequenceBroken as error:
        raise PlatformError(
            say(
                "不是 onecard journal export 或 onecard salvage 写出的文件。",
                "The file is not one that `onecard journal export` or `onecard salvage` wrote.",
            )
        ) from error
    except StickError as error:
        raise PlatformError(tell(error)) from error
    except OSError as error:
        raise PlatformError(
            say(f"{shown(file)}：无法读取（{why_zh(error)}）。", f"{shown(file)}: cannot be read ({why_en(error)}).")
        ) from error


def _no_export(file: Path, number: int) -> PlatformError:
    return PlatformError(
        say(
            f"{shown(file)} 的第 {number} 部分无法接收：它不是日志记录。请给出 onecard journal export 或"
            " onecard salvage 写出的文件。",
            f"Part {number} of {shown(file)} cannot be taken: it holds no records of a journal. What is taken is a file"
            " of `onecard journal export` or of `onecard salvage`.",
        )
    )


def _batch(terminal: str, payload: bytes, number: int, customs: Customs) -> bytes:
    if not is_part(payload):
        if customs.plain or customs.salvaged:
            return payload
        raise PlatformError(
            say(
                f"第 {number} 批没有终端的签名：如是 onecard salvage 从该终端的磁盘救出，请用 --salvaged 接收；"
                "如是 journal export --plain 写出，请用 --plain。",
                f"Batch {number} is not signed by a terminal: if `onecard salvage` wrote it from that terminal's disk,"
                " add --salvaged; if `journal export --plain` did, --plain.",
            )
        )
    try:
        part = check_part(payload, customs.keys, terminal)
        return open_part(part, customs.private_for(part.kid))
    except ContractError as error:
        raise PlatformError(
            say(
                f"第 {number} 批不可信（{error}）：被改动，或属于另一终端。",
                f"Batch {number} is not believed ({error}): it was altered, or is of another terminal.",
            )
        ) from error
