"""The agent itself: whether it runs and answers, whether it serves, and which versions meet here."""

from __future__ import annotations

import os
import platform
import sqlite3
import ssl
from collections.abc import Iterator
from importlib.metadata import version

from agent import sm2
from agent.config import ConfigError
from agent.sm2 import Sm2Unavailable
from profiles.reasons import Sentence
from tools.doctor.finding import Finding, Verdict, fail, ok, warn
from tools.doctor.patient import Patient

_START = Sentence("启动终端：systemctl start onecard", "start the terminal: systemctl start onecard")
_START_BY_HAND = Sentence("启动终端：onecard run", "start the terminal: onecard run")
_RESTART = Sentence("重启终端：systemctl restart onecard", "restart the terminal: systemctl restart onecard")


def agent(patient: Patient) -> Iterator[Finding]:
    """Is it there, does it answer, does it serve?"""
    standing = patient.standing
    if standing is None and patient.holder is None:
        start = _START_BY_HAND if patient.is_on_virtual_devices else _START
        yield warn("agent", "stopped", Sentence("终端程序没有运行", "the agent does not run"), start)
    elif standing is None and patient.silence == PermissionError.__name__:
        refused = Sentence("终端程序不应答当前用户", "the agent tells this user nothing")
        sudo = Sentence(
            "以 root 或终端用户运行：sudo onecard doctor", "ask as root or as its user: sudo onecard doctor"
        )
        yield fail("agent", "denied", refused, sudo)
    elif standing is None:
        who = f"{patient.holder}"
        said = Sentence(
            f"终端程序（进程 {who}）没有应答（{patient.silence}）",
            f"the agent, process {who}, does not answer ({patient.silence})",
        )
        yield fail("agent", "no-answer", said, _RESTART)
    elif standing.in_service:
        yield ok("agent", f"运行中（进程 {standing.pid}）", f"runs and serves (process {standing.pid})")
    else:
        said = Sentence("终端程序在运行，但不受理市民", "the agent runs and serves nobody")
        look = Sentence("先处理下面的 FAIL 各行", "mend what the lines with FAIL say; it then goes on by itself")
        yield fail("agent", "out-of-service", said, look)


def versions(patient: Patient) -> Iterator[Finding]:
    """Which software is installed, and whether the running agent is the same."""
    here = f"onecard-terminal/{version('onecard-terminal')}"
    there = here if patient.standing is None else patient.standing.software
    if there != here:
        said = Sentence(f"已安装 {here}，运行的仍是 {there}", f"{here} is installed, and {there} still runs")
        yield warn("versions", "old-agent", said, _RESTART)
    else:
        with_zh = f"{here}，Python {platform.python_version()}，SQLite {sqlite3.sqlite_version}，{_openssl()}"
        with_en = f"{here}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_openssl()}"
        yield ok("versions", f"版本 {with_zh}", with_en)
    if any(hasattr(settings, "symbologies") or hasattr(settings, "framing") for settings in _readers(patient)):
        try:
            sm2.require()
        except Sm2Unavailable as error:
            remedy = Sentence(
                "安装带 SM2 的 OpenSSL：apt-get install libssl3", "install an OpenSSL with SM2: apt-get install libssl3"
            )
            yield fail("versions", "no-sm2", Sentence("OpenSSL 不支持 SM2", str(error)), remedy)


def invalid(error: ConfigError) -> Iterator[Finding]:
    """A configuration that cannot be used: every problem a line."""
    there = Sentence("改正此处，再运行 onecard config check", "mend this place, then run onecard config check")
    whole = Sentence("检查这个文件，再运行 onecard config check", "see to this file, then run onecard config check")
    for problem in error.problems:
        place, remedy = problem.path, there if problem.path else whole
        said = Sentence(f"{error.source}：{problem.zh}", f"{error.source}: {problem.en}")
        yield Finding("config", Verdict.FAIL, said, place, "invalid", remedy, quotes=True)


def configured(patient: Patient) -> Iterator[Finding]:
    """The configuration that was read, and whether the running agent goes by the same."""
    lanes, devices = len(patient.config.lanes), len(patient.config.devices)
    yield ok(
        "config",
        f"配置可用：{lanes} 条通道，{devices} 台设备",
        f"the configuration is good: lanes {lanes}, devices {devices}",
    )
    if patient.standing is not None and patient.standing.terminal != patient.config.terminal.id:
        said = Sentence(
            f"此目录中运行的是终端 {patient.standing.terminal}",
            f"in this directory the terminal {patient.standing.terminal} runs",
        )
        remedy = Sentence(
            "核对 terminal.id 与 terminal.state_dir", "check terminal.id and terminal.state_dir of the configuration"
        )
        yield fail("config", "other-terminal", said, remedy)


def _readers(patient: Patient) -> list[object]:
    return list(patient.used_devices.values())


def _openssl() -> str:
    return f"{ssl.OPENSSL_VERSION}, {platform.machine()}, Linux {os.uname().release}"
