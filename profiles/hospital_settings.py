"""Settings of a hospital's counters."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from profiles.amounts import MAX_AMOUNT_FEN
from profiles.counter_state import CounterSettings
from profiles.purpose import Purpose
from profiles.reasons import Sentence
from profiles.rules.accounts import Accounts
from profiles.rules.codes import AskingCodes

MAX_CLINIC = 99


class Use(StrEnum):
    """What is paid for; the rules of accounts name these."""

    REGISTRATION = "registration"
    TREATMENT = "treatment"
    MEDICINE = "medicine"
    SETTLEMENT = "settlement"


USE_WORDS = {
    Use.REGISTRATION: Sentence("挂号", "registration"),
    Use.TREATMENT: Sentence("诊疗", "treatment"),
    Use.MEDICINE: Sentence("药品", "medicine"),
    Use.SETTLEMENT: Sentence("结清欠款", "settlement"),
}


class Desk(StrEnum):
    """What a card shows when nothing was typed."""

    CASHIER = "cashier"
    PHARMACY = "pharmacy"


class Clinic(BaseModel):
    """Where one registers, and what that costs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(ge=1, le=MAX_CLINIC, strict=True, description="what the cashier types")
    zh: str = Field(min_length=1, max_length=32)
    en: str = Field(min_length=1, max_length=64)
    fee_fen: int = Field(ge=0, le=MAX_AMOUNT_FEN, strict=True, description="0: registering costs nothing")

    @property
    def name(self) -> Sentence:
        """For the screen."""
        return Sentence(self.zh, self.en)


class HospitalSettings(CounterSettings):
    """Settings of one lane; the lanes of one terminal know of each other's prescriptions and queue numbers."""

    desk: Desk = Field(default=Desk.CASHIER, description="cashier: a card identifies; pharmacy: it collects")
    codes: AskingCodes = AskingCodes(purposes=frozenset({Purpose.ANY, Purpose.PAY}))
    accounts: Accounts
    clinics: tuple[Clinic, ...] = Field(default=(), max_length=MAX_CLINIC, description="where one can register")
    debts_by_card: bool = Field(
        default=False,
        description="whether the terminal is registered to hear what is owed by a card, which can be a copy",
    )
    order_waits_ms: int = Field(
        default=120_000, ge=5_000, le=1_800_000, description="so long what was typed waits for a card"
    )

    @field_validator("clinics")
    @classmethod
    def each_once(cls, value: tuple[Clinic, ...]) -> tuple[Clinic, ...]:
        """Two clinics of one number could not be told apart."""
        if len({clinic.number for clinic in value}) < len(value):
            raise PydanticCustomError(
                "said", "{en}", {"zh": "诊室编号不能重复", "en": "each clinic has a number of its own"}
            )
        return value

    def clinic(self, number: int | None) -> Clinic | None:
        """The clinic of this number."""
        return next((clinic for clinic in self.clinics if clinic.number == number), None)
