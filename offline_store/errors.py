"""The faults of the store: one small tree, each with a sentence that says what, where and what would be right.

Each is said in Chinese and in English (``zh``, ``en``); ``str()`` is English. No sentence holds the contents of a
record: sizes, names of fields, sequence numbers and paths only.
"""

from __future__ import annotations

from typing import Self


class StoreError(Exception):
    """The root of this room's faults: a sentence for the technician in Chinese and English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


class Locked(StoreError):
    """Another agent holds this directory. ``pid`` is the holder's, ``None`` if it left none."""

    def __init__(self, directory: str, pid: int | None) -> None:
        holder_zh = f"进程 {pid} " if pid is not None else "另一个进程"
        holder_en = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"{directory} 中的日志被{holder_zh}占用，请先停止它：一份日志只能有一个终端程序",
            f"the journal in {directory} is held by {holder_en}; stop it first: one agent a store",
        )
        self.pid = pid


class Busy(StoreError):
    """Another program, such as a technician's tool that is not read-only, holds the database."""


class NewerSchema(StoreError):
    """The database was written by a newer version of this software; it is left untouched."""


class MigrationFailed(StoreError):
    """A schema file could not be applied; the database is as it was before."""


class Damaged(StoreError):
    """What is on the disk cannot be what was written."""


class DiskFull(StoreError):
    """The disk, or the store's own limit, is full; nothing of the append was stored."""


class IoFailed(StoreError):
    """The operating system or SQLite refused to read or write."""


class QueueFull(StoreError):
    """The writer's queue is at its bound; the append was not accepted."""


class Closed(StoreError):
    """The writer was closed; the append was not accepted."""


class RecordInvalid(StoreError):
    """A record, or what an append hands in, breaks the rules of its fields."""

    @classmethod
    def at(cls, place: str, zh: str, en: str) -> Self:
        """``place`` is a field's name; ``zh`` and ``en`` say what belongs there."""
        return cls(f"{place}：应为{zh}", f"{place}: {en} should stand here")


class UnknownSuite(RecordInvalid):
    """The record names algorithms that this version does not know."""

    @classmethod
    def at_the_end(cls, seq: int) -> Self:
        """The journal ends with one: nothing can follow it here, and nothing of it is touched."""
        return cls(
            f"日志最后一条记录（第 {seq} 条）的算法组未知，由更新版本的软件写入；日志完好，请装回该版本或更新版本",
            f"the journal's last record, {seq}, is of an unknown suite: a newer version of this software wrote it. "
            "The journal is whole; install that version again, or a later one",
        )


class CannotSeal(StoreError):
    """What only the platform may read cannot be sealed for it: its key is not known. Nothing was stored."""

    def __init__(self) -> None:
        super().__init__(
            "平台的密封公钥未知，证据无法密封，因此没有记录；请为终端重新注册，或安装含 sealing 角色的密钥包",
            "no sealing key of the platform is known, so evidence cannot be sealed and nothing was recorded; "
            "enrol the terminal anew, or install a keys bundle with the role sealing",
        )


class AcknowledgementRefused(StoreError):
    """An acknowledgement names a chain, a record or a hash that this journal does not hold; nothing was moved."""
