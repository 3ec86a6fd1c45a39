"""What stands around a profile, to count or to change what it does."""

from __future__ import annotations

from typing import Any

from profiles.api import Profile


class Around:
    """Can all that the profile can; who derives from it has a ``handle`` of his own.

    What a profile may do beyond :class:`profiles.api.Profile` is asked for by ``isinstance`` with a protocol, and that
    looks for attributes that are there: ``__getattr__`` counts for nothing from Python 3.12 on.
    """

    def __init__(self, profile: Profile[Any]) -> None:
        self._profile = profile
        names = (name for name in dir(profile) if not name.startswith("_") and name != "handle")
        vars(self).update({name: getattr(profile, name) for name in names})
