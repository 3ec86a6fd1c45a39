"""The file for support: what the doctor found, and the machine around it. Nothing personal, and no key.

Only what stands in these functions goes in, field by field: of the configuration no text but names of parts, of the
journal numbers alone, of keys and lists their names and ages. What somebody typed is quoted nowhere, and files that
the terminal did not make are counted, not named: :mod:`tools.doctor.discretion`.
"""

from __future__ import annotations

import json
import os
import platform
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from agent.bundles.manifest import Manifest
from agent.config_model import Config
from agent.sync.contract.errors import ContractError
from agent.words import say, tell, why_en, why_zh
from drivers.api import DriverSettings
from offline_store.bundles import installed
from offline_store.errors import StoreError
from offline_store.outbox import Outbox
from profiles.reasons import Sentence
from tools.doctor.discretion import LISTED, MOST_FILES, Discretion, setting
from tools.doctor.finding import Finding
from tools.doctor.patient import Patient

_PACKAGES = (
    "onecard-terminal",
    "cbor2",
    "cryptography",
    "opencv-python",
    "paho-mqtt",
    "pydantic",
    "pyscard",
    "zxing-cpp",
)
_MACHINE = ("/proc/loadavg", "/proc/uptime", "/proc/meminfo", "/etc/os-release")
_MOST_BYTES = 8_192
_UNSAID = Sentence("内容略（可能引用了配置中的文字）", "left out: it may quote what somebody typed")


def row(finding: Finding) -> dict[str, str | None]:
    """One finding for machines, its sentences in the reader's language."""
    return {
        "check": finding.check,
        "about": finding.about,
        "verdict": finding.verdict.value,
        "fault": finding.fault or None,
        "said": tell(finding.said),
        "remedy": None if finding.remedy is None else tell(finding.remedy),
    }


def pages(patient: Patient | None, findings: Iterable[Finding]) -> dict[str, Any]:
    """Every page by its file's name."""
    if patient is None:
        return {"doctor.json": [_said(each) for each in findings], "machine.json": _machine()}
    discretion = Discretion(patient)
    found = {
        "doctor.json": [_discreet(each, discretion) for each in findings],
        "configuration.json": _configuration(patient),
        "terminal.json": None if patient.standing is None else patient.standing.model_dump(mode="json"),
        "journal.json": _journal(patient),
        "lists.json": _lists(patient),
        "files.json": _files(patient, discretion),
    }
    return {name: discretion.tell(page) for name, page in found.items()} | {"machine.json": _machine()}


def store(path: Path, found: Mapping[str, Any]) -> None:
    """Write a ZIP file (0600) that is not there yet. Raises ``ClickException``."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, page in found.items():
                archive.writestr(name, json.dumps(page, ensure_ascii=False, indent=1))
    except OSError as error:
        raise click.ClickException(
            say(f"{path}：无法写入（{why_zh(error)}）", f"{path}: cannot be written ({why_en(error)})")
        ) from error


def _said(finding: Finding) -> dict[str, str | None]:
    """A finding that quotes says only which section it is about, if that is one."""
    if not finding.quotes:
        return row(finding)
    section = finding.about.split(".")[0]
    return row(finding) | {"said": tell(_UNSAID), "about": section if section in Config.model_fields else ""}


def _discreet(finding: Finding, discretion: Discretion) -> dict[str, str | None]:
    """The same, where what it is about may be a file that somebody dropped."""
    about, said = discretion.about(finding.about), _said(finding)
    if about == finding.about:
        return said
    return {key: value and value.replace(finding.about, about) for key, value in said.items()}


def _machine() -> dict[str, Any]:
    return {
        "packages": {name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "kernel": platform.release(),
        "arch": platform.machine(),
        **{name: _head(Path(name)) for name in _MACHINE},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _head(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_BYTES).splitlines()
    except OSError:
        return []


def _configuration(patient: Patient) -> dict[str, Any]:
    config = patient.config
    return {
        "terminal": config.terminal.id,
        "site": config.terminal.site,
        "devices": {name: _device(patient, name, settings) for name, settings in patient.resolved.devices.items()},
        "lanes": {
            name: {"profile": lane.profile, "readers": lane.readers, "board": lane.board}
            for name, lane in config.lanes.items()
        },
        "holders": len(config.holders),
        "platform": None if config.platform is None else config.platform.model_dump(mode="json"),
        "library": config.library is not None,
        "journal": config.journal.model_dump(mode="json"),
    }


def _device(patient: Patient, name: str, settings: DriverSettings) -> dict[str, Any]:
    driver = {"driver": patient.config.devices[name].driver}
    return driver | {key: setting(settings, key) for key in type(settings).model_fields}


def _journal(patient: Patient) -> dict[str, Any] | None:
    try:
        with closing(Outbox.open(patient.state_dir)) as outbox:
            position = outbox.position()
    except StoreError as error:
        return {"fault": type(error).__name__}
    return {"first_retained": position.first_retained, "acked": position.acked_seq, "head": position.head_seq}


def _lists(patient: Patient) -> list[dict[str, Any]]:
    try:
        rows = installed(patient.state_dir)
    except StoreError:
        return []
    listed: list[dict[str, Any]] = []
    for each in rows:
        try:
            term = Manifest.decode(each.manifest).term
        except ContractError:
            listed.append({"name": each.name, "version": each.version})
        else:
            times = {"issued_ms": term.issued_ms, "expires_ms": term.expires_ms, "grace_ms": term.grace_ms}
            listed.append({"name": each.name, "version": each.version, **times})
    return listed


def _files(patient: Patient, discretion: Discretion) -> list[dict[str, Any]]:
    """The terminal's own files with size, mode and owner; of others in each place how many there are."""
    listed: list[dict[str, Any]] = []
    for place in LISTED:
        directory = patient.state_dir / place
        try:
            paths = sorted(directory.iterdir())
            own = [path for path in paths if discretion.names(path)]
            listed += [_file(path, patient) for path in own[:MOST_FILES]]
            listed.append({"name": f"{place}/", "others": len(paths) - len(own)})
        except OSError as error:
            listed.append({"name": f"{place}/", "fault": type(error).__name__})
    return listed


def _file(path: Path, patient: Patient) -> dict[str, Any]:
    status = path.lstat()
    return {
        "name": str(path.relative_to(patient.state_dir)),
        "size_bytes": status.st_size,
        "mode": f"{status.st_mode:o}",
        "uid": status.st_uid,
        "modified_s": int(status.st_mtime),
    }
