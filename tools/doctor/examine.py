"""Runs all families of checks side by side; one that hangs or breaks takes only its own lines away, and is named."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from types import MappingProxyType

import click
from click.globals import push_context

from agent.devices import place_of
from profiles.reasons import Sentence
from tools.doctor import camera, clock, devices, disk, installation, journal, keys, lists, permissions, route, sockets
from tools.doctor.finding import Family, Finding, fail
from tools.doctor.patient import Patient

PATIENCE_S = 4.5
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "config": installation.configured,
        "agent": installation.agent,
        "versions": installation.versions,
        "device": devices.devices,
        "camera": camera.cameras,
        "socket": sockets.sockets,
        "clock": clock.clock,
        "clock.battery": lambda patient: [clock.battery(patient)],
        "permissions": permissions.permissions,
        "keys": keys.keys,
        "disk": disk.disk,
        "disk.wear": lambda patient: [disk.wear(patient)],
        "database": journal.database,
        "chain": journal.chain,
        "buffer": journal.buffer,
        "route": route.route,
        "certificate": lists.certificate,
        "list": lists.lists,
    }
)
CHECKS: Mapping[str, Sentence] = MappingProxyType(
    {
        "config": Sentence("配置", "configuration"),
        "agent": Sentence("终端程序", "agent"),
        "versions": Sentence("版本", "versions"),
        "device": Sentence("设备", "device"),
        "board": Sentence("继电器板", "board"),
        "camera": Sentence("摄像头", "camera"),
        "camera.light": Sentence("摄像头光线", "light"),
        "camera.sharpness": Sentence("摄像头清晰度", "sharpness"),
        "socket": Sentence("本机接口", "socket"),
        "clock.trust": Sentence("时间可信度", "trust in the time"),
        "clock.source": Sentence("校时来源", "source of the time"),
        "clock.offset": Sentence("时间偏差", "offset of the time"),
        "clock.battery": Sentence("RTC 电池", "RTC battery"),
        "permissions": Sentence("权限", "permissions"),
        "keys": Sentence("密钥", "keys"),
        "disk": Sentence("磁盘", "disk"),
        "disk.reserve": Sentence("保留空间", "reserve"),
        "disk.wear": Sentence("闪存磨损", "flash wear"),
        "database": Sentence("数据库", "database"),
        "chain": Sentence("记录链", "chain"),
        "buffer": Sentence("日志余量", "buffer"),
        "buffer.waiting": Sentence("待传记录", "waiting records"),
        "route": Sentence("平台", "platform"),
        "route.name": Sentence("平台域名", "platform: name"),
        "route.tcp": Sentence("平台连接", "platform: connection"),
        "route.tls": Sentence("平台加密", "platform: TLS"),
        "route.mqtt": Sentence("平台登录", "platform: log-in"),
        "certificate": Sentence("证书", "certificate"),
        "list": Sentence("名单", "list"),
        "relay": Sentence("继电器动作", "relay"),
        "code": Sentence("测试码", "test code"),
    }
)
"""Every check, in words for people."""
_ALONE = frozenset({"device", "camera"})
"""Both open devices, and a port is opened once: one thread does both, one after the other."""


def examine(patient: Patient, patience_s: float = PATIENCE_S) -> list[Finding]:
    """All findings, in the order of the families."""
    answers: dict[str, Future[list[Finding]]] = {name: Future() for name in FAMILIES}
    command = click.get_current_context(silent=True)
    jobs = [[name] for name in FAMILIES if name not in _ALONE] + [sorted(_ALONE, reverse=True)]
    for names in jobs:
        parts = {name: answers[name] for name in names}
        threading.Thread(target=_run, args=(patient, parts, command), name=f"check {names[0]}", daemon=True).start()
    until_s = time.monotonic() + patience_s
    found: list[Finding] = []
    for name, answer in answers.items():
        # Whoever asked for everything waits for it.
        wait_s = None if patient.deep else max(0.0, until_s - time.monotonic())
        try:
            found += answer.result(wait_s)
        except NotInTime:
            found.append(_hangs(name))
    return found


def _run(patient: Patient, parts: Mapping[str, Future[list[Finding]]], command: click.Context | None) -> None:
    """In a thread of its own, which says times as the command does."""
    if command is not None:
        push_context(command)
    for name, answer in parts.items():
        try:
            lines = list(FAMILIES[name](patient))
        except Exception as error:  # noqa: BLE001 -- a check that breaks must not take the others' lines away
            lines = [_broke(name, place_of(error))]
        answer.set_result(lines)


def _hangs(check: str) -> Finding:
    said = Sentence("此项检查没有在限时内完成", "this check did not end in time")
    remedy = Sentence("查看 dmesg：设备或磁盘可能没有应答", "look at dmesg: a device or the disk may not answer")
    return fail(check, "hangs", said, remedy)


def _broke(check: str, place: str) -> Finding:
    said = Sentence(f"此项检查自身出错（{place}）", f"this check itself broke ({place})")
    remedy = Sentence(
        "请把 onecard doctor --report 的文件交给开发者", "give the developers the file of onecard doctor --report"
    )
    return fail(check, "check-broke", said, remedy)
