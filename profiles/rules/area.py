"""One area behind one or more lanes: who is inside, who may go which way, how many fit in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from profiles.api import Facts, Mark, State, Subject
from profiles.direction import Direction
from profiles.rules import passback
from profiles.rules.occupancy import Occupancy
from profiles.rules.passback import Passback
from profiles.trace import Asked

AreaName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class Taken(State):
    """What a grant took of a person's rights in an area; it stands in the lane's state until the grant has ended."""

    before: int | None = Field(default=None, description="the anti-passback mark before the grant")
    granted: int | None = Field(default=None, description="the same after it")


class Area(BaseModel):
    """Settings of a lane that leads into an area, or out of it. Lanes of one terminal share it by its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: AreaName = Field(description="the area that 'in' leads to")
    passback: Passback = Passback()
    occupancy: Occupancy = Occupancy()

    def rules(
        self, direction: Direction, people: int, subject: Subject, facts: Facts, *, pardoned: bool = False
    ) -> Iterator[Asked]:
        """Anti-passback, then capacity. Whom a guard has ``pardoned`` the first does not hold back."""
        for rule, holds, refusal in self.passback.rules(self.name, direction, subject, facts):
            yield rule, holds, None if pardoned else refusal
        if direction is Direction.IN:
            yield from self.occupancy.rules(self.name, people, facts)

    def take(self, direction: Direction, people: int, subject: Subject, facts: Facts) -> tuple[Taken, tuple[Mark, ...]]:
        """A grant: what it takes, and its marks. Whoever is let in is counted already."""
        went = self.passback.went(self.name, direction, subject, facts)
        before = passback.standing(self.name, subject, facts) if went else None
        taken = Taken(before=before, granted=next((mark.value for mark in went), None))
        coming = people if direction is Direction.IN else 0
        return taken, (*went, *self.occupancy.changed(self.name, coming, facts))

    def give_back(
        self, taken: Taken, direction: Direction, unused: int, subject: Subject, facts: Facts, *, wholly: bool
    ) -> tuple[Mark, ...]:
        """``unused`` of the people whom a grant let pass did not; ``wholly``: not one of them passed."""
        marks = self.passback.give_back(self.name, subject, taken.granted, taken.before, facts) if wholly else ()
        return (*marks, *self.moved(direction.other, unused if direction is Direction.IN else 0, facts))

    def moved(self, direction: Direction, people: int, facts: Facts) -> tuple[Mark, ...]:
        """So many passed whom no grant has counted."""
        return self.occupancy.changed(self.name, people if direction is Direction.IN else -people, facts)

    def reset(self, facts: Facts) -> tuple[Mark, ...]:
        """An operator says that the area is empty, and that nobody's passage before counts."""
        return (passback.forget_all(self.name, facts), self.occupancy.emptied(self.name, facts))
