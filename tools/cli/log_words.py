"""The terminal's log in the reader's language: the words of its events and keys, and of the codes among its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.bundles.errors import BundleFault
from agent.counter_socket import CounterError
from agent.devices import DRIVER_BUG
from agent.sip2.errors import Sip2Fault
from agent.sip2.library import NAME as LIBRARY
from agent.sync.faults import LinkFault
from agent.words import language, say
from drivers.api import CardFault, ReaderFault
from offline_store.verify import Fault
from profiles.api import Tone
from tools.cli.codes import KINDS, fault_words, reasons
from tools.cli.fields import COMMAND_REFUSALS, VALUES
from tools.cli.standing_words import CLOCKS

LEVELS = {"debug": "调试", "info": "信息", "warning": "警告", "error": "错误"}
EVENTS: Mapping[str, str] = {
    "a draft stays": "残留的临时文件无法清除",
    "acknowledged": "平台已确认",
    "acknowledgement refused": "回执被拒",
    "actuated": "已执行动作",
    "actuator": "执行器",
    "append failed": "写入失败",
    "append is past its deadline": "写入超时",
    "append refused": "写入被拒",
    "bundle could not be fetched": "数据包未能取得",
    "bundle could not be installed": "数据包未能安装",
    "bundle could not be recorded": "数据包的安装未能记录",
    "bundle fetched": "数据包已取得",
    "bundle installed": "数据包已安装",
    "bundle is damaged": "数据包已损坏",
    "bundle is old": "数据包已过时",
    "bundle refused": "数据包被拒",
    "bundle stays": "数据包未能删除",
    "camera": "摄像头",
    "certificate could not be renewed": "证书未能更新",
    "certificate renewed": "证书已更新",
    "clock": "时钟",
    "clock could not be kept": "时钟未能保存",
    "command refused": "指令被拒",
    "configuration cannot be kept": "配置未能保存",
    "configuration cannot be tried": "配置不能试用",
    "configuration in force cannot be used": "现行配置不能使用",
    "configuration is not valid": "配置无效",
    "configuration on trial": "配置试用中",
    "configuration proven": "配置已验证可用",
    "configuration withdrawn": "配置已撤回",
    "configuration's standing is lost": "配置的状态已丢失",
    "device": "设备",
    "fire latch is not saved": "消防锁定未能保存",
    "in service again": "恢复受理",
    "journal cannot be opened": "日志不能打开",
    "journal cannot be read": "日志无法读取",
    "journal did not close in time": "日志没有及时关闭",
    "journal does not open": "日志打不开",
    "journal is damaged": "日志已损坏",
    "journal is damaged again and again": "日志反复损坏",
    "journal is filling": "日志将满",
    "journal log": "日志并入",
    "journal not readable for sync": "日志无法读取，不能上传",
    "journal rescued": "日志已抢救",
    "keys could not be encrypted": "密钥未能加密",
    "lane state cannot be read": "通道状态无法读取",
    "link down": "连接断开",
    "link up": "已连接平台",
    "not every device has answered": "有设备没有应答",
    "out of service": "停止受理",
    "part failed": "部件出错",
    "ready": "就绪",
    "removed": "卡已拿开",
    "saved clock is damaged": "保存的时钟已损坏",
    "show": "屏幕显示",
    "signal dropped": "信号被丢弃",
    "stopped": "已停止",
    "stopping": "正在停止",
    "the platform cannot be reached with these keys": "用现有密钥无法连接平台",
    "the platform takes nothing: looking for damage": "平台不接收任何记录，正在检查是否损坏",
    "what is in force could not be recorded": "现行版本未能记录",
    "what the library was told could not be recorded": "已告知图书馆的内容未能记录",
    "what was counted is recorded": "累计的次数已入账",
}
"""What the terminal logs, in Chinese; in English it stands in the log itself. Kinds of records have their own."""
KEYS: Mapping[str, str] = {
    "terminal": "终端", "lane": "通道", "device": "设备", "driver": "驱动", "tap": "刷卡", "reader": "读卡器",
    "application": "应用", "interface": "接口", "apdu_count": "指令数", "reason": "原因", "granted": "放行",
    "kind": "类别", "seq": "序号", "head": "最新", "acked": "已确认", "chain": "链", "record": "记录", "fault": "故障",
    "detail": "详情", "state": "状态", "retry_ms": "重试间隔毫秒", "count": "数量", "input": "输入", "active": "有效",
    "output": "输出", "tone": "提示音", "dropped": "略去", "version": "版本", "ready_ms": "启动毫秒", "signal": "信号",
    "address": "地址", "protocol": "协议", "error": "错误", "path": "对象", "problem": "问题",
    "nonce_age_ms": "随机数毫秒", "since_ms": "始于", "uncertainty_ms": "误差毫秒", "lost": "丢失",
    "hours_left": "距停止收款小时", "broker": "服务器", "counted": "仅计数", "poor": "画面不清",
}  # fmt: skip
_TRUTHS = {"True": "是", "False": "否"}
_STATES = {"ready": "正常", "failed": "故障"}
_READERS = {DRIVER_BUG: "驱动程序出错", **{fault.code: fault.zh for fault in (*ReaderFault, *CardFault)}}
_PARTS = {
    "standing": "状态查询", "metrics": "指标", "sync": "同步", "library": "图书馆", "clock": "时钟",
    "inspector": "日志检查", "buffer": "余量", "latches": "消防锁定", "configuration": "配置", "service": "受理",
    "pinning": "现行版本", "commands": "指令", "service acts": "维护操作", "bundles": "数据包", "stick": "U 盘回执",
}  # fmt: skip
_CODES: Mapping[str, Mapping[str, str]] = {
    "actuated": {**_READERS, "no-board": "此通道没有接继电器板", "no-such-output": "板上没有此输出"},
    "actuator": _READERS,
    "bundle is old": {code: VALUES[code].zh for code in ("fresh", "in-grace", "expired")},
    "bundle refused": {fault.code: fault.sentence.zh for fault in BundleFault},
    "certificate could not be renewed": {
        "forged": "平台认为请求不是本终端签的",
        "revoked": "平台已撤销本终端的证书",
        "not-ours": "收到的证书不属于本终端的密钥",
    },
    "clock": {state.value: zh for state, (zh, _) in CLOCKS.items()},
    "command refused": {code: sentence.zh for code, sentence in COMMAND_REFUSALS.items()},
    "counter": {code: zh for code, zh, _ in (error.value for error in CounterError)},
    "device": {**_STATES, **_READERS},
    "journal is damaged": {fault.value: fault_words(fault)[0] for fault in Fault},
    "journal log": {"free": "正常", "held": "被占住", "failed": "故障"},
    "link down": {fault.code: fault.zh for fault in LinkFault},
    "part failed": _PARTS,
    "show": {Tone.OK.value: "成功", Tone.NO.value: "拒绝", Tone.WAIT.value: "等待", "private": "私密"},
}
"""What the codes of an event mean, whose values are words of ours; one code may mean another thing elsewhere."""
_LIBRARY = {**_STATES, **{fault.code: fault.zh for fault in Sip2Fault}}
_CODED = frozenset({"reason", "fault", "state", "problem", "active", "granted", "poor", "counted", "kind", "tone"})


def level(code: str) -> str:
    """How serious it is; as wide on a screen as any other."""
    return say(f"{LEVELS[code]}   ", f"{code:<7}")


def event(name: str) -> str:
    """What happened; an event that this version does not know stands as it is."""
    if language() != "zh":
        return name
    kind = KINDS.get(name)
    return EVENTS.get(name, name) if kind is None else kind.zh


def fields_of(name: str, entry: Mapping[str, Any]) -> str:
    """The other keys of an event's line, without readings of the machine's own clock, which only machines subtract."""
    shown = {key: content for key, content in entry.items() if not key.endswith("_ns") and content not in ("", None)}
    if language() != "zh":
        return " ".join(f"{key}={content}" for key, content in shown.items())
    codes = _LIBRARY if (name, entry.get("device")) == ("device", LIBRARY) else _CODES.get(name, {})
    return " ".join(f"{KEYS.get(key, key)}={_value(key, content, codes)}" for key, content in shown.items())


def _value(key: str, content: object, codes: Mapping[str, str]) -> str:
    text = str(content)
    if key not in _CODED:
        return text
    if text in codes:
        return codes[text]
    if key == "reason" and text in reasons():
        return reasons()[text].technician.zh
    return _TRUTHS.get(text, text)
