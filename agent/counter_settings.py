"""The section ``counter`` of a lane: where its counter's own software asks for identities, and who may."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent.problems import Problem

MAX_PATH_BYTES = 107
"""A Unix socket's path may be no longer (unix(7))."""


_NEEDED = (
    "窗口通道需要此项：窗口系统从何处领取身份",
    "is missing: the lane has a counter whose software asks somewhere",
)
_IDLE = ("此通道不移交身份，请删去", "this lane hands no identity over; leave it out")
_VARIABLES = ("没有这个变量（可用：${virtual}、${state}）", "there is no such variable (known: ${virtual}, ${state})")


class CounterConfig(BaseModel):
    """A Unix socket, and the users whose processes may take identities from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: Path = Field(description="of this counter alone, such as /run/onecard/counter-1.sock")
    users: frozenset[Annotated[str, StringConstraints(min_length=1, max_length=32)]] = Field(
        default=frozenset(), max_length=8, description="names of users on this machine; none: the terminal's own alone"
    )

    def placed(self, place: Callable[[str], str]) -> CounterConfig:
        """The same, with the terminal's own directories put into its path."""
        return self.model_copy(update={"socket": Path(place(str(self.socket)))})


class HasCounter(Protocol):
    """A lane, as far as it matters here."""

    @property
    def counter(self) -> CounterConfig | None:
        """Its counter's software."""


def counter_problems(lanes: Mapping[str, HasCounter], handing_over: Collection[str]) -> list[Problem]:
    """What is wrong with the counters of a terminal, by lane; ``handing_over`` are the lanes that need one."""
    owners: dict[Path, str] = {}
    problems: list[Problem] = []
    for lane, settings in lanes.items():
        counter, where = settings.counter, f"lanes.{lane}.counter"
        if (counter is not None) is not (lane in handing_over):
            problems.append(Problem(where, *(_NEEDED if counter is None else _IDLE)))
        if counter is None:
            continue
        where, path = f"{where}.socket", counter.socket
        if owners.setdefault(path, lane) != lane:
            other = owners[path]
            said = (f"套接字已用于通道 {other}", f"the socket serves lane {other} already; give each its own")
            problems.append(Problem(where, *said))
        if len(str(path).encode()) > MAX_PATH_BYTES:
            said = (f"路径过长，最多 {MAX_PATH_BYTES} 字节", f"the path is too long, at most {MAX_PATH_BYTES} bytes")
            problems.append(Problem(where, *said))
        if "${" in str(path):
            problems.append(Problem(where, *_VARIABLES))
    return problems
