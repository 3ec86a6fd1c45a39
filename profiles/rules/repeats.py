"""A bound on what hostile or broken input can write: a repetition is shown every time, and written once with its count.

A scanner that sends noise, a card that faults without end and a sensor that bounces would fill the disk, and would wake
the platform for each of their events. So, for the refusals and alarms of one lane:

* what comes for the first time in a window, by reason and medium (or none), is recorded in full and opens an entry;
* the same again is counted in its entry; the citizen is told again, the journal is not;
* at the end of the window, and after a restart, each entry that counted gives one record ``repeated: n`` that refers to
  the first. Every event is so counted exactly once, as a record or in one.

A window holds ``KINDS_MAX`` entries, more than people can be refused at one lane within it; whatever else comes in it
shares one more. Only a stream of that many different media can therefore hide a refusal in a count. Grants, openings,
their outcomes, fire and money are never counted together.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from profiles.frozen import Frozen

WINDOW_MS = 60_000
KINDS_MAX = 32
RECORDS_MAX = 3 * (KINDS_MAX + 1)
"""In any 60 s: the first ones of a window that ends, its counts, and the first ones of the next."""

_ANY = ""


class Entry(Frozen):
    """One kind of refusal in the window, its first record, and how often it came again."""

    reason: str
    medium: bytes
    record_id: bytes
    repeated: int = Field(default=0, ge=0)


class Repeats(Frozen):
    """The window of one lane. It begins with its first refusal, so an idle lane has none."""

    entries: tuple[Entry, ...] = ()

    @property
    def window(self) -> bytes:
        """The window's name: the id of its first record; empty if there is no window."""
        return self.entries[0].record_id if self.entries else b""

    def note(self, reason: str, medium: bytes | None, record_id: bytes) -> tuple[Repeats, bool]:
        """The window with this refusal in it, and whether it is to be recorded, under ``record_id``."""
        kind = (reason, medium or b"")
        if len(self.entries) >= KINDS_MAX and all(kind != (entry.reason, entry.medium) for entry in self.entries):
            kind = (_ANY, b"")
        for index, entry in enumerate(self.entries):
            if kind == (entry.reason, entry.medium):
                again = entry.model_copy(update={"repeated": entry.repeated + 1})
                return Repeats.made(entries=(*self.entries[:index], again, *self.entries[index + 1 :])), False
        entry = Entry.made(reason=kind[0], medium=kind[1], record_id=record_id)
        return Repeats.made(entries=(*self.entries, entry)), True

    def first(self, reason: str, medium: bytes) -> bytes | None:
        """The record of what was noted here; ``None`` if it shares the last entry with others."""
        return next((each.record_id for each in self.entries if (each.reason, each.medium) == (reason, medium)), None)

    def counted(self) -> Iterator[tuple[bytes, int]]:
        """What the end of the window has to tell: first record and number of its repetitions."""
        return ((entry.record_id, entry.repeated) for entry in self.entries if entry.repeated)
