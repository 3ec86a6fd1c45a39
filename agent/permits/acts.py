"""What technicians do under a permit, by whom and by how many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from profiles.reasons import ReasonEnum, Sentence

SERVICE_ACT = "service-act"
"""The kind of the record that names act and permits; it is on the disk before the act begins."""

_S = Sentence
_CITIZEN = _S("请走旁边通道", "Please use the next lane")


class Role(StrEnum):
    """What a permit lets its holder be."""

    MAINTAINER = "maintainer"
    """Resets the clock's floor, changes the configuration."""
    GUARD = "guard"
    """Opens a lane once."""
    AUDITOR = "auditor"
    """Takes the journal out unsealed."""
    KEYHOLDER = "keyholder"
    """With another one: wipes a terminal, its journal and its keys; gives it other keys of the platform."""


class ServiceAct(ReasonEnum):
    """The acts; the code stands in records, and is what a device signs."""

    CLOCK = (
        "service-clock",
        _CITIZEN,
        _S("技术人员凭许可重置时钟下限", "a technician resets the clock's floor, by permit"),
    )
    OPEN = (
        "service-open",
        _S("请通行", "Please pass"),
        _S("技术人员凭许可开放通道一次", "a technician opens a lane once, by permit"),
    )
    EXPORT = (
        "service-export",
        _CITIZEN,
        _S("技术人员凭许可导出未密封的日志", "a technician exports the journal unsealed, by permit"),
    )
    CONFIGURE = (
        "service-configure",
        _CITIZEN,
        _S("技术人员凭许可更改终端的配置", "a technician changes the terminal's configuration, by permit"),
    )
    RE_KEY = (
        "service-re-key",
        _CITIZEN,
        _S("两名技术人员凭许可更换平台密钥", "two technicians give the terminal a key of the platform, by permit"),
    )
    WIPE = (
        "service-wipe",
        _CITIZEN,
        _S(
            "两名技术人员凭许可销毁终端的密钥和日志",
            "two technicians destroy the terminal's keys and journal, by permit",
        ),
    )


@dataclass(frozen=True, slots=True)
class Need:
    """Whose permits an act needs."""

    role: Role
    people: int = 1


NEEDS: Mapping[ServiceAct, Need] = MappingProxyType(
    {
        ServiceAct.CLOCK: Need(Role.MAINTAINER),
        ServiceAct.OPEN: Need(Role.GUARD),
        ServiceAct.EXPORT: Need(Role.AUDITOR),
        ServiceAct.CONFIGURE: Need(Role.MAINTAINER),
        ServiceAct.RE_KEY: Need(Role.KEYHOLDER, people=2),
        ServiceAct.WIPE: Need(Role.KEYHOLDER, people=2),
    }
)
