"""Scenes with one way that opens by an order (:mod:`profiles.orders`), whoever may pass it otherwise.

The order asks none of the scene's rules: it is for whoever is stuck, and for a way out in need. Nobody knows who
passes, so nothing of it counts to anybody's visit, stay or trip, and nothing is paid. Until it is known what came of
it, the way is the order's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from pydantic import Field

from profiles.api import (
    Actuate,
    Actuated,
    Event,
    Facts,
    Kind,
    Mark,
    Reason,
    Record,
    RecordedLate,
    Restarted,
    Show,
    Step,
    Tone,
)
from profiles.direction import Direction
from profiles.orders import Obeyed, OpenOnce, OrderReason
from profiles.passage import PassageReason
from profiles.reasons import ReasonEnum
from profiles.scene import Scene, SceneState


class OrderedState(SceneState):
    """Base of the state of a lane that opens by order."""

    ordered: bytes | None = Field(default=None, description="the order by which it opened, until its outcome is known")


O = TypeVar("O", bound=OrderedState)  # noqa: E741 -- an order's


class OpensByOrder(Scene[O], Generic[O]):
    """Base of the reducers of such scenes. A scene asks :meth:`handle` after its own events."""

    # What a scene adds ----------------------------------------------------------------------------------------------

    @property
    def leads(self) -> Direction:
        """Where to."""
        raise NotImplementedError

    def pulse(self, about: bytes) -> Actuate:
        """What opens."""
        raise NotImplementedError

    def held_by(self, state: O) -> ReasonEnum | None:
        """Why an order opens nothing now: somebody is being let through, or the way is open by fire."""
        raise NotImplementedError

    def order_public(self) -> Mapping[str, str | int | bool]:
        """What the order's record says of the way."""
        return {}

    def order_counted(self, outcome: ReasonEnum | None, facts: Facts) -> tuple[Mark, ...]:  # noqa: ARG002
        """The marks that count whoever passes by order: as it opens (``None``), and with its outcome."""
        return ()

    # ----------------------------------------------------------------------------------------------------------------

    def handle(self, state: O, event: Event, facts: Facts) -> Step[O]:
        """An order, and what became of it; then what all scenes make of an event."""
        if isinstance(event, OpenOnce):
            return self.ordered(state, event, facts)
        if (about := state.ordered) is not None:
            match event:
                case Actuated(which, fault) if which == about:
                    return self.order_actuated(state, about, fault, facts)
                case RecordedLate(which) if which == about:
                    return self.order_ended(state, about, Reason.NOT_ACTUATED, facts)
                case Restarted():
                    ended = self.order_ended(state, about, Reason.OUTCOME_UNKNOWN, facts)
                    rest = self.handle(ended.state, event, facts)
                    return Step(rest.state, (*ended.effects, *rest.effects))
        return super().handle(state, event, facts)

    def ordered(self, state: O, order: OpenOnce, facts: Facts) -> Step[O]:
        """One passes on somebody else's word."""
        held = OrderReason.NO_WAY if order.way((self.leads,)) is None else self.held_by(state)
        if held is not None:
            return Step(state, (Obeyed(order.about, held),))
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=OrderReason.OPENED,
            refers_to=order.about,
            public=self.order_public(),
            marks=self.order_counted(None, facts),
        )
        shown = Show(OrderReason.OPENED.citizen, Tone.OK)
        after = state.model_copy(update={"ordered": order.about})
        return Step(after, (record, self.pulse(order.about), shown, Obeyed(order.about, record.reason)))

    def order_actuated(self, state: O, about: bytes, fault: str, facts: Facts) -> Step[O]:
        """The way has opened, or has not."""
        return self.order_ended(state, about, Reason.ACTUATOR_FAILED if fault else Reason.ACTUATED, facts)

    def order_ended(self, state: O, about: bytes, reason: ReasonEnum, facts: Facts) -> Step[O]:
        """The outcome's record."""
        marks = self.order_counted(reason, facts)
        record = Record(facts.new_id(), Kind.OUTCOME, reason, refers_to=about, marks=marks)
        shown = (Show(reason.citizen, Tone.NO),) if is_failure(reason) else ()
        return Step(state.model_copy(update={"ordered": None}), (record, *shown))


def is_failure(outcome: ReasonEnum) -> bool:
    """Whether nobody got through, as far as is known."""
    return outcome not in (Reason.ACTUATED, Reason.OUTCOME_UNKNOWN, PassageReason.PASSED)
