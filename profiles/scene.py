"""What scenes do alike, whatever they are for: who is refused is told each time, and it is written once.

A scene asks :meth:`Scene.handle` after its own events. It has no inputs, unless it says so.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from profiles.api import Event, Facts, InputChanged, Kind, Record, Rejected, Show, State, Step, Subject, TimerFired
from profiles.reasons import ReasonEnum
from profiles.refusals import REPEATS_TIMER, counts, record_once
from profiles.rules.repeats import Repeats


class SceneState(State):
    """Base of the state of a scene."""

    repeats: Repeats = Repeats()


S = TypeVar("S", bound=SceneState)


class Scene(Generic[S]):
    """Base of the reducers of scenes."""

    def urgent(self, event: InputChanged) -> ReasonEnum | None:  # noqa: ARG002 -- the protocol's
        """There are no inputs."""
        return None

    def handle(self, state: S, event: Event, facts: Facts) -> Step[S]:
        """What every scene makes of an event."""
        match event:
            case Rejected(reason, medium, subject):
                return self.refuse(state, facts, reason, medium, subject)
            case TimerFired(name, about) if name == REPEATS_TIMER and about == state.repeats.window:
                return self.end_window(state, facts)
            case _:
                return Step(state)

    def refuse(
        self,
        state: S,
        facts: Facts,
        reason: ReasonEnum,
        medium: bytes | None = None,
        subject: Subject | None = None,
        trace: bytes = b"",
        shown: Show | None = None,
    ) -> Step[S]:
        """Refuse and record, unless the same stands in the window already; the citizen is told each time."""
        record = Record(facts.new_id(), Kind.DECISION, reason, medium=medium, subject=subject, trace=trace)
        repeats, told, _ = record_once(state.repeats, record, told=shown)
        return Step(state.model_copy(update={"repeats": repeats}), told)

    def end_window(self, state: S, facts: Facts) -> Step[S]:
        """Tell what repeated, and begin anew: when the window is over, and after a restart."""
        return Step(state.model_copy(update={"repeats": Repeats()}), counts(state.repeats, facts))
