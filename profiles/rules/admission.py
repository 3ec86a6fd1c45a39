"""Who may use a lane: everyone with a valid credential, or whom an issuer, the site's roster or a list names."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Assurance, Credential, Facts
from profiles.person import Person

Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
"""A word of the site's own, as rosters have it."""
Entitlement = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]

_CODES = (Assurance.STATIC_CODE, Assurance.DYNAMIC_CODE)


class Admission(BaseModel):
    """Fail closed: a lane that names nobody is refused by :meth:`names_somebody` when the configuration is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    everyone: bool = Field(default=False, description="every credential that verifies is admitted")
    entitlements: frozenset[Entitlement] = Field(default=frozenset(), description="any one of these admits")
    media: frozenset[bytes] = Field(
        default=frozenset(), description="medium ids of cards that are admitted, 32 hex digits each"
    )

    units: frozenset[Code] = Field(default=frozenset(), description="units of the site's roster that are admitted")
    categories: frozenset[Code] = Field(default=frozenset(), description="person categories of the roster")
    areas: frozenset[Code] = Field(default=frozenset(), description="whoever has one of these areas in the roster")
    never: frozenset[Entitlement] = Field(
        default=frozenset(), description="any one of these refuses, whatever else admits"
    )

    @field_validator("media", mode="before")
    @classmethod
    def from_hex(cls, value: object) -> object:
        """Read media as YAML gives them; 16 bytes each."""
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "应为介质编号的列表，每个 32 位十六进制数字",
                    "en": "should be a list of medium ids, 32 hex digits each",
                },
            )
        return frozenset(_medium(item) for item in value)

    @model_validator(mode="after")
    def names_somebody(self) -> Admission:
        """A gate that can admit nobody is a mistake, not a rule."""
        named = self.entitlements or self.media or self._asks_the_roster
        if self.everyone and named:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "everyone: true 已准许所有人，请去掉其余名单（never 除外），或去掉 everyone",
                    "en": "everyone: true admits everybody; drop the lists beside it (never may stay), or drop it",
                },
            )
        if not (self.everyone or named):
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "须写明准许谁：everyone: true，或 entitlements、media、units、categories、areas 之一",
                    "en": "name somebody: everyone: true, or one of entitlements, media, units, categories, areas",
                },
            )
        return self

    def admits(self, credential: Credential, facts: Facts | None = None) -> bool:
        """Whether this credential may use the lane; without ``facts`` the roster admits nobody.

        A code's medium is a token of its issuer's choosing: it never stands for a card's.
        """
        if not self.never.isdisjoint(credential.entitlements):
            return False
        if self.everyone or not self.entitlements.isdisjoint(credential.entitlements):
            return True
        if credential.medium in self.media and credential.assurance not in _CODES:
            return True
        return self._asks_the_roster and facts is not None and self._lists(facts.person(credential.subject))

    @property
    def _asks_the_roster(self) -> bool:
        return bool(self.units or self.categories or self.areas)

    def _lists(self, person: Person | None) -> bool:
        return person is not None and (
            person.unit in self.units or person.category in self.categories or not self.areas.isdisjoint(person.areas)
        )


def _medium(item: object) -> bytes:
    if isinstance(item, bytes) and len(item) == 16:
        return item
    if isinstance(item, str) and re.fullmatch("[0-9a-fA-F]{32}", item):
        return bytes.fromhex(item)
    raise PydanticCustomError(
        "said",
        "{en}",
        {"zh": "介质编号是 32 位十六进制数字，请加引号", "en": "a medium id is 32 hex digits, in quotes"},
    )
