"""Kinds of journal records that the terminal itself writes, beside those of profiles."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence

_S = Sentence

CONTEXT = "context"
"""What decisions go by from here on: software, configuration, bundles."""
SERVICE = "service"
"""What a technician did to the terminal."""


class ServiceReason(ReasonEnum):
    """What technicians do."""

    FLOOR_RESET = (
        "floor-reset",
        _S("请走旁边通道", "Please use the next lane"),
        _S("技术人员重置了时钟下限", "a technician reset the clock's floor"),
    )
    OUTPUT_TESTED = (
        "output-tested",
        _S("请走旁边通道", "Please use the next lane"),
        _S("技术人员测试了继电器输出", "a technician tested an output of the board"),
    )


class ConfigurationReason(ReasonEnum):
    """What becomes of the platform's configurations."""

    WITHDRAWN = (
        "configuration-withdrawn",
        _S("请走旁边通道", "Please use the next lane"),
        _S(
            "平台下发的配置没有通过试用，已退回上一份可用的配置",
            "the platform's configuration did not prove itself; the last good one is in force again",
        ),
    )


class StoreReason(ReasonEnum):
    """What became of what is kept on the disk."""

    BUNDLE_DAMAGED = (
        "bundle-damaged",
        _S("请走旁边通道", "Please use the next lane"),
        _S("已安装的数据包损坏，请重新安装", "an installed bundle is damaged; install it again"),
    )

    LATCH_UNSAVED = (
        "latch-unsaved",
        _S("请走旁边通道", "Please use the next lane"),
        _S(
            "消防锁存状态无法写入磁盘：断电后门可能关闭；请检查磁盘",
            "the fire latch cannot be saved: after a power cut the doors may shut; check the disk",
        ),
    )
    DISK_HANGS = (
        "disk-hangs",
        _S("请走旁边通道", "Please use the next lane"),
        _S(
            "磁盘长时间没有应答：不开门、不收款（消防除外），恢复后自动继续；请检查存储",
            "the disk has not answered for long: nothing opens but for fire, and nothing is paid; check the storage",
        ),
    )
    JOURNAL_FILLING = (
        "journal-filling",
        _S("请走旁边通道", "Please use the next lane"),
        _S("按目前的速度，日志两天内将满而停止收款", "at the present rate money stops on a full disk within two days"),
    )
    UNRECORDED = (
        "unrecorded",
        _S("请通行", "Please pass"),
        _S(
            "磁盘已满，保留空间也已用完：通道照常开放，只计次数，有空间时补记；请清理磁盘",
            "disk and reserve are full: doors open and are counted until there is room for a record; make room",
        ),
    )
    STATE_LOST = (
        "state-lost",
        _S("请走旁边通道", "Please use the next lane"),
        _S(
            "通道所存的状态无法识别，已从空闲状态开始",
            "what the lane had saved cannot be read; it begins as if nothing were under way",
        ),
    )
    JOURNAL_RESCUED = (
        "journal-rescued",
        _S("请走旁边通道", "Please use the next lane"),
        _S(
            "日志文件损坏：已保留损坏的文件，完好的记录转入新日志；请尽快更换存储",
            "the journal's file was damaged: it is kept, what was intact goes on in a new one; replace the disk soon",
        ),
    )
