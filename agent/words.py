"""Sentences that people at the terminal read: Chinese or English, chosen by locale."""

from __future__ import annotations

import errno
import os
from typing import Protocol

_LOCALE_VARIABLES = ("ONECARD_LANG", "LC_ALL", "LC_MESSAGES", "LANG")

# The C library has Chinese words for these only where a Chinese locale is installed, which a terminal's seldom is.
_ERRNO_ZH = {
    errno.EACCES: "没有权限",
    errno.EADDRINUSE: "地址已被占用",
    errno.ECONNREFUSED: "连接被拒绝",
    errno.ECONNRESET: "连接被对方断开",
    errno.EEXIST: "已存在",
    errno.EHOSTUNREACH: "主机不可达",
    errno.EIO: "输入输出错误",
    errno.EISDIR: "是目录，不是文件",
    errno.ENAMETOOLONG: "名字过长",
    errno.ENETUNREACH: "网络不可达",
    errno.ENOENT: "不存在",
    errno.ENOSPC: "磁盘已满",
    errno.ENOTDIR: "路径中有一段不是目录",
    errno.EPERM: "不允许的操作",
    errno.EROFS: "文件系统只读",
    errno.ETIMEDOUT: "超时",
}


class Bilingual(Protocol):
    """What is said in both languages: a fault, an error, a sentence."""

    @property
    def zh(self) -> str:
        """In Chinese."""

    @property
    def en(self) -> str:
        """In English."""


def language() -> str:
    """``zh`` or ``en``: the first locale variable that is set decides (POSIX XBD §8.2), ``ONECARD_LANG`` before all."""
    for name in _LOCALE_VARIABLES:
        if value := os.environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def say(zh: str, en: str) -> str:
    """The sentence in the reader's language."""
    return zh if language() == "zh" else en


def tell(told: Bilingual) -> str:
    """A fault, an error or a sentence in the reader's language."""
    return say(told.zh, told.en)


def why_zh(error: OSError) -> str:
    """The operating system's reason in Chinese, or its name, such as ``EBUSY``."""
    number = error.errno or 0
    return _ERRNO_ZH.get(number) or errno.errorcode.get(number) or type(error).__name__


def why_en(error: OSError) -> str:
    """The operating system's reason in English."""
    return error.strerror or type(error).__name__
