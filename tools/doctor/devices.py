"""Readers, scanners, keypads and boards: by the running agent's word, or opened one by one where none runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from agent.devices import DRIVER_BUG, place_of
from drivers.api import CardFault, DriverSettings, ReaderError, ReaderFault
from drivers.board import Board, BoardSettings
from drivers.camera import CameraSettings
from drivers.registry import driver
from profiles.reasons import Sentence
from tools.doctor.finding import Finding, fail, ok, unknown, warn
from tools.doctor.patient import Patient
from tools.doctor.whose import whose

_READY = "ready"
_PARTS = {"journal", "keys", "library"}
"""What the agent reports beside devices; journal and keys have checks of their own."""

REMEDIES = {
    ReaderFault.NO_SERVICE: Sentence(
        "启动读卡服务：systemctl start pcscd.socket", "start the card service: systemctl start pcscd.socket"
    ),
    ReaderFault.NOT_FOUND: Sentence(
        "插好设备，再用 onecard devices list 查看现有设备并改正配置",
        "plug the device in; `onecard devices list` shows what is there, for the configuration",
    ),
    ReaderFault.UNPLUGGED: Sentence("检查电缆并重新插好设备", "check the cable and plug the device in again"),
    ReaderFault.BUSY: Sentence(
        "找出并停止占用端口的程序：fuser -v 端口", "find the program that holds the port and stop it: fuser -v PORT"
    ),
    ReaderFault.DENIED: Sentence(
        "把运行终端的用户加入 dialout、video、audio 组，或安装 udev 规则",
        "let the terminal's user into the groups dialout, video and audio, or install the udev rules",
    ),
    ReaderFault.SILENT: Sentence(
        "检查设备电源、接线和波特率（baud）", "check the device's power and wiring, and `baud` in the configuration"
    ),
    ReaderFault.PROTOCOL: Sentence(
        "核对此端口接的是哪种设备：onecard devices probe",
        "find out which device is at this port: onecard devices probe",
    ),
}
VIRTUAL = Sentence(
    "这是虚拟设备：启动终端（onecard run）时才有",
    "it is a virtual one: it is there while the terminal runs (onecard run)",
)
_OTHERS = Sentence("重新插拔设备，再看终端日志", "plug the device out and in, then look at the agent's log")
_TELL_US = Sentence(
    "请把 onecard doctor --report 的文件交给开发者", "give the developers the file of onecard doctor --report"
)
_FAULTS = {fault.code: fault for fault in (*ReaderFault, *CardFault)}


def devices(patient: Patient) -> Iterator[Finding]:
    """One line a device."""
    if patient.standing is not None:
        yield from _as_told(patient)
    elif not patient.runs:
        for name, settings in patient.used_devices.items():
            if not isinstance(settings, CameraSettings):  # the cameras' own check opens them
                yield _tried(patient, name, settings)
    for name in patient.resolved.devices.keys() - patient.used_devices.keys():
        yield unknown("device", "没有通道使用它，未检查", "no lane uses it; it was not tried", name)


def _as_told(patient: Patient) -> Iterator[Finding]:
    """Never touch what the agent holds: it says how its devices are."""
    told = {} if patient.standing is None else {device.name: device for device in patient.standing.devices}
    for name, settings in patient.used_devices.items():
        device = told.get(name)
        check = check_of(settings)
        if device is None:
            said = Sentence("终端还没有报告此设备", "the agent has not said how this device is")
            remedy = Sentence("重启终端：systemctl restart onecard", "restart the agent: systemctl restart onecard")
            yield warn(check, "not-reported", said, remedy, name)
        elif device.state == _READY:
            yield ok(check, "正常（终端报告）", "works, as the agent says", name)
        else:
            yield _faulty(patient, settings, name, device.reason, device.detail)
    for name in sorted(_PARTS & told.keys()):
        if told[name].state != _READY:
            said = Sentence(
                f"终端报告：{told[name].reason}", f"the agent says: {told[name].reason} {told[name].detail}"
            )
            yield fail("agent", told[name].reason or "failed", said, _REMEDIES_OF_PARTS[name], name)


_REMEDIES_OF_PARTS = {
    "journal": Sentence("见下面磁盘和日志各行", "see what the lines about disk and journal say"),
    "keys": Sentence("见下面权限和证书各行", "see what the lines about permissions and certificate say"),
    "library": Sentence(
        "检查图书馆系统的地址和网络（library.address）",
        "check the library system's address and network (library.address)",
    ),
}


def driver_bug(check: str, name: str, error: Exception) -> Finding:
    """A driver raised what no driver may: as the supervisor of devices says it, of this one device."""
    said = Sentence(f"驱动程序出错（{place_of(error)}）", f"the driver has a bug ({place_of(error)})")
    return fail(check, DRIVER_BUG, said, _TELL_US, name)


def _tried(patient: Patient, name: str, settings: DriverSettings) -> Finding:
    """Whatever the driver does, there is a line of this device, and of those after it."""
    try:
        return _opened(patient, name, settings)
    except Exception as error:  # noqa: BLE001 -- as the supervisor of devices: a driver's bug is a finding
        return driver_bug(check_of(settings), name, error)


def _opened(patient: Patient, name: str, settings: DriverSettings) -> Finding:
    """Open the device, ask what can be asked without moving anything, and let it go."""
    kind = cast("Any", driver(patient.config.devices[name].driver))
    device = kind(name, settings)
    check = check_of(settings)
    try:
        if isinstance(device, Board):
            return _board(check, device, settings)
        device.open()
    except ReaderError as error:
        return _faulty(patient, settings, name, error.fault.code, error.detail)
    finally:
        device.close()
    return ok(check, "正常", "answers", name)


def _board(check: str, board: Board, settings: DriverSettings) -> Finding:
    contacts = board.contacts()
    active = sorted(name for name, is_active in contacts.items() if is_active)
    fire = settings.fire.inputs if isinstance(settings, BoardSettings) and settings.fire is not None else ()
    if burning := [name for name in active if name in fire]:
        said = Sentence(f"消防输入有效：{'、'.join(burning)}", f"the fire input is active: {', '.join(burning)}")
        remedy = Sentence(
            "检查消防联动线路；常闭回路请设 active_low", "check the fire loop; a closed one is active_low"
        )
        return warn(check, "fire-active", said, remedy, board.name)
    listed = ("、".join(active) or "无", ", ".join(active) or "none")
    return ok(check, f"正常；有效的输入：{listed[0]}", f"answers; active inputs: {listed[1]}", board.name)


def _faulty(patient: Patient, settings: DriverSettings, name: str, code: str, detail: str) -> Finding:
    check = check_of(settings)
    fault = _FAULTS.get(code)
    zh, en = (code, code) if fault is None else (fault.zh, fault.en)
    port = getattr(settings, "port", None)
    if fault is ReaderFault.DENIED and isinstance(port, str):
        zh, en = f"{zh}；{whose(Path(port)).zh}", f"{en}; {whose(Path(port)).en}"
    said = Sentence(f"{zh}（{detail}）", f"{en} ({detail})") if detail else Sentence(f"设备：{zh}", en)
    remedy = REMEDIES.get(fault, _OTHERS) if isinstance(fault, ReaderFault) else _OTHERS
    if fault is ReaderFault.NOT_FOUND and isinstance(port, str) and patient.is_virtual(Path(port)):
        remedy = VIRTUAL
    if fault is ReaderFault.NO_SERVICE and patient.is_on_virtual_devices:  # with a card service of its own
        remedy = VIRTUAL
    return fail(check, code or "failed", said, remedy, name)


def check_of(settings: DriverSettings) -> str:
    """Which family of devices these settings are of."""
    if isinstance(settings, BoardSettings):
        return "board"
    return "camera" if isinstance(settings, CameraSettings) else "device"
