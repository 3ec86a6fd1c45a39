"""Where a lane asks the library's own system, and tells it what it must hear later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from profiles.loans import AskLibrary, ClosePatron, LibraryAnswered, LibrarySilent

TellLane = Callable[[LibraryAnswered | LibrarySilent], None]


class LibraryPort(Protocol):
    """The library as a lane sees it. Called on the event loop; nothing here waits."""

    def ask(self, effect: AskLibrary, tell: TellLane) -> None:
        """Ask, and have ``tell`` called on the event loop, at the latest at the deadline; perhaps within this call."""

    def deferred(self) -> None:
        """Something that the library must be told is on the disk."""


class NoLibrary:
    """A terminal without one decides by itself, and keeps what it would tell."""

    def ask(self, effect: AskLibrary, tell: TellLane) -> None:
        """Say so at once."""
        if not isinstance(effect.demand, ClosePatron):
            tell(LibrarySilent(effect.about))

    def deferred(self) -> None:
        """It waits on the disk."""
