"""The names and values of what commands print, said for people. Machines get both as they are (``--json``)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from agent.bundles.manifest import Kind
from agent.command_reasons import Unanswerable
from agent.sync.uplink import Refusal
from agent.words import say, tell
from profiles.amounts import yuan
from profiles.api import Assurance
from profiles.reasons import Sentence
from profiles.rules.assisted import Why
from tools.cli.permit_words import ACTS, COMMANDS, ROLES
from tools.cli.times import local, local_of

_S = Sentence
_LAST_MS = 253_402_300_799_000  # the end of the year 9999
_YEAR_HOURS = 8_760
_PERMITTED = {
    **{act.code: words for act, words in ACTS.items()},
    **{role.value: words for role, words in ROLES.items()},
    **{act.value: words for act, words in COMMANDS.items()},
}
_MOMENTS = frozenset({"issued", "expires", "counts_until"})
"""Fields that machines read as ISO 8601."""

FIELDS: Mapping[str, Sentence] = MappingProxyType(
    {
        # a record
        "id": _S("编号", "id"),
        "refers_to": _S("所指记录", "refers to"),
        "hash": _S("摘要", "hash"),
        "prev_hash": _S("前一条摘要", "hash of the one before"),
        "time_quality": _S("时间是否可信", "quality of the time"),
        "profile": _S("场景", "profile"),
        "sealed_bytes": _S("密封内容（字节）", "sealed bytes"),
        # its money
        "amount_fen": _S("金额", "amount"),
        "intent": _S("款项编号", "intent"),
        "merchant": _S("商户", "merchant"),
        "business_date": _S("营业日", "business date"),
        # its public fields
        "aside": _S("损坏的文件留在", "the damaged file is kept as"),
        "asked": _S("询问的编号", "id of the question"),
        "assurance": _S("凭证的可信程度", "how sure the credential is"),
        "bundles": _S("数据包版本", "versions of bundles"),
        "carried": _S("转入条数", "records carried over"),
        "chain_id": _S("链编号", "chain id"),
        "configuration": _S("配置的摘要", "digest of the configuration"),
        "issue": _S("平台下发的配置版本", "version of the platform's configuration"),
        "trial": _S("配置试用", "trial of the configuration"),
        "why": _S("退回原因", "withdrawn because"),
        "at": _S("有误的键", "key that is wrong"),
        "direction": _S("方向", "direction"),
        "area": _S("区域", "area"),
        "assisted": _S("协助原因", "helped because"),
        "assisted_today": _S("今日第几次协助", "act of help of the day"),
        "session": _S("场次", "session"),
        "line": _S("线路", "line"),
        "station": _S("车站", "station"),
        "from": _S("进站车站", "came in at"),
        "missing_exit": _S("未出站行程的进站车站", "entry of the trip without an exit"),
        "stayed_minutes": _S("停放分钟数", "minutes of the stay"),
        "unpaid_fen": _S("未收金额", "not taken"),
        "counter": _S("窗口", "counter"),
        "matter": _S("事项", "matter"),
        "ticket": _S("排队号", "ticket"),
        "basis": _S("入场依据", "admitted by"),
        "people": _S("人数", "people"),
        "clinic": _S("诊室", "clinic"),
        "number": _S("号", "number"),
        "prescription": _S("处方", "prescription"),
        "prescriptions": _S("处方", "prescriptions"),
        "due": _S("结清期限", "to be settled by"),
        "guests": _S("客餐份数", "guests"),
        "items": _S("商品", "items"),
        "price_list": _S("价目表", "price list"),
        "sale": _S("退款号", "refund number of the sale"),
        "bill": _S("账单编号", "bill"),
        "use": _S("用途", "paid for"),
        "list_fen": _S("原价", "list price"),
        "promotion": _S("优惠", "promotion"),
        "tariff": _S("费率", "tariff"),
        "fault": _S("故障", "fault"),
        "figures": _S("计数", "counted"),
        "floor_ms": _S("时钟下限", "floor of the clock"),
        "for": _S("为谁密封", "sealed for"),
        "format": _S("日志格式版本", "version of the journal's format"),
        "item": _S("馆藏条码", "item"),
        "class": _S("班级", "class"),
        "lessons": _S("当天上课", "a day with lessons"),
        "minutes_late": _S("迟到分钟数", "minutes late"),
        "back_by_ms": _S("应返校时间", "back by"),
        "kid": _S("密钥编号", "key id"),
        "lost": _S("丢失条数", "records lost"),
        "meals": _S("餐数", "meals"),
        "new_floor_ms": _S("新的时钟下限", "new floor of the clock"),
        "openings": _S("开门次数", "openings"),
        "period": _S("餐次", "period of meals"),
        "predecessor": _S("承接的链", "continues the chain"),
        "record": _S("原记录", "the record itself"),
        "repeated": _S("重复次数", "times repeated"),
        "rules": _S("规则轨迹", "rules asked"),
        "seq": _S("序号", "record"),
        "signature": _S("签名", "signature"),
        "software": _S("软件版本", "software version"),
        "source": _S("凭证类型", "kind of credential"),
        "terminal": _S("终端", "terminal"),
        "year": _S("年份", "year"),
        "command": _S("命令的编号", "id of the command"),
        "act": _S("操作", "act"),
        "role": _S("角色", "role"),
        "permit": _S("许可", "permit"),
        "holder": _S("持有人", "holder"),
        "second_permit": _S("第二份许可", "second permit"),
        "second_holder": _S("第二持有人", "second holder"),
        # a command of the platform
        "lane": _S("通道", "lane"),
        "issued_ms": _S("下达", "given"),
        "expires_ms": _S("失效", "ends"),
        "accepted_ms": _S("终端接受", "accepted there"),
        "answered_ms": _S("终端答复", "answered there"),
        # how much a journal holds
        "head": _S("最后一条", "last record"),
        "first_retained": _S("现存第一条", "first record still here"),
        "unacknowledged": _S("未确认", "not acknowledged yet"),
        "records": _S("现存条数", "records here"),
        "file_bytes": _S("文件大小（字节，含预写日志）", "bytes of the files, with the write-ahead log"),
        "log_bytes": _S("其中预写日志（字节）", "bytes of the write-ahead log in it"),
        "bytes_per_record": _S("每条记录本身（字节）", "bytes of a record itself"),
        "latest_day_records": _S("最近一天的条数", "records of the latest day"),
        "first": _S("最早时间", "earliest"),
        "last": _S("最晚时间", "latest"),
        # what waits
        "waiting_records": _S("待确认条数", "records waiting"),
        "waiting_bytes": _S("待确认字节", "bytes waiting"),
        "oldest_ms": _S("其中最早", "the oldest of them"),
        "hours_left": _S("距停止收款", "until money stops"),
        # a bundle
        "kind": _S("类别", "kind"),
        "name": _S("名称", "name"),
        "version": _S("版本", "version"),
        "previous_version": _S("承接版本", "changes version"),
        "issued": _S("签发", "issued"),
        "expires": _S("到期", "expires"),
        "grace_hours": _S("宽限（小时）", "grace (hours)"),
        "audience": _S("接收者", "for"),
        "body_bytes": _S("正文（字节）", "bytes that travel"),
        "content_bytes": _S("内容（字节）", "bytes of its content"),
        "content_sha256": _S("内容摘要（SHA-256）", "SHA-256 of its content"),
        "freshness": _S("时效", "freshness"),
        "age_hours": _S("已签发（小时）", "age (hours)"),
        "counts_until": _S("最晚有效", "counts until"),
        "verified": _S("检验通过", "verified"),
        "entries": _S("总条数", "entries"),
        "revoked": _S("已吊销", "revoked"),
        # a card
        "medium": _S("介质编号", "medium id"),
        "application": _S("卡片应用", "card application"),
        "interface": _S("接口", "interface"),
        "valid_from": _S("有效期自", "valid from"),
        "valid_until": _S("有效期至", "valid until"),
        "apdu_count": _S("指令数", "commands sent to the card"),
        # a dead letter
        "topic": _S("主题", "topic"),
        "record_id": _S("记录编号", "record id"),
        "reason": _S("原因", "reason"),
        "detail": _S("说明", "detail"),
        "times": _S("次数", "times"),
        "first_ms": _S("首次", "first"),
        "last_ms": _S("最近", "latest"),
        "payload": _S("原始字节", "bytes"),
    }
)

VALUES: Mapping[str, Sentence] = MappingProxyType(
    {
        "social-security": _S("社会保障卡", "social-security card"),
        "reserved": _S("已预约", "reservation"),
        "free": _S("免预约", "no reservation needed"),
        "assisted": _S("值班人员协助", "an operator's help"),
        "t-union": _S("交通联合卡", "T-Union card"),
        "pboc": _S("金融卡", "bank card (PBOC)"),
        "citizen-code": _S("电子市民码", "citizen code"),
        "hcert": _S("健康证明", "health certificate"),
        "payment-code": _S("付款码", "payment code"),
        "social-security-code": _S("电子社保卡", "electronic social-security card"),
        "medical-insurance-code": _S("医保码", "medical insurance code"),
        "health-code": _S("健康码", "health code"),
        "contact": _S("接触式", "contact"),
        "contactless": _S("非接触式", "contactless"),
        "static-code": _S("静态码", "static code"),
        "dynamic-code": _S("动态码", "dynamic code"),
        "goods": _S("商品", "goods"),
        "utilities": _S("公用事业", "utilities"),
        "any": _S("不限", "anything"),
        "pass": _S("通行", "passing"),
        "pay": _S("支付", "paying"),
        "borrow": _S("借阅", "borrowing"),
        "identify": _S("核验身份", "identification"),
        "registration": _S("挂号", "registration"),
        "treatment": _S("诊疗", "treatment"),
        "medicine": _S("药品", "medicine"),
        "settlement": _S("结清欠款", "settlement"),
        "in": _S("进", "in"),
        "out": _S("出", "out"),
        **{why.code: why.said for why in Why},
        "fresh": _S("有效期内", "in force"),
        "in-grace": _S("宽限期内", "in its days of grace"),
        "expired": _S("已过期", "expired"),
        "revoked": _S("已吊销", "revoked"),
        "valid": _S("有效", "valid"),
        "all": _S("全部终端", "all terminals"),
    }
)
"""Values that are words of ours; what is not among them, such as names, is shown as it stands."""

ASSURANCES: Mapping[int, Sentence] = MappingProxyType(
    {
        Assurance.UID: _S("仅卡号", "its number alone"),
        Assurance.READ: _S("已读卡，未认证", "read, not authenticated"),
        Assurance.STATIC_CODE: VALUES["static-code"],
        Assurance.DYNAMIC_CODE: VALUES["dynamic-code"],
        Assurance.AUTHENTICATED_CARD: _S("已认证的卡", "authenticated card"),
    }
)

BUNDLE_KINDS: Mapping[str, Sentence] = MappingProxyType(
    {
        Kind.KEYS: _S("平台密钥", "the platform's keys"),
        Kind.TRUST: _S("信任列表", "trust list"),
        Kind.STATUS: _S("吊销名单", "deny list"),
        Kind.EMERGENCY: _S("紧急名单", "emergency list"),
        Kind.REGISTER: _S("卡片登记册", "card register"),
        Kind.ROSTER: _S("人员名册", "roster"),
        Kind.HCERT: _S("健康证明签发者列表", "signers of health certificates"),
        Kind.PRICES: _S("价目表", "price list"),
        Kind.TARIFF: _S("费率与优惠", "tariff"),
        Kind.CALENDAR: _S("校历", "school calendar"),
        Kind.CONFIGURATION: _S("终端配置", "a terminal's configuration"),
        Kind.LEASE: _S("收款租约", "lease to take money"),
    }
)

REFUSALS: Mapping[str, Sentence] = MappingProxyType(
    {
        Refusal.UNVERIFIED: _S("签名不符", "not signed by the platform"),
        Refusal.FOREIGN: _S("属于另一终端或另一条链", "for another terminal or chain"),
        Refusal.STALE: _S("过时的重放", "old ones, replayed"),
        Refusal.BEYOND_HEAD: _S("确认了不存在的记录", "about records that do not exist"),
        Refusal.WRONG_HASH: _S("摘要不符", "with another hash"),
        "wrong-question": _S("所答非所问", "to another question"),
        "unreadable": _S("无法解密", "sealed for another key"),
    }
)
"""Why an answer of the platform was not taken."""

COMMAND_REFUSALS: Mapping[str, Sentence] = MappingProxyType(
    {
        Unanswerable.UNVERIFIED: _S("不是有效的命令密钥签名的", "not signed by a command key that is in force"),
        Unanswerable.FOREIGN: _S("属于另一台终端或另一条记录链", "for another terminal or chain"),
        Unanswerable.PASSED_NUMBER: _S(
            "编号不高于该密钥已用过的：旧命令重放，或密钥已泄露，或平台时钟曾经偏快",
            "its number is not above the key's last: played again, or the key is stolen, or the platform's clock was"
            " ahead",
        ),
    }
)
"""Why a command of the platform was not taken, and left no record."""


def field(name: str) -> str:
    """A field's name; one that this version does not know stands as it is."""
    return _said(FIELDS.get(name), name.replace("_", " "))


