"""Several accounts that pay one intent: what they were offered to pay, what came of it, and how the citizen is told.

A bill with :class:`Payers` leaves open which of the holder's accounts pay. Asked, the platform says who pays what;
without it the accounts that may pay unasked are filled in their order. What falls to credit is owed, and the screen
says until when.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from profiles.amounts import yuan
from profiles.api import Credential, Facts, State, Subject
from profiles.reasons import Sentence
from profiles.rules.accounts import Accounts, Offer
from profiles.rules.credit import room_fen
from profiles.rules.funds import ACCOUNT, AccountKind, is_own

CREDIT = AccountKind.CREDIT.value
KIND_WORDS: Mapping[str, Sentence] = MappingProxyType(
    {
        AccountKind.CREDIT: Sentence("信用", "credit"),
        AccountKind.ACCOUNT: Sentence("账户", "account"),
        AccountKind.WALLET: Sentence("钱包", "wallet"),
        AccountKind.PREPAID: Sentence("预存", "prepaid"),
        AccountKind.BANK: Sentence("银行卡", "bank"),
        AccountKind.MEDICAL: Sentence("医保", "medical insurance"),
    }
)
"""The holder's own accounts, as the screen names them."""


class Payers(State):
    """The accounts that may pay the holder's share of a bill, in order."""

    offers: tuple[Offer, ...]
    unasked: tuple[Offer, ...] = ()
    due: str = ""
    """``YYYYMMDD``, of what falls to credit."""
    ceiling_fen: int = 0
    """Of what the holder may owe without the platform."""

    @classmethod
    def of(
        cls, accounts: Accounts, credential: Credential, use: str, facts: Facts, first: AccountKind | None = None
    ) -> Payers:
        """Whom the rules let pay for this use, and in which order the holder wants it."""
        offers = accounts.offers(credential, use, facts, first=first)
        return cls.made(
            offers=offers.asked,
            unasked=offers.unasked,
            due="" if accounts.credit is None else accounts.credit.due(facts.local_time),
            ceiling_fen=0 if accounts.credit is None else accounts.credit.ceiling_fen,
        )

    def unasked_now(self, subject: Subject, facts: Facts) -> tuple[Offer, ...]:
        """Who may pay without the platform at this moment: another lane may have lent since the offer was made."""
        room = room_fen(self.ceiling_fen, subject, facts)
        return tuple(Offer(kind, min(fen, room) if kind == CREDIT else fen) for kind, fen in self.unasked)

    def without(self, kind: AccountKind) -> Payers:
        """The same, but for one account: no debt is paid by a debt."""
        offers, unasked = (tuple(each for each in some if each.kind != kind) for some in (self.offers, self.unasked))
        return self.model_copy(update={"offers": offers, "unasked": unasked})


def own_share_fen(amount_fen: int, funds: Mapping[str, int]) -> int:
    """What of an amount is the holder's own to pay, whichever account it comes from."""
    return sum([fen for fund, fen in funds.items() if is_own(fund)]) if funds else amount_fen


def divided(funds: Mapping[str, int], shares: Mapping[str, int]) -> dict[str, int]:
    """The funds of a payment: others' shares as they were, and the holder's own by account."""
    return {**{fund: fen for fund, fen in funds.items() if not is_own(fund)}, **shares}


def shared(told: Sentence, amount_fen: int, funds: Mapping[str, int]) -> Sentence:
    """The sentence with the shares, where not all of it is from the holder's one account."""
    if not funds or funds.get(ACCOUNT) == amount_fen:
        return told
    others_fen = sum(fen for fund, fen in funds.items() if not is_own(fund))
    parts = [(KIND_WORDS[fund], fen) for fund, fen in funds.items() if is_own(fund) and fen]
    if others_fen:
        parts.insert(0, (Sentence("补贴", "subsidy"), others_fen))
        if len(parts) == 1:
            parts.append((KIND_WORDS[ACCOUNT], 0))
    zh = "，".join(f"{word.zh} {yuan(fen)}" for word, fen in parts)
    en = ", ".join(f"{word.en} {yuan(fen)}" for word, fen in parts)
    return Sentence(f"{told.zh}（{zh}）", f"{told.en} ({en})")


def with_due(told: Sentence, owed_fen: int, due: str) -> Sentence:
    """The sentence with what is to be paid later, and until when."""
    day = f"{due[:4]}-{due[4:6]}-{due[6:]}"
    owed = yuan(owed_fen)
    return Sentence(f"{told.zh}；{owed} 元请于 {day} 前结清", f"{told.en}; please settle {owed} yuan by {day}")
