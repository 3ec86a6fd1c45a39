"""The time: is it trusted, who disciplines it, how far are machine and terminal apart, and does the RTC keep it."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from agent.kernel_time import kernel_clock
from profiles.api import ClockState
from profiles.reasons import Sentence
from tools.cli.times import local
from tools.doctor.finding import Finding, fail, ok, unknown, warn
from tools.doctor.patient import Patient

_APART_MS = 1_000
_DAEMONS = {
    "systemd-timesyncd": "systemd/timesync",
    "chrony": "chrony",
    "ntpd": "ntpd.pid",
    "ntpsec": "ntpsec",
}
"""Time daemons, and what each leaves below /run."""
_RTC_VL_READ = 0x80047013  # <linux/rtc.h>: _IOR('p', 0x13, unsigned int)
_VOLTAGE_LOW = 0x1 | 0x2 | 0x4  # RTC_VL_DATA_INVALID, RTC_VL_BACKUP_LOW, RTC_VL_BACKUP_EMPTY
_SENSIBLE_S = 1_577_836_800  # 2020
_RTC_APART_S = 120
_SYNC = Sentence(
    "检查网络和校时服务：timedatectl", "check the network and the time service: timedatectl timesync-status"
)


def clock(patient: Patient) -> Iterator[Finding]:
    """Trust, source and offset of the time."""
    yield _trust(patient)
    yield _source()
    apart_ms = patient.moment().now_ms - time.time_ns() // 1_000_000
    if abs(apart_ms) > _APART_MS:
        said = Sentence(
            f"终端的时间与系统时间相差 {apart_ms / 1000:+.1f} 秒",
            f"the terminal's time and the machine's are {apart_ms / 1000:+.1f} s apart",
        )
        yield warn("clock.offset", "apart", said, _SYNC)
    else:
        yield ok("clock.offset", f"与系统时间相差 {apart_ms} 毫秒", f"within {abs(apart_ms)} ms of the machine's time")


def _trust(patient: Patient) -> Finding:
    moment, floor_ms = patient.moment(), patient.clock.floor_ms
    if moment.state is ClockState.UNTRUSTED and moment.now_ms < floor_ms:
        said = Sentence(
            f"时间 {local(moment.now_ms)} 早于已知的下限 {local(floor_ms)}",
            f"the time {local(moment.now_ms)} is before {local(floor_ms)}, which is known to be over",
        )
        remedy = Sentence(
            "校准时间：timedatectl；若下限错误，停止终端后运行 onecard clock reset-floor",
            "set the time: timedatectl; if the floor is wrong, stop the agent and run onecard clock reset-floor",
        )
        return fail("clock.trust", "before-floor", said, remedy)
    if moment.state is ClockState.UNTRUSTED:
        said = Sentence("时间不可信：没有校时来源", "the time is not trusted: nobody vouches for it")
        return warn("clock.trust", "untrusted", said, _SYNC)
    if moment.state is ClockState.HOLDOVER:
        said = Sentence(
            f"时间为推算，误差至多 {moment.uncertainty_ms} 毫秒",
            f"the time is carried on, within {moment.uncertainty_ms} ms",
        )
        return warn("clock.trust", "holdover", said, _SYNC)
    return ok(
        "clock.trust", f"时间可信，误差至多 {moment.uncertainty_ms} 毫秒", f"trusted within {moment.uncertainty_ms} ms"
    )


def _source() -> Finding:
    kernel = kernel_clock()()
    daemons = [name for name, trace in _DAEMONS.items() if (Path("/run") / trace).exists()]
    zh, en = "、".join(daemons), ", ".join(daemons)
    if not kernel.synchronised:
        said = Sentence(
            f"系统时间没有同步（{zh or '没有校时服务'}）",
            f"the machine's clock is not synchronised ({en or 'no daemon'})",
        )
        return warn("clock.source", "not-synchronised", said, _SYNC)
    return ok(
        "clock.source",
        f"系统时间已同步（{zh or '来源未知'}，误差至多 {kernel.max_error_ms} 毫秒）",
        f"the machine's clock is synchronised ({en or 'source not known'}, within {kernel.max_error_ms} ms)",
    )


def battery(
    patient: Patient, sys: Path = Path("/sys"), proc: Path = Path("/proc"), dev: Path = Path("/dev")
) -> Finding:
    """The battery-backed clock (RTC), as far as the system shows it."""
    del patient
    replace = Sentence(
        "更换 RTC 电池，再运行 hwclock --systohc", "replace the RTC's battery, then run hwclock --systohc"
    )
    try:
        rtc_s = int((sys / "class/rtc/rtc0/since_epoch").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return unknown(
            "clock.battery", "系统没有 RTC，断电后时间会丢失", "no RTC is seen: after a power cut the time is gone"
        )
    if rtc_s < _SENSIBLE_S:
        said = Sentence("RTC 时间已丢失", "the RTC has lost the time")
        return fail("clock.battery", "time-lost", said, replace)
    if _is_low(proc, dev):
        said = Sentence("RTC 电池电压低", "the RTC's battery is low")
        return warn("clock.battery", "low", said, replace)
    apart_s = rtc_s - round(time.time())
    if abs(apart_s) > _RTC_APART_S:
        said = Sentence(f"RTC 与系统时间相差 {apart_s} 秒", f"the RTC is {apart_s} s off the machine's time")
        remedy = Sentence("运行：hwclock --systohc", "run: hwclock --systohc")
        return warn("clock.battery", "apart", said, remedy)
    return ok("clock.battery", "RTC 正常", "the RTC keeps the time")


def _is_low(proc: Path, dev: Path) -> bool:
    try:
        lines = (proc / "driver/rtc").read_text(encoding="ascii").splitlines()
        return any(line.partition(":")[::2] == ("batt_status\t", " dead") for line in lines) or _voltage_low(dev)
    except OSError:
        return _voltage_low(dev)


def _voltage_low(dev: Path) -> bool:
    """Chips on I²C say it by RTC_VL_READ; where nobody may ask, nothing is known."""
    try:
        descriptor = os.open(dev / "rtc0", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        answer = fcntl.ioctl(descriptor, _RTC_VL_READ, struct.pack("I", 0))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return bool(struct.unpack("I", answer)[0] & _VOLTAGE_LOW)
