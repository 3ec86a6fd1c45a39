"""Who may use a lane: everyone with a valid credential, holders of an entitlement, or listed media."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Assurance, Credential

Entitlement = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class Admission(BaseModel):
    """Fail closed: a lane that names nobody is refused by :meth:`names_somebody` when the configuration is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    everyone: bool = Field(default=False, description="every credential that verifies is admitted")
    entitlements: frozenset[Entitlement] = Field(default=frozenset(), description="any one of these admits")
    media: frozenset[bytes] = Field(
        default=frozenset(), description="medium ids of cards that are admitted, 32 hex digits each"
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
        if self.everyone and (self.entitlements or self.media):
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "everyone: true 已准许所有人，请去掉 entitlements 和 media，或去掉 everyone",
                    "en": "everyone: true admits everybody; drop entitlements and media, or drop it",
                },
            )
        if not (self.everyone or self.entitlements or self.media):
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "须写明准许谁：everyone: true、entitlements: [...] 或 media: [...]",
                    "en": "name somebody: everyone: true, entitlements: [...] or media: [...]",
                },
            )
        return self

    def admits(self, credential: Credential) -> bool:
        """Whether this credential may use the lane.

        A code's medium is a token of its issuer's choosing: it never stands for a card's.
        """
        is_code = credential.assurance in (Assurance.STATIC_CODE, Assurance.DYNAMIC_CODE)
        return (
            self.everyone
            or not self.entitlements.isdisjoint(credential.entitlements)
            or (credential.medium in self.media and not is_code)
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
