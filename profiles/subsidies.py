"""A person's own subsidies (惠民惠农补贴明细): what a profile asks, and what it hears. Nothing of it may be kept."""

from __future__ import annotations

from dataclasses import dataclass, field

MIN_PIN_DIGITS, MAX_PIN_DIGITS = 4, 12


@dataclass(frozen=True, slots=True)
class PinEntered:
    """Somebody typed a PIN on a keypad that is there for PINs."""

    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class QuerySubsidies:
    """Which subsidies did this person get? The platform sees for itself that the person is there.

    By a dynamic code, or by the service PIN (服务密码) beside an authenticated card; both travel sealed.
    """

    evidence: bytes | None = field(default=None, repr=False)
    pin: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SubsidyPaid:
    """One payment. ``date`` is ``YYYYMMDD``."""

    name: str
    date: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Subsidies:
    """The answer, newest payment first."""

    holder: str = field(repr=False)
    """The name that the account bears."""
    account_end: str = field(repr=False)
    """The last digits of the account that was paid to."""
    paid: tuple[SubsidyPaid, ...] = field(repr=False)
    more: int = 0
    """How many older ones there are."""
