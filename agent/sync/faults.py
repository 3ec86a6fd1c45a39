"""Why the link is down, in words for the technician."""

from __future__ import annotations

import socket
import ssl
from enum import Enum


class LinkFault(Enum):
    """A closed list: code, Chinese and English sentence."""

    NO_NAME = ("no-name", "找不到平台主机名", "the broker's host name cannot be resolved")
    UNREACHABLE = ("unreachable", "无法连接平台服务器", "the broker cannot be reached")
    UNTRUSTED = (
        "untrusted",
        "平台证书不是由本终端信任的机构签发",
        "the broker's certificate is of an unknown authority",
    )
    WRONG_NAME = ("wrong-name", "平台证书与主机名不符", "the broker's certificate is for another host name")
    EXPIRED = ("expired", "平台证书不在有效期内，请核对终端时间", "the broker's certificate is not valid at this time")
    TLS = ("tls", "加密连接失败", "the encrypted connection could not be made")
    REFUSED = ("refused", "平台拒绝了本终端", "the broker refuses this terminal")
    VERSION = ("version", "平台不支持此协议版本", "the broker does not speak this version of MQTT")
    CLOSED = (
        "closed",
        "平台未应答就断开，请检查终端证书是否有效",
        "the broker closed before it answered: is this terminal's certificate accepted and in date?",
    )
    GARBLED = ("garbled", "平台应答无法识别", "the broker answers nonsense")
    SILENT = ("silent", "平台没有应答", "the broker does not answer")
    LOST = ("lost", "与平台的连接中断", "the connection was lost")
    BETTER = ("better", "首选服务器已恢复，切换回去", "a broker before this one can be had again")
    NOT_SUBSCRIBED = ("not-subscribed", "平台不允许接收回执", "the broker does not let this terminal read its answers")

    def __init__(self, code: str, zh: str, en: str) -> None:
        self.code = code
        self.zh = zh
        self.en = en


_VERIFY_FAULTS = {  # <openssl/x509_vfy.h>
    9: LinkFault.EXPIRED,
    10: LinkFault.EXPIRED,
    62: LinkFault.WRONG_NAME,
    64: LinkFault.WRONG_NAME,
}


def fault_of(error: OSError) -> LinkFault:
    """The fault behind an error of connecting."""
    match error:
        case ssl.SSLCertVerificationError():
            return _VERIFY_FAULTS.get(error.verify_code, LinkFault.UNTRUSTED)
        case ssl.SSLError():
            return LinkFault.TLS
        case socket.gaierror():
            return LinkFault.NO_NAME
        case TimeoutError():
            return LinkFault.SILENT
    return LinkFault.UNREACHABLE


class LinkError(Exception):
    """The link cannot even be tried: its own certificate or key is missing, broken, or another terminal's.

    ``zh`` and ``en`` say which, and what to do; ``str()`` is English.
    """

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en
