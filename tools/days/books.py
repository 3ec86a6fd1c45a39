"""What the journal says that holders' accounts paid, to be held against the platform's ledger."""

from __future__ import annotations

from collections import Counter

from offline_store.record import Record
from profiles.api import Kind
from profiles.rules.funds import ACCOUNT, AccountKind, is_own


class Books:
    """Follows each intent from its payment to what went back of it."""

    def __init__(self) -> None:
        self._intents: dict[bytes, Counter[str]] = {}

    def moved(self, record: Record) -> Counter[str]:
        """What a record takes from the holder's accounts, by kind; negative where something goes back."""
        money = record.entry.money
        if money is None:
            return Counter()
        own = Counter({fund: fen for fund, fen in money.funds.items() if is_own(fund)})
        if not money.funds:
            own[ACCOUNT] = money.amount_fen
        if money.account == AccountKind.CREDIT:  # it settles what is owed
            own[AccountKind.CREDIT.value] -= money.amount_fen
        match record.entry.kind:
            case Kind.PAYMENT:
                self._intents[money.intent_id] = own
                return own
            case Kind.REFUND:
                self._intents.setdefault(money.intent_id, Counter()).update(own)
                return own
            case Kind.REVERSAL:
                return Counter({kind: -fen for kind, fen in self._intents.pop(money.intent_id, Counter()).items()})
        return Counter()
