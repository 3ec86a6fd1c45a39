"""Why an enrolment does not go on, in words for the technician."""

from __future__ import annotations

from enum import Enum


class EnrolFault(Enum):
    """A closed list: code, and in Chinese and English what happened and what to do."""

    CODE = (
        "code",
        "这不是注册码；请整段复制，或重新扫描",
        "this is no enrolment code; copy the whole of it, or scan it again",
    )
    FORGED_CODE = (
        "forged-code",
        "注册码被改动过；请让平台重新生成",
        "the code was altered; have the platform make a new one",
    )
    FOREIGN = (
        "foreign",
        "注册码属于另一个平台，本终端不信任它；请向本终端所属的平台索取",
        "the code is another platform's, which this box does not trust; ask the platform that it belongs to",
    )
    UNREACHABLE = (
        "unreachable",
        "连接不上平台的注册端口；请检查网线、地址和防火墙",
        "the platform cannot be reached for enrolment; check cable, address and firewall",
    )
    IMPOSTOR = (
        "impostor",
        "对方不是注册码所说的平台；请检查网络，可能有人冒充",
        "whoever answers is not the platform of the code; check the network, somebody may be in between",
    )
    UNKNOWN = (
        "unknown",
        "平台不认识这个注册码；请重新生成",
        "the platform does not know this code; have a new one made",
    )
    PROOF = ("proof", "平台认为注册码不真实；请重新生成", "the platform takes the code for forged; have a new one made")
    USED = (
        "used",
        "注册码已被另一台设备用过；如果不是您，请通知平台，并重新生成",
        "another box has used this code; if that was not you, tell the platform, and have a new one made",
    )
    EXPIRED = ("expired", "注册码已过期；请重新生成", "the code has expired; have a new one made")
    REVOKED = ("revoked", "平台已撤销这个注册码；请重新生成", "the platform has revoked this code; have a new one made")
    REJECTED = ("rejected", "平台没有接受这台设备；请与平台核对", "the platform did not accept this box; ask there")
    SILENT = (
        "silent",
        "平台没有应答；请确认平台正在运行，然后再运行一次本命令",
        "the platform does not answer; see that it runs, and run this command again",
    )
    UNCONFIRMED = (
        "unconfirmed",
        "平台还没有核对指纹；请把指纹告诉平台，然后再运行一次本命令",
        "nobody has confirmed the fingerprint; tell it to the platform's operator, and run this command again",
    )
    CONTENT = (
        "content",
        "平台给出的内容无法使用；请让平台检查版本",
        "what the platform gave cannot be used; have its version looked at",
    )
    CONFIGURATION = (
        "configuration",
        "配置与注册码不符或无法使用；请改正，或删除它后再运行一次",
        "the configuration does not fit the code, or cannot be used; mend it, or remove it and run this again",
    )

    def __init__(self, code: str, zh: str, en: str) -> None:
        self.code = code
        self.zh = zh
        self.en = en


class EnrolError(Exception):
    """One of the faults above; ``detail`` quotes nothing secret."""

    def __init__(self, fault: EnrolFault, detail: str = "") -> None:
        super().__init__(f"{fault.en} ({detail})" if detail else fault.en)
        self.fault = fault
        self.zh = f"{fault.zh}（{detail}）" if detail else fault.zh
        self.en = str(self)


_REFUSALS = {
    "unknown": EnrolFault.UNKNOWN,
    "forged": EnrolFault.PROOF,
    "used": EnrolFault.USED,
    "expired": EnrolFault.EXPIRED,
    "revoked": EnrolFault.REVOKED,
}


def refusal(code: str) -> EnrolError:
    """What the platform's refusal means; a later version's code stands beside the sentence."""
    fault = _REFUSALS.get(code)
    return EnrolError(EnrolFault.REJECTED, code) if fault is None else EnrolError(fault)
