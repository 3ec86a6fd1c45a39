"""A canteen's till with its facts and its journal, as the agent runs it."""

from __future__ import annotations

from typing import Any

import cbor2

from profiles.api import (
    Ask,
    Assurance,
    Credential,
    Event,
    Kind,
    Presented,
    Record,
    Show,
    StartTimer,
    Subject,
)
from profiles.canteen import Canteen
from profiles.canteen_settings import CanteenSettings
from profiles.canteen_state import CanteenState
from profiles.counter_reasons import CounterReason
from profiles.questions import Answered, Authorise, Authorised, Money, Unanswered
from tests.profiles.facts import HeldFacts, confirmed

LI, WANG, OPERATOR, CHIEF = b"l" * 16, b"w" * 16, b"o" * 16, b"c" * 16
HOUR_MS = 3_600_000
SETTINGS: dict[str, Any] = {
    "merchant": "canteen-1",
    "pricing": "fixed",
    "admit": {"everyone": True},
    "meals": {
        "day_starts": "04:00",
        "periods": [
            {"name": "breakfast", "from": "06:00", "to": "09:00", "price_fen": 600},
            {"name": "lunch", "from": "11:00", "to": "14:00", "price_fen": 1500, "prices_fen": {"senior": 900}},
            {"name": "dinner", "from": "17:00", "to": "20:00", "price_fen": 1500},
        ],
    },
    "subsidies": [{"for": "staff", "meal_fen": 1000, "periods": ["lunch", "dinner"]}],
    "double_tap_ms": 0,
}


class Lane:
    """The reducer, its state through the disk after every event, and all that it did."""

    def __init__(self, **changes: Any) -> None:
        self.canteen = Canteen(CanteenSettings.model_validate(SETTINGS | changes))
        self.state = self.canteen.idle()
        self.facts = HeldFacts()
        self.book: list[Record] = []
        """Every record, and beside it those that are not about the counter."""
        self.journal: list[Record] = []
        self.shown: list[Show] = []
        self.asks: list[Ask] = []
        self.timers: list[StartTimer] = []

    def tell(self, event: Event) -> None:
        step = self.canteen.handle(self.state, event, self.facts)
        read = CanteenState.model_validate(cbor2.loads(cbor2.dumps(step.state.model_dump())))
        assert read.model_dump() == step.state.model_dump(), "the state does not survive the disk"
        self.state = step.state
        self.facts.keep(step.effects)
        self.state = confirmed(self.canteen, self.state, step.effects, self.facts)
        for effect in step.effects:
            match effect:
                case Record():
                    self.book.append(effect)
                    if not (effect.kind is Kind.COUNTER and isinstance(effect.reason, CounterReason)):
                        self.journal.append(effect)
                case Show():
                    self.shown.append(effect)
                case Ask():
                    self.asks.append(effect)
                case StartTimer():
                    self.timers.append(effect)

    def present(self, who: bytes = LI, *entitlements: str, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "medium": who,
            "subject": Subject("city", who),
            "source": "social-security",
            "assurance": Assurance.READ,
            "entitlements": frozenset(entitlements),
        }
        self.tell(Presented(Credential(**fields | changes)))

    def yes(self, **changes: Any) -> Authorised:
        question = self.asks[-1].question
        assert isinstance(question, Authorise)
        fields: dict[str, Any] = {"intent_id": question.money.intent_id, "amount_fen": question.money.amount_fen}
        return Authorised(**fields | changes)

    def agree(self) -> None:
        self.tell(Answered(self.asks[-1].about, self.yes()))

    def silence(self) -> None:
        self.tell(Unanswered(self.asks[-1].about))

    def buy(self, who: bytes = LI, *entitlements: str) -> None:
        """A meal that the platform agrees to."""
        self.present(who, *entitlements)
        self.agree()

    def money(self) -> Money:
        """Of the last record."""
        money = self.journal[-1].money
        assert money is not None
        return money

    def kinds(self) -> list[tuple[Kind, str]]:
        return [(record.kind, record.reason.code) for record in self.journal]

    @property
    def said(self) -> str:
        return self.shown[-1].sentence.en
