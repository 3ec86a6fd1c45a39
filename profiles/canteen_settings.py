"""Settings of a canteen's till."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.ordering import OrderSettings
from profiles.rules.meal_limits import MealLimits
from profiles.rules.meals import Meals
from profiles.rules.subsidy import Subsidy

MAX_GUESTS = 50
"""Of one host at once."""


class Pricing(StrEnum):
    """What a meal costs."""

    FIXED = "fixed"
    """定值: the period's price; one tap does it."""
    KEYPAD = "keypad"
    """单价: what the cashier types."""
    DISHES = "dishes"
    """菜号、称重: what the dishes cost whose numbers the cashier types, by piece or by weight."""
    COUNT = "count"
    """计次: nothing; meals are counted."""


class CanteenSettings(OrderSettings):
    """Settings of one canteen till."""

    pricing: Pricing = Field(description="fixed: the period's price; keypad: what is typed; dishes; count")
    meals: Meals
    subsidies: tuple[Subsidy, ...] = Field(default=(), max_length=32, description="the first that fits pays")
    limits: MealLimits = MealLimits()
    wait_for_amount_ms: int = Field(
        default=30_000, ge=1_000, le=120_000, description="with a keypad: so long a card waits for its amount"
    )

    @model_validator(mode="after")
    def has_prices(self) -> CanteenSettings:
        """A fixed price must be there in every period, and a subsidy for a period that exists."""
        if self.pricing is Pricing.FIXED:
            for period in self.meals.periods:
                if period.price_fen is None:
                    raise PydanticCustomError(
                        "said",
                        "{en}",
                        {
                            "zh": f"定值收费：餐段 {period.name} 还须写 price_fen",
                            "en": f"with fixed prices the period {period.name} needs a price_fen",
                        },
                    )
        if self.pricing is Pricing.DISHES and not self.price_list.is_given:
            raise PydanticCustomError(
                "said", "{en}", {"zh": "按菜号收费须写 price_list", "en": "prices by dish need a price_list"}
            )
        known = {period.name for period in self.meals.periods}
        unknown = sorted({name for subsidy in self.subsidies for name in subsidy.periods} - known)
        if unknown:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": f"补贴所写的餐段 {unknown[0]} 不存在",
                    "en": f"a subsidy names {unknown[0]}, which is no period",
                },
            )
        return self
