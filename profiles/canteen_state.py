"""What a canteen's till keeps, saved with every record."""

from __future__ import annotations

from pydantic import Field

from profiles.meal import Meal
from profiles.ordering import OrderState
from profiles.waiting import Waiting


class CanteenState(OrderState):
    """State of one canteen till, saved with every record."""

    waiting: Waiting | None = Field(default=None, description="a card that was presented before there is an amount")
    counted: Meal | None = Field(default=None, description="the last count: its record may still prove late")
