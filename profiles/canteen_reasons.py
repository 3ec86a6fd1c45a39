"""What only a canteen knows: its reasons, and the rules that it asks."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.meal_limits import Limit
from profiles.trace import RuleEnum

_S = Sentence


class CanteenReason(ReasonEnum):
    """Why a meal was served or not."""

    NO_MEAL_NOW = (
        "no-meal-now",
        _S("现在不是用餐时间，请在用餐时间再来", "No meal is served now; please come back at a meal time"),
        _S("不在任何餐段内", "within no meal period"),
    )
    MEALS_TAKEN = (
        "meals-taken",
        _S("您本餐已用过，请下一餐再来", "You have had this meal; please come back for the next one"),
        _S("本餐段次数已达上限", "the limit of meals in this period is reached"),
    )
    DAY_MEALS_TAKEN = (
        "day-meals-taken",
        _S("您今天的用餐次数已满，请明天再来", "You have had today's meals; please come back tomorrow"),
        _S("当日用餐次数已达上限", "the limit of meals on this business date is reached"),
    )
    DAY_SPENT = (
        "day-spent",
        _S("超过您今天的消费限额，请换一种方式付款", "This is beyond your limit for today; please pay in another way"),
        _S("当日消费金额已达上限", "the limit of money on this business date is reached"),
    )
    MEAL_COUNTED = ("meal-counted", _S("请用餐", "Enjoy your meal"), _S("已计次", "one meal was counted"))
    MEAL_NOT_COUNTED = (
        "meal-not-counted",
        _S("没有计次，请重新出示", "The meal was not counted; please present it again"),
        _S("计次记录落盘太迟，已撤销", "the meal's record became durable too late; it does not count"),
        True,
    )


class CanteenRule(RuleEnum):
    """What only a canteen asks."""

    MEAL_TIME = (64, _S("现在是用餐时间？", "Is a meal served now?"))
    LIMITS = (65, _S("未超过此人的用餐与消费限额？", "Is it within this person's limits of meals and money?"))
    SUBSIDY = (66, _S("本餐有补贴？", "Is this meal subsidised?"))
    ATTENDED = (67, _S("收银员已登录，或此处无须登录？", "Is a cashier signed in, where one has to be?"))


BY_LIMIT = {
    Limit.PERIOD_MEALS: CanteenReason.MEALS_TAKEN,
    Limit.DAY_MEALS: CanteenReason.DAY_MEALS_TAKEN,
    Limit.DAY_FEN: CanteenReason.DAY_SPENT,
}
