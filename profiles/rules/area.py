"""One area behind one or more lanes: who is inside, who may go which way, how many fit in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from profiles.api import Facts, Mark, Subject
from profiles.direction import Direction
from profiles.rules import passback
from profiles.rules.occupancy import Occupancy
from profiles.rules.passback import Passback
from profiles.trace import Asked

AreaName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class Area(BaseModel):
    """Settings of a lane that leads into an area, or out of it. Lanes of one terminal share it by its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: AreaName = Field(description="the area that 'in' leads to")
    passback: Passback = Passback()
    occupancy: Occupancy = Occupancy()

    def rules(self, direction: Direction, people: int, subject: Subject, facts: Facts) -> Iterator[Asked]:
        """Anti-passback, then capacity."""
        yield from self.passback.rules(self.name, direction, subject, facts)
        if direction is Direction.IN:
            yield from self.occupancy.rules(self.name, people, facts)

    def granted(self, direction: Direction, people: int, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
        """The marks of a grant: whoever is let in is counted already."""
        coming = people if direction is Direction.IN else 0
        went = self.passback.went(self.name, direction, subject, facts)
        return (*went, *self.occupancy.changed(self.name, coming, facts))

    def reset(self, facts: Facts) -> tuple[Mark, ...]:
        """An operator says that the area is empty, and that nobody's passage before counts."""
        return (passback.forget_all(self.name, facts), self.occupancy.emptied(self.name, facts))
