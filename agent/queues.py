"""What a full queue of changes may lose."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from profiles.amounts import Weighed
from profiles.api import Event, InputChanged

T = TypeVar("T")


def drop_superseded(queue: deque[T], input_of: Callable[[T], str | None]) -> str | None:
    """Drop the oldest change of an input that a later one of the same input supersedes; nothing else is dropped.

    ``input_of`` names the input that changed, ``None`` for anything else. Returns the input, ``None`` if none was.
    """
    inputs = [input_of(item) for item in queue]
    for index, name in enumerate(inputs):
        if name is not None and name in inputs[index + 1 :]:
            del queue[index]
            return name
    return None


def replaced_as(queued: tuple[Event, object]) -> str | None:
    """Of what a later event is the newer state: an input, or the scale; ``None`` for what happened."""
    event, _ = queued
    if isinstance(event, Weighed):
        return "weight"
    return event.input if isinstance(event, InputChanged) else None
