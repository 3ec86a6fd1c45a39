"""Who may read and write what: journal, keys and configuration are the terminal's own user's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from agent.words import why_en, why_zh
from offline_store.database import DATABASE_NAME
from profiles.reasons import Sentence
from tools.doctor.finding import Finding, fail, ok, unknown
from tools.doctor.patient import Patient

_OTHERS = 0o077
_WRITE_BY_OTHERS = 0o022
_MOST = 200


def permissions(patient: Patient) -> Iterator[Finding]:
    """Every file that matters; one line for each that is wrong."""
    if not patient.state_dir.is_dir():
        yield unknown(
            "permissions",
            f"{patient.state_dir} 还不存在：终端没有运行过",
            f"{patient.state_dir} is not there yet: the terminal never ran",
        )
        return
    found = list(_wrong(patient))
    yield from found
    if not found:
        yield ok("permissions", "文件属主和权限正确", "owners and permissions are right")


def _wrong(patient: Patient) -> Iterator[Finding]:
    owner = patient.state_dir.stat().st_uid
    private = [patient.state_dir, patient.keys_dir, patient.state_dir / DATABASE_NAME]
    if patient.keys_dir.is_dir() and os.access(patient.keys_dir, os.R_OK | os.X_OK):
        private += sorted(patient.keys_dir.iterdir())[:_MOST]
    for path in private:
        yield from _private(path, owner)
    if patient.config_file is not None:
        yield from _configuration(patient.config_file)


def _private(path: Path, owner: int) -> Iterator[Finding]:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        said = Sentence(f"无法查看：{why_zh(error)}", f"cannot be examined: {why_en(error)}")
        remedy = Sentence(f"chown -R onecard: {path.parent}", f"chown -R onecard: {path.parent}")
        yield fail("permissions", "denied", said, _do(remedy.en), str(path))
        return
    mode = 0o700 if stat.S_ISDIR(status.st_mode) else 0o600
    if status.st_uid != owner:
        said = Sentence("属于另一个用户", "belongs to another user than the state directory")
        yield fail("permissions", "owner", said, _do(f"chown {owner} {path}"), str(path))
    if stat.S_IMODE(status.st_mode) & _OTHERS:
        said = Sentence("对其他用户开放", "is open to other users")
        yield fail("permissions", "open", said, _do(f"chmod {mode:o} {path}"), str(path))


def _configuration(path: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _WRITE_BY_OTHERS:
        said = Sentence("其他用户可以改动配置", "other users may change the configuration")
        yield fail("permissions", "writable", said, _do(f"chmod go-w {path}"), str(path))


def _do(command: str) -> Sentence:
    return Sentence(f"运行：{command}", f"run: {command}")
