"""Which of a person's accounts pay, in which order, and how much each: the holder chooses, the rules allow.

A scene lists its accounts in its own order; the holder may name one that goes first. What one account does not pay
falls to the next (:func:`spread`), and who paid what stands in the record's ``funds``. The platform does the same with
what is really in each account; its split is held against what it was offered (:func:`is_within`), so that no account
pays that was not to, and none more than it may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Credential, Facts
from profiles.rules.admission import Code, Entitlement
from profiles.rules.credit import Credit
from profiles.rules.funds import AccountKind

MAX_ACCOUNTS = 6
MAX_PAYMENT_FEN = 10_000_000


class Offer(NamedTuple):
    """One account that may pay, and at most how much of this payment."""

    kind: str
    most_fen: int


class Offers(NamedTuple):
    """The accounts that may pay, in order."""

    asked: tuple[Offer, ...]
    """Where the platform decides, by what is in them."""
    unasked: tuple[Offer, ...]
    """Without it."""


class Account(BaseModel):
    """One kind of account, and what the rules let it pay."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    kind: AccountKind
    whose: Entitlement | None = Field(default=None, alias="for", description="an entitlement that it takes; null: none")
    uses: frozenset[Code] = Field(default=frozenset(), description="what it may pay for; none: everything")
    payment_fen: int = Field(
        default=MAX_PAYMENT_FEN, ge=1, le=MAX_PAYMENT_FEN, strict=True, description="at most so much of one payment"
    )
    offline_fen: int = Field(
        default=0, ge=0, le=MAX_PAYMENT_FEN, strict=True, description="the same without the platform; 0: nothing"
    )

    @cached_property
    def fund(self) -> str:
        """As a record's split names it."""
        return self.kind.value

    def pays(self, credential: Credential, use: str) -> bool:
        """Whether it may pay for this, and for this holder."""
        return (not self.uses or use in self.uses) and (self.whose is None or self.whose in credential.entitlements)


class Accounts(BaseModel):
    """Settings of a scene that lets several accounts pay."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: tuple[Account, ...] = Field(min_length=1, max_length=MAX_ACCOUNTS, description="the first pays first")
    holder_chooses: bool = Field(default=True, description="whether the holder may say which one goes first")
    credit: Credit | None = Field(default=None, description="for whom, and how much; needed by the kind credit")

    @model_validator(mode="after")
    def fits_together(self) -> Accounts:
        """Each kind once; credit with its ceiling, and no ceiling without credit."""
        kinds = [account.kind for account in self.order]
        if len(set(kinds)) < len(kinds):
            raise PydanticCustomError(
                "said", "{en}", {"zh": "order 中每种账户只写一次", "en": "each kind of account stands in order once"}
            )
        if (AccountKind.CREDIT in kinds) != (self.credit is not None):
            said = {
                "zh": "order 中的 credit 与 credit: {for, ceiling_fen} 须同时写明",
                "en": "credit in order and credit: {for, ceiling_fen} belong together",
            }
            raise PydanticCustomError("said", "{en}", said)
        return self

    def chosen(self, number: int | None) -> AccountKind | None:
        """The account of this place in the order, from 1, where the holder may choose."""
        if not self.holder_chooses or number is None or not 1 <= number <= len(self.order):
            return None
        return self.order[number - 1].kind

    def offers(self, credential: Credential, use: str, facts: Facts, *, first: AccountKind | None = None) -> Offers:
        """The accounts that may pay for this, as far as the rules let each of them, in order, with ``first`` first."""
        asked, unasked = [], []
        for account in self._in_order(first):
            if not account.pays(credential, use):
                continue
            unasked_fen = min(account.payment_fen, account.offline_fen)
            if account.kind is AccountKind.CREDIT and self.credit is not None:
                if not self.credit.is_for(credential):
                    continue
                unasked_fen = min(unasked_fen, self.credit.room_fen(credential, facts))
            asked.append(Offer(account.fund, account.payment_fen))
            if unasked_fen > 0:
                unasked.append(Offer(account.fund, unasked_fen))
        return Offers(tuple(asked), tuple(unasked))

    def _in_order(self, first: AccountKind | None) -> Iterable[Account]:
        return self.order if first is None else sorted(self.order, key=lambda account: account.kind is not first)


def spread(amount_fen: int, offers: Iterable[Offer]) -> dict[str, int] | None:
    """Who pays what of an amount, in order, every share above zero; ``None`` where all together do not cover it."""
    shares: dict[str, int] = {}
    left_fen = amount_fen
    for kind, most_fen in offers:
        share_fen = min(left_fen, most_fen)
        if share_fen > 0:
            shares[kind] = shares.get(kind, 0) + share_fen
            left_fen -= share_fen
    return shares if left_fen == 0 and amount_fen > 0 else None


def is_within(shares: Mapping[str, int], amount_fen: int, offers: Iterable[Offer]) -> bool:
    """Whether a split that somebody else made keeps to the offers: each named, none beyond, the sum the amount."""
    most = dict(offers)
    fits = all(0 < fen <= most.get(kind, 0) for kind, fen in shares.items())
    return fits and sum(shares.values()) == amount_fen
