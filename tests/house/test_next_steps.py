"""Whoever is refused is told one thing to do now: exactly one, of a closed list of kinds, the same in both languages.

A reason is taken for a refusal unless it stands in ``reasons.GOES_ON``, so a new one is held to this by itself.
A step is what follows 请 and "please". Two media to choose from are one step, two places to go to are two, and what one
should not do is none.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import profiles
from profiles import amounts, basket, by_hand, hall_words, ordering, shop, subsidy_words
from profiles.reasons import GOES_ON, ReasonEnum, Sentence
from profiles.rules import assisted

STEPS = (
    # what zh and en say of one and the same kind of step
    ("出示|放卡|刷卡|一刷|刷新|保障卡|一张|的卡", "show|present|tap|refresh|card"),
    ("到|在取号机|交给|走旁边", "go to|come to|use the next lane|hand it|at the"),
    ("咨询|联系|找|呼叫|说明|收银员", "ask|speak to|see|call|tell|let (the|another) cashier"),
    ("稍候|等", "wait"),
    ("再来|稍后|分批|换个时间|预约", "come|later|enter in several|reserve"),
    ("输入|扫描|选|登录|先收款|称重", "enter|type|scan|sign in|choose|let them be paid|weigh"),
    ("付款|补票", "pay"),
    ("归还|还一册|更换|更新", "return|renew|replaced"),
    ("上车|离开", "get in|leave"),
    ("记住", "remember"),
)
CHOICE = re.compile("或(?!放卡|出示市民码|出示码)| or (?!a card|the citizen code|a code)")


def of_profiles() -> Iterator[ReasonEnum]:
    for module in pkgutil.walk_packages(profiles.__path__, "profiles."):
        importlib.import_module(module.name)
    for kind in ReasonEnum.__subclasses__():
        if kind.__module__.startswith("profiles."):
            yield from kind


REASONS = list(of_profiles())
REFUSALS = [reason for reason in REASONS if reason.refuses]
REFUSING_WORDS = (
    *(problem.sentence for problem in amounts.AmountProblem),
    *(amounts.NO_SUCH_KEY, amounts.NOTHING_DUE),
    *(basket._WEIGH_IT, basket._TOO_LIGHT),
    *(ordering._NEW_PRICES, ordering._NO_WEIGHT, ordering.ORDER_GONE, ordering.no_such_number("7"), by_hand.TYPED_GONE),
    *(shop._THINGS_FIRST, shop._NO_BILL, shop._NO_SUCH_ACCOUNT, shop._amount_of("88000123"), amounts.due(650)),
    *(hall_words.CANCELLED, hall_words.choose([])),
    assisted._CHOOSE,
    *(subsidy_words.WHO, subsidy_words.WHAT_IS_A_PIN, subsidy_words.tries_left(2, 30)),
)
"""What refuses beside the reasons: words with numbers in them, and what a cashier mistyped."""


def steps_of(said: Sentence) -> tuple[list[str], list[str]]:
    """What it asks for: in Chinese, and in English."""
    return re.findall("请(?!勿)[^，。；：]+", said.zh), re.findall("please (?!do not)[^:;.]+", said.en, re.IGNORECASE)


def faults(said: Sentence) -> list[str]:
    """Why a refusal does not say exactly one next step."""
    zh, en = steps_of(said)
    if len(zh) != 1 or len(en) != 1:
        return [f"it names {len(zh)} next steps in Chinese, {len(en)} in English"]
    told = [] if not CHOICE.search(zh[0] + en[0]) else ["it gives a choice"]
    if not any(re.search(chinese, zh[0]) and re.search(english, en[0]) for chinese, english in STEPS):
        told.append("the two languages do not name the same known step")
    return told


@pytest.mark.parametrize("reason", REFUSALS, ids=[f"{type(reason).__name__}-{reason.code}" for reason in REFUSALS])
def test_a_refusal_names_exactly_one_next_step(reason: ReasonEnum) -> None:
    assert faults(reason.citizen) == [], reason.citizen


@pytest.mark.parametrize("said", REFUSING_WORDS, ids=[said.en for said in REFUSING_WORDS])
def test_words_that_refuse_name_exactly_one_next_step(said: Sentence) -> None:
    assert faults(said) == [], said


def test_what_goes_on_is_known_never_asks_to_try_again_and_never_gives_two_things_to_do() -> None:
    going = [reason for reason in REASONS if reason.code in GOES_ON]
    assert {reason.code for reason in going} == GOES_ON
    for reason in going:
        zh, en = steps_of(reason.citizen)
        assert not reason.retry, reason
        assert max(len(zh), len(en)) <= 1, reason.citizen


@pytest.mark.parametrize(
    ("zh", "en"),
    [
        ("没有权限", "You are not entitled here; please ask at the service desk"),
        ("没有权限，请到服务台", "You are not entitled here"),
        ("您刚刚已付款，请勿重复刷卡", "You have just paid; please do not pay twice"),
        ("没有读到，请稍候，请重新放卡", "It could not be read; please wait; please present it again"),
        ("没有这一笔，请到原收银台或服务台", "No such sale; please go to the till or the service desk"),
        ("没有读到，请重新放卡", "It could not be read; please go to the service desk"),
    ],
)
def test_none_a_prohibition_two_a_choice_and_another_in_english_are_faults(zh: str, en: str) -> None:
    assert faults(Sentence(zh, en)) != []
