"""How a running terminal stands, in words: for ``onecard status`` and ``onecard watch``."""

from __future__ import annotations

from agent.configuration.standing import Why
from agent.credentials.trust import Freshness
from agent.standing import ConfiguredNow, DeviceNow, Standing
from agent.sync.faults import LinkFault
from agent.sync.link import LinkPhase
from agent.words import say, tell
from drivers.api import CardFault, ReaderFault
from profiles.api import ClockState
from profiles.reasons import counted
from tools.cli import fields
from tools.cli.codes import reasons

PHASES = {
    LinkPhase.UP: ("已连接", "up"),
    LinkPhase.CONNECTING: ("正在连接", "connecting"),
    LinkPhase.WAITING: ("等待重试", "waiting to try again"),
    LinkPhase.STOPPED: ("已停止", "stopped"),
}
FAULTS = {fault.code: (fault.zh, fault.en) for fault in LinkFault}
CLOCKS = {
    ClockState.SYNCHRONISED: ("可信", "synchronised"),
    ClockState.HOLDOVER: ("推算（暂无校时来源）", "holdover: carried on, nobody vouches for it now"),
    ClockState.UNTRUSTED: ("不可信", "untrusted"),
}
_FRESHNESS = {
    Freshness.FRESH.value: ("有效", "fresh"),
    Freshness.IN_GRACE.value: ("宽限期内", "in its grace"),
    Freshness.EXPIRED.value: ("已过期", "expired"),
}
_DEVICE_FAULTS = {fault.code: fault for fault in (*ReaderFault, *CardFault)}
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_SOON_MS = 30 * _DAY_MS


def service(standing: Standing) -> str:
    """Whether it serves."""
    return say("受理中", "in service") if standing.in_service else say("不受理", "out of service")


def clock(standing: Standing) -> str:
    """State and uncertainty of the time."""
    state = say(*CLOCKS[ClockState(standing.clock.state)])
    error_ms = standing.clock.uncertainty_ms
    return say(f"{state}，误差至多 {error_ms} 毫秒", f"{state}, within {error_ms} ms")


def buffer(standing: Standing) -> str:
    """How large the journal is, and when money stops for want of room."""
    now = standing.buffer
    size, left = fields.size(now.size_bytes), say("未知", "not known")
    if now.hours_left is not None:
        left = fields.hours(now.hours_left)
    text = say(f"{size}，距停止收款 {left}", f"{size}, until money stops: {left}")
    counted = say(f"，未入账开门 {now.unrecorded} 次", f", openings not recorded: {now.unrecorded}")
    return text + counted if now.unrecorded else text


def link(standing: Standing) -> str:
    """Whether the platform is reached."""
    metrics = standing.link
    if metrics is None:
        return say("未连接平台", "no platform")
    text = say(f"{PHASES[metrics.phase][0]}（{metrics.host}）", f"{PHASES[metrics.phase][1]} ({metrics.host})")
    waiting = say(f"，待确认 {metrics.unacknowledged} 条", f", records waiting: {metrics.unacknowledged}")
    fault = say(*FAULTS.get(metrics.fault, (metrics.fault, metrics.fault))) if metrics.fault else ""
    return text + waiting + (f"{say('；', '; ')}{fault}" if fault and metrics.phase is not LinkPhase.UP else "")


def device(now: DeviceNow) -> str:
    """How one device is, with what is wrong."""
    if now.state == "ready":
        return say("正常", "ready")
    fault, reason = _DEVICE_FAULTS.get(now.reason), reasons().get(now.reason)
    words = tell(fault) if fault else tell(reason.technician) if reason else now.reason
    return f"{words} ({now.detail})" if now.detail else words


def bundle(freshness: str | None, age_ms: int | None) -> str:
    """Whether a list is in force, and how old it is."""
    if freshness is None or age_ms is None:
        return say("损坏，不生效", "damaged, not in force")
    hours = age_ms // _HOUR_MS
    zh, en = _FRESHNESS.get(freshness, (freshness, freshness))
    return say(f"{zh}，{hours} 小时前签发", f"{en}, issued {hours} h ago")


def certificate(standing: Standing) -> str | None:
    """That it ends soon: its renewal is then long overdue."""
    if standing.certificate_ends_ms is None or standing.clock.state == ClockState.UNTRUSTED.value:
        return None
    left_ms = standing.certificate_ends_ms - standing.clock.now_ms
    if left_ms >= _SOON_MS:
        return None
    if left_ms <= 0:
        return say("已到期：请重新注册终端", "has ended: enrol the terminal anew")
    days = left_ms // _DAY_MS
    return say(f"还有 {days} 天到期，没有换发", f"ends in {counted(days, 'day')}, and is not renewed")


def configuration(now: ConfiguredNow) -> str:
    """Whose configuration the terminal goes by, and which one of the platform's it took back."""
    own = say("终端自带的文件", "the terminal's own file")
    said = say(f"平台下发的版本 {now.issue}", f"version {now.issue} of the platform") if now.issue else own
    if now.on_trial:
        said += say("，试用中", ", on trial")
    if now.withdrawn is None:
        return said
    why = next((tell(each.sentence) for each in Why if each.value == now.why), now.why or "")
    at = say(f"（{now.at}）", f" ({now.at})") if now.at else ""
    return said + say(f"；已退回版本 {now.withdrawn}：{why}{at}", f"; version {now.withdrawn} was withdrawn: {why}{at}")


def lines(standing: Standing) -> list[str]:
    """All of it but the link, in a few lines; of devices and lists only what is not as it should be."""
    colon = say("：", ": ")
    said = [
        f"{say('终端', 'terminal')} {standing.terminal}{colon}{service(standing)}",
        f"{say('时间', 'time')}{colon}{clock(standing)}",
        f"{say('日志', 'journal')}{colon}{buffer(standing)}",
    ]
    if standing.configured is not None:
        said.append(f"{say('配置', 'configuration')}{colon}{configuration(standing.configured)}")
    if (ending := certificate(standing)) is not None:
        said.append(f"{say('证书', 'certificate')}{colon}{ending}")
    wrong = [each for each in standing.devices if each.state != "ready"]
    count = len(standing.devices) - len(wrong)
    said.append(say(f"正常的设备：{count} 个", f"devices ready: {count}"))
    said += [f"  {each.name}{colon}{device(each)}" for each in wrong]
    old = [each for each in standing.bundles if each.freshness != Freshness.FRESH.value]
    said += [f"  {each.name}{colon}{bundle(each.freshness, each.age_ms)}" for each in old]
    return said