def value(name: str, content: Any) -> str:
    """A field's value."""
    if content is None:
        return "-"
    if isinstance(content, bool):
        return say("是", "yes") if content else say("否", "no")
    if name == "assurance" and isinstance(content, int):
        return _said(ASSURANCES.get(content), str(content))
    if name.endswith("_fen") and isinstance(content, int):
        amount = f"{'-' if content < 0 else ''}{yuan(abs(content))}"
        return say(f"{amount} 元", f"{amount} yuan")
    if name.endswith("_ms") and isinstance(content, int) and 0 <= content <= _LAST_MS:
        return local(content)
    if name == "hours_left" and isinstance(content, int):
        return hours(content)
    if name in _MOMENTS:
        return local_of(str(content))
    if name == "rules":
        asked = len(str(content)) // 2  # a byte each, in hexadecimal
        return say(f"共 {asked} 条（onecard explain 逐条说明）", f"{asked} (`onecard explain` tells each)")
    if name == "kind":
        return _said(BUNDLE_KINDS.get(str(content)), str(content))
    if name in {"act", "role"}:
        return say(*_PERMITTED.get(str(content), (str(content), str(content))))
    if name == "lane":  # what somebody called it, were it a word of ours
        return str(content)
    if name == "audience":
        return audience(str(content))
    if isinstance(content, Mapping):
        return _listed(f"{field(str(key))} {value(str(key), inner)}" for key, inner in content.items())
    if isinstance(content, list | tuple):
        return _listed(value("", inner) for inner in content)
    return _said(VALUES.get(str(content)), str(content))


