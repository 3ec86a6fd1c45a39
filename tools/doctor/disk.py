"""The disk under the journal: writable, room, the reserve for doors, and how worn the flash is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from agent.composition import MIB
from offline_store.reserve import RESERVE_NAME, is_full
from profiles.reasons import Sentence
from tools.doctor.finding import Finding, fail, ok, unknown, warn
from tools.doctor.patient import Patient

_ROOM_MIN_BYTES = 64 * MIB
_MAKE_ROOM = Sentence("清理磁盘：du -xh / | sort -h | tail", "make room on the disk: du -xh / | sort -h | tail")
_PERCENT_A_STEP = 10
_WORN_STEP, _DEAD_STEP = 9, 11  # JEDEC JESD84-B51 §7.4.52: 0x0B is beyond the life
_WARNING, _URGENT = 2, 3  # PRE_EOL_INFO, §7.4.51
_REPLACE = Sentence("备份后更换存储卡（onecard journal export）", "replace the storage; onecard journal export first")


def disk(patient: Patient) -> Iterator[Finding]:
    """Room and reserve."""
    directory = _nearest(patient.state_dir)
    status = os.statvfs(directory)
    free_bytes = status.f_bavail * status.f_frsize
    if status.f_flag & os.ST_RDONLY:
        said = Sentence(f"{directory} 所在的文件系统只读", f"the file system of {directory} is read-only")
        remedy = Sentence(
            "查看 dmesg；磁盘无误时运行 mount -o remount,rw，否则更换",
            "look at dmesg; if the disk is sound: mount -o remount,rw, else replace it",
        )
        yield fail("disk", "read-only", said, remedy)
        return
    if not os.access(directory, os.W_OK | os.X_OK):
        said = Sentence(f"不能写入 {directory}", f"{directory} cannot be written to")
        remedy = Sentence(f"运行：chown -R onecard: {directory}", f"run: chown -R onecard: {directory}")
        yield fail("disk", "denied", said, remedy)
        return
    reserve_mb = patient.config.journal.reserve_mb
    if is_full(directory) or (status.f_files and not status.f_favail):
        yield fail("disk", "full", Sentence("磁盘已满", "the disk is full"), _MAKE_ROOM)
    elif free_bytes < max(_ROOM_MIN_BYTES, 2 * reserve_mb * MIB):
        said = Sentence(f"磁盘只剩 {free_bytes // MIB} MB", f"only {free_bytes // MIB} MB are left on the disk")
        yield warn("disk", "low", said, _MAKE_ROOM)
    else:
        yield ok("disk", f"磁盘可写，剩余 {free_bytes // MIB} MB", f"writable, {free_bytes // MIB} MB free")
    yield from _reserve(patient, reserve_mb)


def _reserve(patient: Patient, reserve_mb: int) -> Iterator[Finding]:
    if reserve_mb == 0:
        yield unknown("disk.reserve", "未设保留空间（journal.reserve_mb）", "no reserve is wanted (journal.reserve_mb)")
        return
    path = patient.state_dir / RESERVE_NAME
    try:
        held_bytes = path.stat().st_blocks * 512
    except OSError:
        held_bytes = 0
    if held_bytes >= reserve_mb * MIB:
        yield ok("disk.reserve", f"保留空间 {reserve_mb} MB 在", f"the reserve of {reserve_mb} MB is held")
    elif patient.runs:
        said = Sentence("保留空间已用：新的收费已停止", "the reserve is in use: new money is refused")
        yield fail("disk.reserve", "used", said, _MAKE_ROOM)
    else:
        said = Sentence("保留空间还没有", "the reserve is not there")
        remedy = Sentence("启动终端即会建立；若仍没有，请清理磁盘", "the agent makes it when it starts; else make room")
        yield warn("disk.reserve", "missing", said, remedy)


def wear(patient: Patient, sys: Path = Path("/sys")) -> Finding:
    """How worn eMMC or SD is by its own account (``life_time``, ``pre_eol_info``); other disks do not say it here."""
    number = _nearest(patient.state_dir).stat().st_dev
    block = sys / f"dev/block/{os.major(number)}:{os.minor(number)}"
    for device in (block / "device", block.resolve().parent / "device"):
        steps = _numbers(device / "life_time")
        if steps:
            return _worn(max(steps), _numbers(device / "pre_eol_info"))
    return unknown(
        "disk.wear", "磨损程度未知（不是 eMMC/SD，或未提供）", "wear is not known: no eMMC or SD, or it does not tell"
    )


def _worn(step: int, end_of_life: list[int]) -> Finding:
    share = min(100, step * _PERCENT_A_STEP)
    said = Sentence(f"闪存寿命已用约 {share}%", f"the flash has used about {share}% of its life")
    if step >= _DEAD_STEP or _URGENT in end_of_life:
        return fail("disk.wear", "worn-out", said, _REPLACE)
    if step >= _WORN_STEP or _WARNING in end_of_life:
        return warn("disk.wear", "worn", said, _REPLACE)
    return ok("disk.wear", said.zh, said.en)


def _numbers(path: Path) -> list[int]:
    try:
        return [int(word, 16) for word in path.read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return []


def _nearest(path: Path) -> Path:
    """The directory itself, or the one in which it would be made."""
    while not path.is_dir():
        path = path.parent
    return path
