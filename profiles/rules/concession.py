"""Concessions (优待): who rides for less, what the ticket is called, and which fund pays the rest of the full fare.

A concession is signed: an entitlement of the credential, or the person's category in the site's roster. The full fare
stands in the record with its split, so that the subsidy's account can be settled by rides. Rides at a concession are
counted in a durable mark of the person, day and fund, saved with the payment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from profiles.api import Credential, Facts, Mark, Subject
from profiles.dates import compact, midnight_ms
from profiles.reasons import Sentence
from profiles.rules.admission import Entitlement
from profiles.rules.funds import ACCOUNT, FundName, is_own
from profiles.rules.schedule import Schedule
from profiles.rules.tally import count, counted, key_of

SCOPE = "concession.rides"
_Word = Annotated[str, StringConstraints(min_length=1, max_length=32)]


class Ticket(BaseModel):
    """What a ticket is called, on the screen and aloud."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zh: _Word
    en: _Word

    @property
    def sentence(self) -> Sentence:
        """For the screen."""
        return Sentence(self.zh, self.en)


class Concession(BaseModel):
    """What one group pays."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    whose: Entitlement = Field(alias="for", description="an entitlement of the credential, or the roster's category")
    percent: int = Field(ge=0, le=100, strict=True, description="of the full fare the holder pays; 0: free")
    fund: FundName = Field(description="who pays the rest, as the record's split has it; each concession its own")
    ticket: Ticket = Field(description="its name: {zh: 老人票, en: Senior ticket}")
    hours: Schedule = Field(default=Schedule(), description="when it holds; outside it the full fare is paid")
    rides_a_day: int | None = Field(
        default=None, ge=1, le=1_000, strict=True, description="then the full fare is paid; null: no bound"
    )
    lamp: str | None = Field(default=None, description="an output of the lane's board that lights up with the ticket")

    @field_validator("fund")
    @classmethod
    def not_the_account(cls, value: str) -> str:
        """A concession that an account of the holder's pays is none."""
        if is_own(value):
            raise PydanticCustomError(
                "said",
                "{en}",
                {"zh": f"{value} 是本人账户，不能补足优待", "en": f"{value} is the holder's own, no fund"},
            )
        return value


def concession_of(concessions: tuple[Concession, ...], credential: Credential, facts: Facts) -> Concession | None:
    """The first that holds for this person now; none for a card that stands in no register."""
    if credential.subject.provisional:
        return None
    person = facts.person(credential.subject)
    groups = credential.entitlements | ({person.category} if person is not None else frozenset())
    return next(
        (
            each
            for each in concessions
            if each.whose in groups and each.hours.is_open(facts.local_time) and _rides_left(each, credential, facts)
        ),
        None,
    )


def shares(fare_fen: int, concession: Concession | None, people: int = 1) -> dict[str, int]:
    """Who pays what of so many full fares, of which one is the holder's; every share above zero.

    The holder's share is rounded to the nearest fen, half a fen upwards.
    """
    if concession is None:
        return {ACCOUNT: fare_fen * people}
    own_fen = (fare_fen * concession.percent + 50) // 100
    account_fen = own_fen + fare_fen * (people - 1)
    split: Mapping[str, int] = {concession.fund: fare_fen - own_fen, ACCOUNT: account_fen}
    return {fund: share_fen for fund, share_fen in split.items() if share_fen}


def ridden(concession: Concession, subject: Subject, facts: Facts, rides: int = 1) -> Mark:
    """The mark of a ride at a concession; of a negative number, what gives it back."""
    ends_ms = midnight_ms(facts)
    return count(SCOPE, _key(concession, subject, facts), rides, ends_ms, facts)


def _rides_left(concession: Concession, credential: Credential, facts: Facts) -> bool:
    if concession.rides_a_day is None:
        return True
    return counted(SCOPE, _key(concession, credential.subject, facts), facts) < concession.rides_a_day


def _key(concession: Concession, subject: Subject, facts: Facts) -> bytes:
    return key_of(subject, compact(facts.local_time), concession.fund)
