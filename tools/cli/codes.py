"""The codes of records, said for a technician. Machines get the codes as they are (``--json``)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from agent.command_reasons import COMMAND, CommandReason
from agent.config import profile_names, profile_type
from agent.permits.acts import SERVICE_ACT, ServiceAct
from agent.permits.reasons import PermitReason
from agent.records import CONTEXT, SERVICE
from agent.sip2.reasons import UploadReason
from agent.words import say
from offline_store.checkpoint import CHECKPOINT
from offline_store.figures import UNRECORDED
from offline_store.genesis import GENESIS
from offline_store.rescue import CARRIED, DAMAGE
from offline_store.sealing import SEALING_KEY
from offline_store.verify import Fault
from profiles.api import Kind
from profiles.reasons import ReasonEnum, Sentence

_S = Sentence

KINDS: Mapping[str, Sentence] = {
    GENESIS: _S("记录链开始", "the chain begins"),
    CARRIED: _S("转入的旧记录", "carried over"),
    DAMAGE: _S("日志损坏", "the journal was damaged"),
    SEALING_KEY: _S("密封证据的密钥", "a key that seals evidence"),
    "unread": _S("本版本读不懂的记录", "of a version that cannot be read yet"),
    UNRECORDED: _S("磁盘已满期间的次数", "counted while the disk was full"),
    CHECKPOINT: _S("签名检查点", "checkpoint, signed"),
    CONTEXT: _S("软件与配置版本", "versions in force"),
    SERVICE: _S("维护", "service"),
    SERVICE_ACT: _S("凭许可的操作", "act under a permit"),
    COMMAND: _S("平台的命令", "command of the platform"),
    Kind.DECISION: _S("决定", "decision"),
    Kind.OUTCOME: _S("结果", "outcome"),
    Kind.ALARM: _S("告警", "alarm"),
    Kind.LIFE_SAFETY: _S("生命安全", "life safety"),
    Kind.ASKED: _S("询问平台", "the platform is asked"),
    Kind.PAYMENT: _S("收款", "payment"),
    Kind.REVERSAL: _S("未付款或冲正", "not paid, or reversed"),
    Kind.RELEASE: _S("释放预占", "hold released"),
    Kind.REFUND: _S("退款", "refund"),
    Kind.LOAN_ASKED: _S("询问图书馆", "the library is asked"),
    Kind.LOAN: _S("借还", "loan or return"),
    Kind.COUNTER: _S("收银台", "counter"),
    Kind.NOTICE: _S("告知监护人", "for the guardians"),
}
"""Every kind of record."""


@cache
def reasons() -> Mapping[str, ReasonEnum]:
    """Every reason of every installed profile, by code."""
    for name in profile_names():
        profile_type(name)  # its reasons are known once it is imported
    kinds: set[type[ReasonEnum]] = {UploadReason, ServiceAct, PermitReason, CommandReason, *ReasonEnum.__subclasses__()}
    return {reason.code: reason for kind in kinds for reason in kind}


_FAULTS: Mapping[Fault, Sentence] = {
    Fault.MISSING: _S("缺失", "missing"),
    Fault.ALTERED: _S("被改动", "altered"),
    Fault.MISPLACED: _S("位置不对", "misplaced"),
    Fault.INSERTED: _S("是插入的", "inserted"),
    Fault.FORGED: _S("不是终端签名的", "forged"),
    Fault.UNKNOWN_SUITE: _S("所用的算法组未知", "of an unknown suite"),
}


def fault_words(fault: Fault) -> tuple[str, str]:
    """What is wrong with a record of a chain, to follow 「第 n 条记录」 and "record n is": Chinese and English."""
    return _FAULTS[fault].zh, _FAULTS[fault].en


def kind_words(code: str) -> str:
    """A record's kind; a kind that this version does not know stays as it is."""
    return _said(KINDS.get(code), code)


def reason_words(code: str | None) -> str:
    """A record's reason; empty if it has none."""
    if code is None:
        return ""
    reason = reasons().get(code)
    return _said(reason.technician if reason else None, code)


def refuses(code: str | None) -> bool:
    """Whether a record with this reason says that somebody was refused; one that nobody knows is taken to."""
    reason = None if code is None else reasons().get(code)
    return reason is None or reason.refuses


def _said(sentence: Sentence | None, code: str) -> str:
    return code if sentence is None else say(sentence.zh, sentence.en)
