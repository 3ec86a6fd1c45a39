"""The codes of alarms, said for the platform's operator."""

from __future__ import annotations

from collections.abc import Mapping

from agent.bundles.errors import BundleFault
from agent.configuration.standing import Why
from agent.records import ConfigurationReason
from profiles.reasons import Sentence
from tools.cli import fields
from tools.cli.codes import reason_words
from tools.cli.words import say, tell
from tools.platform.dead_letters import FULL, UNPROVEN
from tools.platform.returns import FREED_BY_HAND
from tools.platform.store import MORE_ALARMS

_S = Sentence

ALARMS: Mapping[str, Sentence] = {
    "answer-refused": _S("终端拒收平台的回执", "the terminal refused an answer of the platform"),
    "bad-genesis": _S("记录链的首条记录不符", "the first record of a chain is not its own"),
    "bad-record": _S("记录无法识别", "a record cannot be read"),
    "bundle-refused": _S("终端拒收下发的数据包", "the terminal refused a bundle that came over the link"),
    "command-refused": _S(
        "终端拒收一条命令，没有执行", "the terminal refused a command that came over the link; nothing was done"
    ),
    "chain-closed": _S("已换下或退役的设备又来上报", "a box that was replaced or retired reports again"),
    "chain-break": _S("一批记录前后不连续", "the records of a batch do not follow each other"),
    "chain-forked": _S("终端的记录链与平台的不一致", "the terminal's chain and the platform's differ"),
    "checkpoint-forged": _S("检查点不是终端的密钥签名的", "a checkpoint was not signed by the terminal's key"),
    "checkpoint-unknown": _S("检查点所用的密钥平台不认识", "a checkpoint bears a key that the platform does not know"),
    "chain-replaced": _S("终端换了新的记录链，没有承接旧链", "the terminal began a new chain that continues none"),
    FULL: _S("无法接收的消息过多，不再保存", "too many messages could not be taken; no more are kept"),
    "duplicate-id": _S("新记录用了已有的编号", "a new record bears the id of another"),
    "certify-forged": _S("换发证书的请求不是终端签的", "the terminal did not sign a request for its next certificate"),
    "certify-revoked": _S("证书已撤销的终端要求换发", "a terminal whose certificate was revoked asks for the next"),
    "enrol-expired": _S("有设备使用了过期的注册码", "a box came with an enrolment code that has expired"),
    "enrol-forged": _S("有人没有注册码却来注册", "somebody asked to be enrolled who has not seen the code"),
    "enrol-malformed": _S("注册请求无法识别", "a request to be enrolled cannot be read"),
    "enrol-revoked": _S("有设备使用了已撤销的注册码", "a box came with an enrolment code that was revoked"),
    "enrol-unknown": _S("有设备使用了别处的注册码", "a box came with an enrolment code of another platform"),
    "enrol-used": _S("注册码被第二台设备使用", "a second box came with an enrolment code that is used"),
    "evidence-doubtful": _S("所附的出示证据不成立，须人工核查", "evidence of a presentation does not hold"),
    "foreign-chain": _S("记录链属于另一台终端", "the chain belongs to another terminal"),
    "fork": _S("平台已有同一序号的另一条记录", "another record of the same number is committed"),
    "hole": _S("有记录未上传就已不在终端", "records left the terminal before they were uploaded"),
    "malformed": _S("消息无法识别", "a message cannot be read"),
    MORE_ALARMS: _S("其他种类的告警", "alarms of further kinds"),
    "payment-after-reversal": _S(
        "冲正之后又有收款记录，未扣款", "a payment was recorded after its reversal; it was not captured"
    ),
    "payment-contested": _S(
        "收款没有可信的持有人证据，未扣款，须人工核实",
        "a payment without proof that the holder was there; it is not captured until a person decides",
    ),
    "payment-declined": _S("平台拒绝之后终端仍收了款", "a terminal took a payment that the platform had declined"),
    "payment-differs": _S(
        "收款与询问平台时的金额或付款人不同", "a payment of another amount or person than was asked for"
    ),
    "pin-blocked": _S(
        "某人的服务密码连续输错，已锁定一天；最后一次在此终端",
        "somebody's service PIN is blocked for a day, after wrong ones, the last of them at this terminal",
    ),
    "pins-guessed": _S(
        "终端一天内输错的服务密码过多，当日不再答复其补贴查询",
        "too many wrong service PINs at one terminal within a day; it is told of no subsidies until tomorrow",
    ),
    "payment-unproven": _S(
        "同一人无证据的收款超过上限，未扣款，须人工核实",
        "more payments of one person than is captured without proof; a person decides about those beyond",
    ),
    "payment-repeated": _S("同一笔款有第二条收款记录，只扣一次", "one intent was paid twice; it is captured once"),
    "not-storable": _S("平台无法保存这条消息", "the platform cannot store a message"),
    "predecessor-unknown": _S("新链承接的记录不在平台", "a new chain continues a record that is not committed"),
    "return-contested": _S(
        "被禁终端的记录退还已收款项，未退，须人工核实",
        "a forbidden terminal's journal gives a payment back; nothing moves until a person decides",
    ),
    "unknown-suite": _S("记录所用的算法组未知", "a record is of a suite that is not known here"),
    UNPROVEN: _S(
        "救出的记录没有检查点证明，另存为死信，须人工决定",
        "salvaged records that no checkpoint proves are put aside for a person to decide",
    ),
    "unread-record": _S("已收下一条本版本读不懂的记录", "a record is kept that this version cannot read"),
    "refund-differs": _S(
        "退款超过该笔尚未退回的金额，没有退回", "a refund of more than is left of a payment; nothing went back"
    ),
    FREED_BY_HAND: _S(
        "操作员放弃了一笔没有结果的退货占用", "the operator freed a return of which no journal told the end"
    ),
    "reversal-differs": _S("冲正金额与收款不同，已全额退回", "a reversal of another amount; all of it was given back"),
    "result-unknown": _S("终端答复了一条未曾下达给它的命令", "the terminal answers a command that it was not given"),
    "rolled-back": _S(
        "终端的日志比平台的短：被截断或由旧副本恢复", "the terminal's journal is older than the platform's"
    ),
}
"""What the platform or the sync raises, beside the reasons of lanes."""


def alarm_words(code: str) -> str:
    """What an alarm means: one of the codes above, or the reason of a lane."""
    sentence = ALARMS.get(code)
    return reason_words(code) if sentence is None else say(sentence.zh, sentence.en)


_SOURCES: Mapping[str, Sentence] = {
    "platform": _S("平台", "the platform"),
    "terminal": _S("终端", "the terminal"),
    "journal": _S("日志", "its journal"),
    "clock": _S("时钟", "its clock"),
}


def source_words(code: str, source: str) -> str:
    """Where an alarm comes from: a part of the terminal, a lane by its name, or what was wrong."""
    if code == "answer-refused":
        return fields.refusal(source)
    if code == "bundle-refused":
        return next((tell(fault.sentence) for fault in BundleFault if fault.code == source), source)
    if code == ConfigurationReason.WITHDRAWN.code:
        return next((tell(why.sentence) for why in Why if why.value == source), source)
    sentence = (fields.COMMAND_REFUSALS if code == "command-refused" else _SOURCES).get(source)
    return source if sentence is None else say(sentence.zh, sentence.en)
