"""What a citizen's code is shown for; the phone signs it (docs/code-format.md)."""

from __future__ import annotations

from enum import IntEnum


class Purpose(IntEnum):
    """What the holder shows a code for."""

    ANY = 0
    PASS = 1
    PAY = 2
    BORROW = 3
    IDENTIFY = 4
