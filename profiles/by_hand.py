"""What the staff of a way typed for whoever comes next: it waits for a card, and not for ever.

Whoever came much later would pay somebody else's fee.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field

from profiles.api import Facts, Show, StartTimer, State, Step, Tone
from profiles.reasons import Sentence

TYPED_TIMER = "typed"
TYPED_WAITS_MS = 120_000
TYPED_GONE = Sentence("等候太久，已取消，请重新输入", "Nobody came, so it was taken back; please type it again")


class ByHand(State):
    """A part of a lane's state."""

    typed: bytes = Field(default=b"", description="names what was typed last, and the timer that ends it")


T = TypeVar("T", bound=ByHand)


def typed(state: T, what: Mapping[str, object], told: Sentence, facts: Facts) -> Step[T]:
    """The state with what was typed, until :data:`TYPED_TIMER` takes it back."""
    name = facts.new_id()
    timer = StartTimer(TYPED_TIMER, TYPED_WAITS_MS, name)
    return Step(state.model_copy(update={**what, "typed": name}), (Show(told, Tone.WAIT), timer))


def again(step: Step[T], told: Sentence) -> Step[T]:
    """What was typed and is not paid waits anew, for another card: said with why it was not, or by itself."""
    shown = any(isinstance(effect, Show) for effect in step.effects)
    effects = tuple(
        effect._replace(sentence=Sentence(f"{effect.sentence.zh}；{told.zh}", f"{effect.sentence.en}; {told.en}"))
        if isinstance(effect, Show)
        else effect
        for effect in step.effects
    )
    alone = () if shown else (Show(Sentence(f"请刷卡：{told.zh}", f"Please tap: {told.en}"), Tone.WAIT),)
    return Step(step.state, (*effects, *alone, StartTimer(TYPED_TIMER, TYPED_WAITS_MS, step.state.typed)))


def gone(state: T, fresh: T, about: bytes) -> Step[T]:
    """When the timer has fired: the state in which nothing is typed, unless something else was typed since."""
    return Step(fresh, (Show(TYPED_GONE, Tone.NO),)) if state.typed and state.typed == about else Step(state)
