"""What is seen in frame after frame becomes one reading per presentation, and a hint for who holds the code badly.

No clock and no camera here: whoever looks says when.
"""

from __future__ import annotations

from pydantic import ValidationError

from drivers.api import CodeHint, CodeProblem, CodeReading, Reading, SourceHealth
from drivers.vision.health import ReadingHealth
from drivers.vision.sight import Located, Sight, Symbol, area_of

TEXTS_MAX = 64
"""Texts remembered as being in view; the longest unseen is forgotten first."""
HINT_AFTER_NS = 500_000_000
HINT_AGAIN_NS = 2_000_000_000


class Presentations:
    """The presentations before one camera; after ``gap_ms`` out of view the same text is a new one."""

    def __init__(self, reader: str, gap_ms: int) -> None:
        self._reader = reader
        self._gap_ns = gap_ms * 1_000_000
        self._seen_ns: dict[tuple[str, str], int] = {}
        self._read_until_ns = 0
        self._located_from_ns: int | None = None
        self._located_ns = 0
        self._hint_due_ns = 0
        self._health = ReadingHealth()
        self.dropped = 0
        """Symbols that made no reading: what they say is too long."""

    def note(self, sight: Sight, at_ns: int) -> list[Reading]:
        """What one frame adds, the nearest code first; ``at_ns`` must not go back."""
        was_poor = self._health.raised
        nearest_first = sorted(sight.symbols, key=lambda symbol: -area_of(symbol.quad))
        readings: list[Reading] = [
            reading for symbol in nearest_first if (reading := self._read(symbol, at_ns)) is not None
        ]
        for _ in readings:
            self._health.note(read=True)
        if sight.symbols:
            self._read_until_ns = at_ns + self._gap_ns
        if at_ns < self._read_until_ns:  # whoever was served is taking the phone away
            self._located_from_ns = None
        elif sight.located:
            readings += self._located(sight.located, at_ns)
        else:
            self._missed(at_ns)
        if self._health.raised is not was_poor:
            readings.append(SourceHealth(reader=self._reader, at_ns=at_ns, poor=self._health.raised))
        return readings

    def _read(self, symbol: Symbol, at_ns: int) -> CodeReading | None:
        key = (symbol.symbology.value, symbol.text)
        seen_ns = self._seen_ns.pop(key, None)
        self._seen_ns[key] = at_ns
        if len(self._seen_ns) > TEXTS_MAX:
            del self._seen_ns[next(iter(self._seen_ns))]
        if seen_ns is not None and at_ns - seen_ns < self._gap_ns:
            return None
        try:
            return CodeReading(reader=self._reader, at_ns=at_ns, text=symbol.text, symbology=symbol.symbology.value)
        except ValidationError:
            self.dropped += 1
            return None

    def _located(self, located: tuple[Located, ...], at_ns: int) -> list[CodeHint]:
        """A hint if a code has been in view for a while and is not read."""
        if self._located_from_ns is None:
            self._located_from_ns = at_ns
        self._located_ns = at_ns
        if at_ns - self._located_from_ns < HINT_AFTER_NS or at_ns < self._hint_due_ns:
            return []
        self._hint_due_ns = at_ns + HINT_AGAIN_NS
        problem = max(located, key=lambda one: area_of(one.quad)).problem
        return [CodeHint(reader=self._reader, at_ns=at_ns, problem=CodeProblem(problem.value))]

    def _missed(self, at_ns: int) -> None:
        """A code that was in view for a while went away unread."""
        if self._located_from_ns is None or at_ns - self._located_ns < self._gap_ns:
            return
        if self._located_ns - self._located_from_ns >= HINT_AFTER_NS:
            self._health.note(read=False)
        self._located_from_ns = None
