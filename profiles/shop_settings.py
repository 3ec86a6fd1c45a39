"""Settings of a shop's till, where bills of utilities may be paid too."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.ordering import OrderSettings
from profiles.rules.accounts import Accounts

GOODS, UTILITIES = "goods", "utilities"
"""What is paid for, as an account's ``uses`` names it."""
MAX_BILL_DIGITS = 32


class Bills(BaseModel):
    """Which numbers are those of bills. A bill's number names one bill; a household's or a customer's is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefix: str = Field(
        default="", pattern=r"^[0-9]{0,8}$", description="what a bill's barcode begins with; empty: bills are typed"
    )
    min_digits: int = Field(default=6, ge=4, le=MAX_BILL_DIGITS, strict=True)
    max_digits: int = Field(default=20, ge=4, le=MAX_BILL_DIGITS, strict=True)

    @model_validator(mode="after")
    def has_room(self) -> Bills:
        """Some length must fit."""
        if self.min_digits > self.max_digits:
            raise PydanticCustomError(
                "said",
                "{en}",
                {"zh": "min_digits 应不大于 max_digits", "en": "min_digits should not be more than max_digits"},
            )
        return self

    def fits(self, number: str) -> bool:
        """Whether this is as long as a bill's number."""
        return self.min_digits <= len(number) <= self.max_digits

    def is_scanned(self, text: str) -> bool:
        """Whether a barcode is a bill's, and no thing's."""
        return bool(self.prefix) and text.startswith(self.prefix) and self.fits(text)


class ShopSettings(OrderSettings):
    """Settings of one shop till."""

    tariff: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
        description="the signed tariff whose promotions hold here; null: none",
    )
    accounts: Accounts | None = Field(
        default=None, description="which accounts may pay; null: the holder's one account"
    )
    bills: Bills | None = Field(default=None, description="which bills of utilities are paid here; null: none")
