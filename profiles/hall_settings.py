"""Settings of a service hall's lanes: its matters, and what each lane is, a ticket machine or a counter."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Assurance, ProfileSettings
from profiles.purpose import Purpose
from profiles.reasons import Sentence
from profiles.rules.admission import Code
from profiles.rules.assurance import LeastAssurance
from profiles.rules.codes import CodePolicy
from profiles.rules.schedule import Schedule

MAX_MATTERS = 24
_Word = Annotated[str, StringConstraints(min_length=1, max_length=24)]


class Desk(StrEnum):
    """What a lane is."""

    TICKETS = "tickets"
    COUNTER = "counter"


class Matter(BaseModel):
    """Something that people come for (事项)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: int = Field(ge=1, le=99, strict=True, description="what is typed to choose it")
    name: Code = Field(description="as records and the counter's software have it")
    zh: _Word
    en: _Word
    prefix: str = Field(pattern=r"^[A-Z]{1,2}$", description="begins its numbers: A012")
    least_assurance: LeastAssurance = Field(
        description="uid, read, static-code, dynamic-code or authenticated-card: the least that identifies for it"
    )
    a_day: int = Field(default=500, ge=1, le=999, strict=True, description="numbers a day at most")

    @property
    def sentence(self) -> Sentence:
        """Its name."""
        return Sentence(self.zh, self.en)

    def ticket(self, number: int) -> str:
        """A number as people read it."""
        return f"{self.prefix}{number:03d}"


class HallSettings(ProfileSettings):
    """Settings of one lane; the lanes of one hall belong to one terminal, and name the same matters."""

    desk: Desk = Field(description="tickets: a ticket machine; counter: hands identities to the counter's software")
    matters: tuple[Matter, ...] = Field(min_length=1, max_length=MAX_MATTERS)
    counter: Code = Field(default="1", description="the counter's name, as it is called out")
    serves: frozenset[Code] = Field(
        default=frozenset(), description="the matters of this counter; none named: all of them"
    )
    place: Code = Field(default="hall", description="what a visit here is called where others go by it")
    schedule: Schedule = Field(default=Schedule(), description="office hours")
    codes: CodePolicy = CodePolicy(purposes=frozenset({Purpose.ANY, Purpose.IDENTIFY}), static=True)
    choose_ms: int = Field(
        default=60_000, ge=5_000, le=600_000, description="so long a chosen matter waits for whoever presents"
    )
    keep_ms: int = Field(
        default=30_000, ge=1_000, le=300_000, description="so long an identity waits in memory for the counter"
    )
    number_kind: str = Field(
        default="hall", pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="which sealed number of the roster is told"
    )

    @field_validator("matters")
    @classmethod
    def each_once(cls, matters: tuple[Matter, ...]) -> tuple[Matter, ...]:
        """Two matters of one key, name or prefix could not be told apart."""
        for told in ("key", "name", "prefix"):
            if len({getattr(matter, told) for matter in matters}) < len(matters):
                raise PydanticCustomError(
                    "said",
                    "{en}",
                    {
                        "zh": f"两个事项的 {told} 相同，无法区分",
                        "en": f"two matters share one {told}",
                    },
                )
        return matters

    @model_validator(mode="after")
    def serves_what_there_is(self) -> HallSettings:
        """A counter for a matter that nobody can choose is a slip of the pen."""
        unknown = sorted(self.serves - {matter.name for matter in self.matters})
        if unknown:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": f"serves：matters 中没有 {'、'.join(unknown)}",
                    "en": f"serves: there is no {', '.join(unknown)} among the matters",
                },
            )
        return self

    @property
    def hands_over(self) -> bool:
        """Whether the lane needs a counter's software."""
        return self.desk is Desk.COUNTER

    @property
    def served(self) -> tuple[Matter, ...]:
        """What this lane is for."""
        return tuple(each for each in self.matters if not self.serves or each.name in self.serves)


def assurance_name(assurance: Assurance) -> str:
    """As settings and the counter's software have it: ``dynamic-code``."""
    return assurance.name.lower().replace("_", "-")
