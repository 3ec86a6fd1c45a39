"""The rule trace: what was asked, in order, up to the refusal; and numbers that old records can rely on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from profiles.api import Reason, Record
from profiles.payment_reasons import PaymentReason
from profiles.reasons import Sentence
from profiles.trace import MAX_RULES, OBJECTED, OWN, Asked, Rule, RuleEnum, Verdict, judge, read_trace
from tests.profiles import test_gate, test_till

CONTRACT = Path(__file__).parents[2] / "docs/contract.md"


class OwnRule(RuleEnum):
    """Of a profile that does not exist."""

    DOG_ON_LEASH = (OWN, Sentence("狗拴好了？", "Is the dog on a leash?"))


def asked_of(record: Record) -> list[tuple[RuleEnum | None, bool]]:
    return [(said.rule, said.held) for said in read_trace(record.trace, RuleEnum)]


@given(st.lists(st.tuples(st.sampled_from([*Rule]), st.booleans(), st.sampled_from([None, Reason.BUSY])), max_size=60))
def test_the_trace_is_what_was_asked_up_to_the_first_refusal(rules: list[Asked]) -> None:
    verdict = judge(iter(rules))
    refused = next((place for place, (_, holds, refusal) in enumerate(rules) if not holds and refusal), None)
    asked = rules if refused is None else rules[: refused + 1]
    assert verdict.refusal is (None if refused is None else Reason.BUSY)
    said = [(step.rule, step.held) for step in read_trace(verdict.trace, RuleEnum)]
    assert said == [(rule, holds) for rule, holds, _ in asked][-MAX_RULES:]


def test_a_rule_behind_the_one_that_refused_is_never_computed() -> None:
    def rules() -> Iterator[Asked]:
        yield Rule.SCHEDULE, False, Reason.OUT_OF_HOURS
        raise AssertionError("asked")

    refused = judge(rules())
    assert refused == refused.then(rules()) == Verdict(Reason.OUT_OF_HOURS, bytes([Rule.SCHEDULE.number | OBJECTED]))


def test_a_trace_is_read_by_the_rules_of_its_profile_and_a_number_of_another_version_stays_a_number() -> None:
    trace = judge([(Rule.ADMISSION, True, None), (OwnRule.DOG_ON_LEASH, False, None)]).trace
    assert [(step.rule, step.held) for step in read_trace(trace, OwnRule)] == [
        (Rule.ADMISSION, True),
        (OwnRule.DOG_ON_LEASH, False),
    ]
    assert [(step.number, step.rule) for step in read_trace(trace, RuleEnum)] == [(2, Rule.ADMISSION), (OWN, None)]


def test_a_gates_grant_says_that_all_its_rules_held_and_its_refusal_ends_with_the_one_that_did_not() -> None:
    granted = test_gate.record_of(test_gate.Lane().tap())
    order = [Rule.ASSURANCE, Rule.ADMISSION, Rule.SCHEDULE, Rule.LANE_FREE, Rule.NOT_REPEATED]
    assert asked_of(granted) == [(rule, True) for rule in order]
    refused = test_gate.record_of(test_gate.Lane(admit={"entitlements": ["staff"]}).tap())
    assert asked_of(refused) == [(Rule.ASSURANCE, True), (Rule.ADMISSION, False)]


def test_an_offline_sale_says_that_the_platform_was_silent_and_which_ceilings_held() -> None:
    till = test_till.Lane(offline={"subject_fen": 600})
    till.pay(amount_fen=700)
    asked, reversal = till.journal
    assert asked_of(asked)[-2:] == [(Rule.AMOUNT, True), (Rule.NOT_REPEATED, True)]
    assert reversal.reason is PaymentReason.OFFLINE_CEILING
    assert asked_of(reversal) == [(Rule.PLATFORM, False), (Rule.OFFLINE_PAYMENT, True), (Rule.OFFLINE_PERSON, False)]


def test_no_number_stands_for_two_rules_and_the_contract_lists_the_shared_ones() -> None:
    listed = re.findall(r"^\| (\d+) `([a-z-]+)` \| .*\? \|$", CONTRACT.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [(str(rule.number), rule.name.lower().replace("_", "-")) for rule in Rule]
    assert len({rule.number for rule in Rule}) == len(Rule)
    assert all(0 < rule.number < OWN for rule in Rule)


def test_every_profile_names_its_own_rules_by_numbers_of_their_own() -> None:
    profiles = [entry.load() for entry in entry_points(group="onecard.profiles")]
    assert profiles
    for profile in profiles:
        numbers = [rule.number for rule in profile.rules]
        assert len(set(numbers)) == len(numbers)
        assert all(OWN <= number < 128 for number in numbers), profile
