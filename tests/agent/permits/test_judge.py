"""Which permits count for an act, and the one reason for which another does not."""

from __future__ import annotations

from random import Random as Seeded

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.clock import Moment
from agent.permits.acts import ServiceAct
from agent.permits.judge import ALWAYS_MS, Span, judge
from agent.permits.reasons import PermitReason
from agent.permits.text import ACT_PREFIX, MAX_TEXT_CHARS, read_permit, write_act, write_permit
from agent.sync.contract.permits import Permit
from profiles.api import ClockState
from tests.agent.permits.parts import CHALLENGE, DAY_MS, HERE, ISSUER, NOW_MS, Technician, believed, question
from tools.cli import qr

WANG = Technician("t-17")


def verdict(*texts: str, span: Span | None = None) -> tuple[Permit, ...] | PermitReason:
    return judge(texts, question(span=span), believed())


def test_a_permit_counts_that_its_device_signed_for_this_act_here_and_now() -> None:
    assert verdict(WANG.signs()) == (WANG.permit(),)
    assert verdict(WANG.signs(sites=None, terminals=("gate-7",)))


def test_it_comes_back_as_it_went_also_by_hand_and_by_mail_and_from_a_symbol() -> None:
    text = WANG.signs()
    broken = "\n".join(text[at : at + 60] for at in range(0, len(text), 60))
    assert verdict(f" {broken.lower()} \n") == (WANG.permit(),)
    assert int(qr.symbol(text).version) <= 20
    assert read_permit(write_permit(WANG.permit(), ISSUER)) == WANG.permit()


def test_the_permit_alone_is_static_and_opens_nothing() -> None:
    assert verdict(write_permit(WANG.permit(), ISSUER)) is PermitReason.STATIC


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (WANG.signs(terminal="gate-8"), PermitReason.OTHER_TERMINAL),
        (
            write_act(write_permit(WANG.permit(), ISSUER), HERE.terminal, "open", CHALLENGE, WANG.device),
            PermitReason.OTHER_ACT,
        ),
        (WANG.signs(challenge=b"54321"), PermitReason.STALE),
        (WANG.signs(sites=("west-hall",)), PermitReason.ELSEWHERE),
        (WANG.signs(sites=None, terminals=("gate-8",)), PermitReason.ELSEWHERE),
        (WANG.signs(sites=None, terminals=("east-hall",)), PermitReason.ELSEWHERE),
        (WANG.signs(from_ms=NOW_MS + 1), PermitReason.NOT_YET),
        (WANG.signs(until_ms=NOW_MS), PermitReason.EXPIRED),
        (WANG.signs(roles=("keyholder",)), PermitReason.ROLE),
        (WANG.signs(roles=("of-a-later-version",)), PermitReason.ROLE),
        (WANG.signs(issuer=WANG.device), PermitReason.FORGED),
    ],
)
def test_each_refusal_has_its_one_reason(text: str, reason: PermitReason) -> None:
    assert verdict(text) is reason


def test_a_stolen_permit_is_worth_nothing_on_another_device() -> None:
    thief = Technician(device=cose.Es256Signer(ec.generate_private_key(ec.SECP256R1())))
    stolen = write_permit(WANG.permit(), ISSUER)
    text = write_act(stolen, HERE.terminal, ServiceAct.CLOCK.code, CHALLENGE, thief.device)
    assert verdict(text) is PermitReason.DEVICE_FORGED


def test_a_device_that_is_no_point_of_the_curve_signs_nothing() -> None:
    assert verdict(WANG.signs(device=b"\2" + b"\xff" * 32)) is PermitReason.DEVICE_FORGED


def test_a_revoked_permit_is_over_before_its_end() -> None:
    assert judge([WANG.signs()], question(), believed(WANG.permit().id)) is PermitReason.REVOKED


def test_no_text_and_too_many_are_refused() -> None:
    assert verdict() is PermitReason.MISSING
    assert verdict(WANG.signs(), WANG.signs()) is PermitReason.MALFORMED


@pytest.mark.parametrize("text", ["", "hello", ACT_PREFIX, f"{ACT_PREFIX}!!", ACT_PREFIX + "A" * MAX_TEXT_CHARS, "ſ中"])
def test_what_is_no_signature_is_said_to_be_none(text: str) -> None:
    assert verdict(text) is PermitReason.MALFORMED


def test_no_changed_character_passes() -> None:
    draw, text = Seeded(11), WANG.signs()
    refusals = {PermitReason.MALFORMED, PermitReason.FORGED, PermitReason.DEVICE_FORGED}
    for _ in range(200):
        at = draw.randrange(len(ACT_PREFIX), len(text) - 1)  # the last character has spare bits
        other = draw.choice([each for each in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" if each != text[at]])
        assert verdict(text[:at] + other + text[at + 1 :]) in refusals


def test_the_clocks_uncertainty_counts_for_the_technician() -> None:
    moment = Moment(NOW_MS, ClockState.HOLDOVER, 1_000)
    near = Span.of(moment, 0)
    assert verdict(WANG.signs(until_ms=NOW_MS - 999), span=near) == (WANG.permit(until_ms=NOW_MS - 999),)
    assert verdict(WANG.signs(until_ms=NOW_MS - 1_000), span=near) is PermitReason.EXPIRED
    assert verdict(WANG.signs(from_ms=NOW_MS + 1_001), span=near) is PermitReason.NOT_YET


def test_without_a_trusted_clock_a_permit_ends_by_what_was_signed_since() -> None:
    lost = Moment(0, ClockState.UNTRUSTED, 0)  # 1970
    assert Span.of(lost, NOW_MS) == Span(NOW_MS, ALWAYS_MS)
    assert verdict(WANG.signs(), span=Span.of(lost, NOW_MS)) == (WANG.permit(),)
    assert verdict(WANG.signs(), span=Span.of(lost, NOW_MS + DAY_MS)) is PermitReason.EXPIRED


def wiped(*texts: str) -> tuple[Permit, ...] | PermitReason:
    return judge(texts, question(ServiceAct.WIPE), believed())


def keyholder(technician: Technician, until_ms: int = NOW_MS + DAY_MS) -> str:
    return technician.signs(ServiceAct.WIPE, roles=("keyholder",), until_ms=until_ms)


def test_two_people_with_two_permits_on_two_devices_are_two() -> None:
    li = Technician("t-18")
    assert wiped(keyholder(WANG), keyholder(li)) == (
        WANG.permit(roles=("keyholder",)),
        li.permit(roles=("keyholder",)),
    )
    assert wiped(keyholder(WANG)) is PermitReason.SECOND
    for same in (
        keyholder(WANG),
        keyholder(Technician("t-17")),
        keyholder(Technician("t-18", WANG.device)),
        li.signs(ServiceAct.WIPE, roles=("keyholder",), id=WANG.permit().id),
    ):
        assert wiped(keyholder(WANG), same) is PermitReason.SAME_PERSON


def test_of_two_permits_both_are_judged() -> None:
    assert wiped(keyholder(WANG), keyholder(Technician("t-18"), until_ms=NOW_MS)) is PermitReason.EXPIRED
    assert wiped(keyholder(WANG), Technician("t-18").signs(ServiceAct.WIPE)) is PermitReason.ROLE
