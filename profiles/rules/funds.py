"""Whose money pays: the names that stand in a record's ``funds``, and in which order it goes back.

A person has accounts of several kinds, or one that is not told apart. Every other name is that of somebody who pays for
the person, such as an employer's subsidy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

ACCOUNT = "account"
"""The holder's own account, where kinds are not told apart."""
FundName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class AccountKind(StrEnum):
    """The holder's own accounts, in the order in which money goes back to them: first what shrinks a debt, last what
    may be spent for one thing alone."""

    CREDIT = "credit"
    ACCOUNT = ACCOUNT
    WALLET = "wallet"
    PREPAID = "prepaid"
    BANK = "bank"
    MEDICAL = "medical"


_BACK = {kind.value: place for place, kind in enumerate(AccountKind)}


def is_own(fund: str) -> bool:
    """Whether the holder pays it, and nobody for them."""
    return fund in _BACK


def back_order(fund: str) -> tuple[int, str]:
    """Sorts funds for what goes back: a citizen's own money before anybody else's."""
    return _BACK.get(fund, len(_BACK)), fund
