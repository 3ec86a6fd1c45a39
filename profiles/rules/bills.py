"""What is paid once: a number, of a bill or a prescription, that is taken with the intent which pays it.

All lanes of a terminal share the durable mark, so no second lane takes the number meanwhile, and none for a while after
it was paid. Of an intent that came to nothing, or of a payment that went back, it is open again.
"""

from __future__ import annotations

from typing import NamedTuple

from profiles.api import Facts, Mark


class PaidOnce(NamedTuple):
    """One kind of number, and how long it is known that it was paid here."""

    scope: str
    kept_ms: int

    def is_open(self, number: str, facts: Facts) -> bool:
        """Whether nobody pays it, or paid it."""
        return facts.mark(self.scope, number.encode()) is None

    def taken(self, number: str, facts: Facts) -> tuple[Mark, ...]:
        """The mark of an intent that pays it; none of an empty number."""
        return (Mark(self.scope, number.encode(), 1, facts.now_ms + self.kept_ms),) if number else ()

    def opened(self, number: str, facts: Facts) -> tuple[Mark, ...]:
        """The mark that it may be paid again."""
        return (Mark(self.scope, number.encode(), None, facts.now_ms),) if number else ()
