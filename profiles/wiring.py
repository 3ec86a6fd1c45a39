"""What of a lane's devices a profile names in its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wiring:
    """The lines of the lane's board that a profile uses: each one's name, under the setting that names it."""

    outputs: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    fire_inputs: Mapping[str, str] = field(default_factory=dict)
    """Of these the profile says that the way is open; it is the board that opens it."""
    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Readers of the lane that the profile treats unlike the others."""