def line(name: str, content: Any) -> str:
    """``name: value`` in the reader's language."""
    return f"{field(name)}{say('：', ': ')}{value(name, content)}"


def hours(count: int) -> str:
    """A length of time that nobody counts in hours beyond a year: it is guessed from one day's records."""
    return tell(hours_left(count))


def hours_left(count: int) -> Sentence:
    """The same in both languages."""
    return _S("一年以上", "more than a year") if count > _YEAR_HOURS else _S(f"{count} 小时", f"{count} h")


def size(size_bytes: int) -> str:
    """A file's, in the unit in which it is something."""
    return f"{size_bytes / 1_000_000:.1f} MB" if size_bytes >= 1_000_000 else f"{-(-size_bytes // 1_000)} kB"


def audience(text: str) -> str:
    """For whom a bundle is: ``all``, ``site:NAME`` or ``terminal:ID``."""
    kind, colon, name = text.partition(":")
    if colon and kind == "site":
        return say(f"场所 {name}", f"site {name}")
    if colon and kind == "terminal":
        return say(f"终端 {name}", f"terminal {name}")
    return _said(VALUES.get(text), text)


def refusal(code: str) -> str:
    """Why an answer of the platform was refused."""
    return _said(REFUSALS.get(code), code)


def _listed(said: Any) -> str:
    return say("，", ", ").join(said) or say("无", "none")


def _said(sentence: Sentence | None, code: str) -> str:
    return code if sentence is None else say(sentence.zh, sentence.en)
