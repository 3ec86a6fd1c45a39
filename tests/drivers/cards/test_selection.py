"""A lane's plan: order, interfaces, generations, and hostile cards under any plan."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.api import CardError, CardFault, CardReading, Interface
from drivers.cards import selection
from drivers.cards.selection import ApplicationRule, CardPlan
from drivers.virtual.cards.cardfile import load_card_file
from tests.drivers.cards.channels import EVERYTHING, DirectChannel, ScriptedChannel, card, plan_for, read, social

BOTH = "gen3-transit"
ALL = plan_for("social-security", "t-union", "pboc", wanted=EVERYTHING)


def fault_of(name: str, plan: CardPlan, interface: Interface | None = None) -> CardFault:
    with pytest.raises(CardError) as caught:
        read(DirectChannel(load_card_file(name, interface=interface)), plan)
    return caught.value.fault


@pytest.mark.parametrize("order", [("social-security", "t-union"), ("t-union", "social-security")])
def test_a_card_of_two_applications_follows_the_plans_order(order: tuple[str, str]) -> None:
    assert read(DirectChannel(load_card_file(BOTH)), plan_for(*order)).application == order[0]


def test_every_installed_application_says_its_own_name() -> None:
    for name in selection.names():
        assert selection.application(name).name == name
    with pytest.raises(selection.UnknownApplication):
        selection.application("loyalty")


def test_by_default_generation_2_is_inserted_and_generation_3_may_be_tapped() -> None:
    plan = CardPlan()
    assert read(DirectChannel(load_card_file("gen2-li")), plan).interface is Interface.CONTACT
    assert read(DirectChannel(load_card_file("gen3-chen")), plan).interface is Interface.CONTACTLESS
    assert read(DirectChannel(load_card_file("gen3-chen", interface=Interface.CONTACT)), plan).apdu_count == 6
    assert fault_of("gen2-li", plan, Interface.CONTACTLESS) is CardFault.INTERFACE


def test_by_default_a_bank_card_is_unknown() -> None:
    channel = DirectChannel(load_card_file("pboc"))
    with pytest.raises(CardError) as caught:
        read(channel, CardPlan())
    assert caught.value.fault is CardFault.UNSUPPORTED
    assert not [command for command in channel.commands if "325041592E" in command or "A000000333" in command]


def test_a_stranger_is_unsupported() -> None:
    assert fault_of("stranger", CardPlan()) is CardFault.UNSUPPORTED


def test_an_inserted_transport_card_is_told_to_be_tapped() -> None:
    channel = DirectChannel(load_card_file("t-union", interface=Interface.CONTACT))
    with pytest.raises(CardError) as caught:
        read(channel, CardPlan(wanted=EVERYTHING))
    assert caught.value.fault is CardFault.INTERFACE
    assert "805C000204" not in channel.commands


def test_an_application_that_may_not_be_used_here_leaves_the_card_to_the_next() -> None:
    contact_only = ApplicationRule(application="social-security", interfaces={3: frozenset({Interface.CONTACT})})
    plan = CardPlan(applications=(contact_only, ApplicationRule(application="t-union")))
    channel = DirectChannel(load_card_file(BOTH))
    assert read(channel, plan).application == "t-union"
    assert channel.commands == ["00A4040008A000000632010105"]


def test_a_refused_generation_leaves_the_card_to_the_next_application() -> None:
    transit = {"kind": "t-union", "card_number": "1" * 20, "issued": "2023-01-01", "valid_until": "2043-01-01"}
    both = card(social(), transit, interface="contactless")
    assert read(DirectChannel(both), CardPlan()).application == "t-union"


def test_a_generation_that_the_lane_does_not_name_is_refused() -> None:
    only_3 = ApplicationRule(application="social-security", interfaces={3: frozenset(Interface)})
    assert fault_of("gen1-old", CardPlan(applications=(only_3,))) is CardFault.INTERFACE


@pytest.mark.parametrize(
    "bad",
    [
        {"applications": []},
        {"applications": [{"application": "loyalty"}]},
        {"applications": [{"application": "pboc"}, {"application": "pboc"}]},
        {"applications": [{"application": "pboc", "interfaces": {"1": ["telepathy"]}}]},
        {"applications": [{"application": "pboc", "interfaces": {"0": ["contact"]}}]},
        {"wanted": ["blood_group"]},
        {"apdu_budget": 0},
        {"budget": 9},
    ],
)
def test_a_plan_that_cannot_be_kept_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CardPlan.model_validate(bad)


def test_a_plan_reads_back_from_its_own_json() -> None:
    assert CardPlan.model_validate_json(ALL.model_dump_json()) == ALL


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=20), st.sampled_from(list(Interface)))
def test_random_answers_give_a_reading_or_a_card_error(answers: list[bytes], interface: Interface) -> None:
    turn = iter(range(1000))
    with suppress(CardError):
        read(ScriptedChannel(lambda _: answers[next(turn) % len(answers)], interface), ALL)


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(["gen1-old", "gen2-li", "gen2-wang", "gen3-transit", "t-union", "pboc"]),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 300), st.integers(1, 255)), min_size=1, max_size=3),
)
def test_a_true_card_with_flipped_bits_gives_a_reading_or_a_card_error(
    name: str, flips: list[tuple[int, int, int]]
) -> None:
    chip = DirectChannel(load_card_file(name))

    def noisy(apdu: bytes) -> bytes:
        answer = bytearray(chip.transmit(apdu))
        for apdu_number, position, mask in flips:
            if apdu_number == len(chip.log) - 1:
                answer[position % len(answer)] ^= mask
        return bytes(answer)

    try:
        reading = read(ScriptedChannel(noisy, chip.interface), ALL)
    except CardError:
        return
    assert isinstance(reading, CardReading)


@pytest.mark.parametrize("name", ["gen1-old", "gen2-li", "gen3-transit", "t-union", "pboc"])
def test_an_answer_cut_at_any_byte_gives_a_reading_or_a_card_error(name: str) -> None:
    whole = DirectChannel(load_card_file(name))
    read(whole, ALL)
    garbled = 0
    for number, (_, answer) in enumerate(whole.log):
        for size in range(len(answer) // 2):
            chip = DirectChannel(load_card_file(name))

            def cut(apdu: bytes, number: int = number, size: int = size, chip: DirectChannel = chip) -> bytes:
                given_back = chip.transmit(apdu)
                return given_back[:size] if len(chip.log) == number + 1 else given_back

            try:
                read(ScriptedChannel(cut, chip.interface), ALL)
            except CardError:
                garbled += 1
    assert garbled >= 2 * len(whole.log)
