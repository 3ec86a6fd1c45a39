"""Faults that a person at the command line can meet, as sentences in their language."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from agent.bundles.errors import BundleError
from agent.config import ConfigError
from agent.keys import KeyStoreError
from agent.problems import problems_of
from agent.signatures import KeyInvalid
from agent.sm2 import Sm2Unavailable
from agent.sync.faults import LinkError
from agent.words import say
from drivers.api import DriverError
from offline_store.errors import Damaged, DiskFull, Locked, NewerSchema, StoreError
from tools.platform.errors import PlatformError

EXPECTED = (
    BundleError,
    ConfigError,
    DriverError,
    KeyInvalid,
    KeyStoreError,
    LinkError,
    PlatformError,
    Sm2Unavailable,
    StoreError,
    ValidationError,
)

_STORE_ZH: dict[type[StoreError], str] = {
    Locked: "日志目录已被另一个终端进程占用，请先停止它",
    NewerSchema: "数据库由更新版本的软件写成，本版本不作改动；请升级软件",
    DiskFull: "磁盘已满，请腾出空间",
    Damaged: "数据库文件已损坏，请保留原文件并联系平台",
}


def sentence_of(error: BaseException) -> str:
    """What happened, and what would be right."""
    if isinstance(error, DriverError):
        return say(f"{error.fault.zh}：{error.detail}", str(error))
    if isinstance(error, BundleError):
        detail = f" ({error.detail})" if error.detail else ""
        return say(error.fault.sentence.zh, error.fault.sentence.en) + detail
    if isinstance(error, StoreError):
        zh = _STORE_ZH.get(type(error), "日志存储出错")
        return say(f"{zh}（{error}）", str(error))
    if isinstance(error, ValidationError):
        return "\n".join(map(str, problems_of(error, model=BaseModel)))
    if isinstance(error, KeyInvalid):
        return say(f"密钥无效：{error}", str(error))
    if isinstance(error, KeyStoreError):
        return say(f"密钥出错：{error}", str(error))
    return str(error)
