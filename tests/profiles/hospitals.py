"""A hospital's counter with its facts and its journal, as the agent runs it."""

from __future__ import annotations

from typing import Any

import cbor2

from profiles.amounts import FunctionKey, KeyPressed
from profiles.api import Ask, Assurance, Credential, Event, Kind, Presented, Record, Show, StartTimer, Subject
from profiles.hospital import Hospital
from profiles.hospital_settings import HospitalSettings
from profiles.hospital_state import HospitalState
from profiles.questions import Answered, Authorise, Authorised, Balance, Money, Unanswered
from tests.profiles.facts import HeldFacts

LI, WANG, CASHIER = b"l" * 16, b"w" * 16, b"c" * 16
LATER = "pay-later"
SETTINGS: dict[str, Any] = {
    "merchant": "hospital-1",
    "admit": {"everyone": True},
    "operators": {"entitlements": ["cashier"]},
    "clinics": [
        {"number": 1, "zh": "内科", "en": "Internal medicine", "fee_fen": 1500},
        {"number": 9, "zh": "发热门诊", "en": "Fever clinic", "fee_fen": 0},
    ],
    "accounts": {
        "order": [
            {"kind": "medical", "uses": ["treatment", "medicine"]},
            {"kind": "wallet", "offline_fen": 2000},
            {"kind": "credit", "uses": ["treatment", "medicine"], "offline_fen": 20_000},
        ],
        "credit": {"for": LATER, "ceiling_fen": 10_000},
    },
}


class Lane:
    """The reducer, its state through the disk after every event, and all that it did."""

    def __init__(self, facts: HeldFacts | None = None, **changes: Any) -> None:
        self.hospital = Hospital(HospitalSettings.model_validate(SETTINGS | changes))
        self.state = self.hospital.idle()
        self.facts = facts or HeldFacts()
        self.journal: list[Record] = []
        self.shown: list[Show] = []
        self.asks: list[Ask] = []
        self.timers: list[StartTimer] = []

    def tell(self, event: Event) -> None:
        step = self.hospital.handle(self.state, event, self.facts)
        self.state = HospitalState.model_validate(cbor2.loads(cbor2.dumps(step.state.model_dump())))
        assert self.state == step.state, "the state does not survive the disk"
        self.facts.keep(step.effects)
        for effect in step.effects:
            match effect:
                case Record():
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

    def key(self, key: FunctionKey, number: int | None = None) -> None:
        self.tell(KeyPressed(key, number))

    def sign(self) -> None:
        """The cashier, in or out."""
        self.key(FunctionKey.OPERATOR)
        self.present(CASHIER, "cashier")

    @property
    def about(self) -> bytes:
        return self.asks[-1].about

    @property
    def offered(self) -> tuple[tuple[str, int], ...]:
        """The accounts that the last question offers."""
        question = self.asks[-1].question
        assert isinstance(question, Authorise)
        return question.accounts

    def agree(self, **accounts: int) -> None:
        question = self.asks[-1].question
        assert isinstance(question, Authorise)
        money = question.money
        self.tell(Answered(self.about, Authorised(money.intent_id, money.amount_fen, accounts=accounts)))

    def owes(self, fen: int) -> None:
        self.tell(Answered(self.about, Balance(fen)))

    def silence(self) -> None:
        self.tell(Unanswered(self.about))

    def money(self) -> Money:
        """Of the last record that moves some."""
        return next(record.money for record in reversed(self.journal) if record.money is not None)

    def codes(self) -> list[str]:
        return [record.reason.code for record in self.journal if record.reason.code != "shift-opened"]

    def kinds(self) -> list[Kind]:
        return [record.kind for record in self.journal]

    @property
    def said(self) -> str:
        return self.shown[-1].sentence.en
