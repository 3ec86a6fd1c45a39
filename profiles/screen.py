"""What only the person before a lane's screen may see: it is shown there, and stands in no log, record or state."""

from __future__ import annotations

from dataclasses import dataclass, field

from profiles.reasons import Sentence


@dataclass(frozen=True, slots=True)
class ShowPrivately:
    """Put these lines on the lane's screen until the next effect that shows something, or :class:`WipeScreen`."""

    lines: tuple[Sentence, ...] = field(repr=False)
    keep_ms: int
    """After so long the screen is wiped by itself, whatever has become of the lane."""


@dataclass(frozen=True, slots=True)
class WipeScreen:
    """Leave nothing on the screen."""


ScreenEffect = ShowPrivately | WipeScreen
