"""What a door is ordered to do by the platform: open once, for one person, as if a guard had let him in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from profiles.reasons import ReasonEnum, Sentence

if TYPE_CHECKING:  # it names these among its events
    from profiles.api import Facts, Step

_S = Sentence


class OrderReason(ReasonEnum):
    """Why a way opened to whom nobody knows."""

    OPENED = (
        "opened-by-command",
        _S("请通行", "Please pass"),
        _S("按平台的签名命令开放一次", "opened once, by the platform's signed command"),
    )


@dataclass(frozen=True, slots=True)
class OpenOnce:
    """An order whose record is on the disk: ``about`` is its id, to which the opening and its outcome refer."""

    about: bytes


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
