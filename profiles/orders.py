"""What a door is ordered to do from elsewhere: open once, for one person, as if a guard had let him through."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from profiles.direction import Direction
from profiles.reasons import ReasonEnum, Sentence

if TYPE_CHECKING:  # it names these among its events
    from profiles.api import Facts, Step

_S = Sentence


class OrderReason(ReasonEnum):
    """Why a way opened to whom nobody knows, or did not."""

    OPENED = (
        "opened-by-command",
        _S("请通行", "Please pass"),
        _S(
            "按指令开放一次：平台的签名命令，或终端旁的值守人员",
            "opened once by order: the platform's signed command, or a guard at the terminal",
        ),
    )
    NO_WAY = (
        "no-such-way",
        _S("请走旁边通道", "Please use the next lane"),
        _S("此通道没有通往该方向的出入口", "the lane has no opening in that direction"),
    )


@dataclass(frozen=True, slots=True)
class OpenOnce:
    """An order whose record is on the disk: ``about`` is its id, to which the opening and its outcome refer."""

    about: bytes
    direction: Direction | None = None
    """``None``: the lane's one way, or the way in where it has two."""

    def way(self, ways: Collection[Direction]) -> Direction | None:
        """Which of the lane's ways is meant, or ``None`` if it has no such way."""
        if self.direction is not None:
            return self.direction if self.direction in ways else None
        return Direction.IN if Direction.IN in ways else Direction.OUT


@dataclass(frozen=True, slots=True)
class Obeyed:
    """What became of an order: :attr:`OrderReason.OPENED` once the way is open, else why it is not."""

    about: bytes
    reason: ReasonEnum


@runtime_checkable
class Obeys(Protocol):
    """A profile whose lane opens by order."""

    def ordered(self, state: Any, order: OpenOnce, facts: Facts) -> Step[Any]:
        """One step that ends with :class:`Obeyed`."""
