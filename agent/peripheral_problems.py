"""What is wrong with what stands beside lanes: a printer that is none, a counter whose software asks nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from agent.counter_settings import HasCounter, counter_problems
from agent.problems import Problem
from drivers.api import DriverSettings
from profiles.api import ProfileSettings

PERIPHERALS = {"printer": ("prints", "打印机"), "screen": ("shows", "屏幕"), "voice": ("speaks", "语音模块")}
"""By the lane's key: what its device's settings say of themselves, and its name in Chinese."""
_NO_SCREEN = ("缺少此项：查询结果只能显示在屏幕上", "is missing: what this lane is asked can be shown nowhere else")


class _Lane(HasCounter, Protocol):
    @property
    def readers(self) -> tuple[str, ...]: ...

    @property
    def printer(self) -> str | None: ...

    @property
    def screen(self) -> str | None: ...

    @property
    def voice(self) -> str | None: ...


def peripheral_problems(
    lanes: Mapping[str, _Lane], devices: Mapping[str, DriverSettings], profiles: Mapping[str, ProfileSettings]
) -> list[Problem]:
    """Of lanes whose devices and profiles have read their own settings."""
    problems: list[Problem] = []
    owners: dict[str, str] = {}
    for name, lane in lanes.items():
        for key, (trait, zh) in PERIPHERALS.items():
            device: str | None = getattr(lane, key)
            if device is not None and device in devices and not getattr(devices[device], trait):
                problems.append(Problem(f"lanes.{name}.{key}", f"{device} 不是{zh}", f"{device} is no {key}"))
            for reader in lane.readers:
                if reader in devices and getattr(devices[reader], trait):
                    said = (f"{reader} 是{zh}，不能当读卡器", f"{reader} is a {key}; it belongs under {key}:")
                    problems.append(Problem(f"lanes.{name}.readers", *said))
        if lane.screen is not None and (other := owners.setdefault(lane.screen, name)) != name:
            said = (
                f"屏幕已属于通道 {other}",
                f"the screen belongs to lane {other}; give each its own",
            )
            problems.append(Problem(f"lanes.{name}.screen", *said))
    for name, settings in profiles.items():
        if getattr(settings, "needs_screen", False) and lanes[name].screen is None:
            problems.append(Problem(f"lanes.{name}.screen", *_NO_SCREEN))
    handing_over = {name for name, settings in profiles.items() if getattr(settings, "hands_over", False)}
    return [*problems, *counter_problems(lanes, handing_over)]
