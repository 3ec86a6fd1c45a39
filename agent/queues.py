"""What a full queue of changes may lose."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

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
