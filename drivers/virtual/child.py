"""Processes that end with the one that started them, however that ends."""

from __future__ import annotations


def bound_to_parent(*command: str) -> list[str]:
    """The command, sent SIGTERM by the kernel when the thread that starts it is gone (setpriv(1), PR_SET_PDEATHSIG).

    Programs that change their user id lose the bond: put this behind ``unshare`` and the like, not before it.
    """
    return ["setpriv", "--pdeathsig", "TERM", "--", *command]
