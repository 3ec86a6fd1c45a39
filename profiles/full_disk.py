"""What a lane does when nothing can be recorded: the disk is full, and the reserve that is kept for doors used up."""

from __future__ import annotations

from enum import StrEnum


class FullDisk(StrEnum):
    """The policy of one lane. Of no other fault of a disk: what hangs, fails or is damaged opens nothing."""

    REFUSE = "refuse"
    OPEN_AND_COUNT = "open-and-count"
    """For what only opens. Whatever moves money, or is sealed, is refused all the same."""
