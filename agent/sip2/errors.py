"""What can be wrong with the library's system. No text quotes what it sent: that may name a reader of the library."""

from __future__ import annotations

from enum import Enum

from agent.words import say


class Sip2Fault(Enum):
    """Code, Chinese and English sentence for the technician."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        self.code = code
        self.zh = zh
        self.en = en

    UNREACHABLE = ("unreachable", "无法连接图书馆系统", "the library's system cannot be reached")
    CLOSED = ("closed", "图书馆系统断开了连接", "the library's system closed the connection")
    SILENT = ("silent", "图书馆系统没有及时应答", "the library's system did not answer in time")
    TOO_LONG = ("too-long", "图书馆系统的应答过长", "the library's system sent a line beyond the bound")
    CHECKSUM = ("checksum", "图书馆系统的应答校验和不符", "the checksum of the answer is wrong")
    SEQUENCE = ("sequence", "图书馆系统的应答序号不符", "the answers bear other sequence numbers")
    MALFORMED = ("malformed", "图书馆系统的应答无法识别", "the answer is no SIP2 message that is known here")
    UNEXPECTED = ("unexpected", "图书馆系统答非所问", "the answer is that to another question")
    REFUSED = ("refused", "图书馆系统拒绝登录", "the library's system refused the login")
    OFF_LINE = ("off-line", "图书馆系统声明暂停服务", "the library's system says that it is off line")


class Sip2Error(Exception):
    """Nothing came of a question to the library's system. ``detail`` is for the technician."""

    def __init__(self, fault: Sip2Fault, detail: str = "") -> None:
        super().__init__(f"{fault.en}: {detail}" if detail else fault.en)
        self.fault = fault
        self.detail = detail
        self.zh = f"{fault.zh}：{detail}" if detail else fault.zh
        self.en = str(self.args[0])

    def __str__(self) -> str:
        return say(self.zh, self.en)
