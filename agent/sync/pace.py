"""How fast the journal may leave: a cap on its batches alone, so that alarms and questions never wait for it."""

from __future__ import annotations

from dataclasses import dataclass

from agent.sync.uplink import LEAST_BATCH_BYTES, UplinkSettings

LEAST_KBIT_S = 64
"""At less a single record could take longer than an answer is waited for."""
_BATCH_S = 2


@dataclass(slots=True)
class Pace:
    """Spreads batches: each waits until those before it would have left at the capped rate. ``None``: no cap."""

    kbit_s: int | None
    _free_s: float = 0.0

    def wait_s(self, size_bytes: int, now_s: float) -> float:
        """How long to hold back a batch that is ready ``now_s`` (any monotonic clock)."""
        if self.kbit_s is None:
            return 0.0
        wait_s = max(0.0, self._free_s - now_s)
        self._free_s = now_s + wait_s + size_bytes * 8 / (self.kbit_s * 1000)
        return wait_s

    def fitting(self, settings: UplinkSettings) -> UplinkSettings:
        """Batches that leave within two seconds: their answer is waited for meanwhile."""
        if self.kbit_s is None:
            return settings
        batch_bytes = max(LEAST_BATCH_BYTES, min(settings.batch_bytes, self.kbit_s * 1000 // 8 * _BATCH_S))
        return settings.model_copy(update={"batch_bytes": batch_bytes})
