"""The verdict on a code, check by check, beyond what the golden vectors show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from agent.clock import Moment
from agent.credentials import cwt
from agent.credentials.codes import SOURCE
from agent.credentials.ec1 import Ec1
from agent.credentials.lists import Lists
from agent.credentials.register import Holder
from agent.credentials.status import EmergencyList, StatusList
from agent.credentials.trust import Term, TrustRow
from agent.signatures import Algorithm, PublicKey, load_public
from profiles.api import Assurance, ClockState, Presented, Rejected, Subject
from profiles.purpose import Purpose
from profiles.rules.codes import CodePolicy, UntrustedClock
from tests.agent.credentials.code_parts import DAY_MS, DYNAMIC, NOW_MS, Terminal, lists, vector
from tests.vectors.ec1.regenerate import GRANT, NOW_S, TOKEN, issuing_key, made

CITY = issuing_key(Algorithm.ES256)
ROW = (CITY.issuer, CITY.kid)
TEXT = vector("es256-es256")["text"]
STATIC = vector("es256-static")["text"]


def with_row(**changes: Any) -> Lists:
    return with_row_in(lists(), **changes)


def with_row_in(known: Lists, **changes: Any) -> Lists:
    assert known.trust is not None
    row: TrustRow = replace(known.trust.rows[ROW], **changes)
    return replace(known, trust=replace(known.trust, rows={**known.trust.rows, ROW: row}))


@pytest.mark.parametrize("name", DYNAMIC)
def test_a_dynamic_code_becomes_a_credential_of_its_issuers_namespace(name: str) -> None:
    credential = Terminal().accept(vector(name)["text"])
    assert credential.subject == Subject("issuer-1.example", TOKEN, provisional=True)
    assert (credential.source, credential.assurance) == (SOURCE, Assurance.DYNAMIC_CODE)
    assert credential.purpose is Purpose.PASS


def test_a_static_code_proves_less_and_can_be_shown_again() -> None:
    terminal = Terminal()
    for _ in range(2):
        credential = terminal.accept(STATIC)
        assert credential.assurance is Assurance.STATIC_CODE
        assert credential.presentation is None


def test_a_static_code_is_refused_where_the_lane_does_not_take_it() -> None:
    assert Terminal(policy=CodePolicy()).reason(STATIC) == "code-static"


def test_a_code_that_is_never_verified_names_nobody_and_a_verified_one_its_medium() -> None:
    unverified = Terminal(lists=Lists()).judge(TEXT)
    assert isinstance(unverified, Rejected)
    assert (unverified.reason.code, unverified.medium, unverified.subject) == ("trust-expired", None, None)
    stale = Terminal().at(NOW_MS + 3_600_000).judge(TEXT)
    assert isinstance(stale, Rejected)
    assert (stale.reason.code, stale.medium) == ("code-stale", TOKEN)


# Check 2 ------------------------------------------------------------------------------------------------------------


def test_the_trust_list_holds_through_its_grace_and_no_longer() -> None:
    text = made(CITY, None, replace(GRANT, ttl_h=48)).text
    known = lists()
    assert known.trust is not None
    ends_ms = NOW_MS + 3_600_000
    terminal = Terminal(lists=replace(known, trust=replace(known.trust, expires_ms=NOW_MS, grace_ms=3_600_000)))
    assert terminal.at(ends_ms - 1).reason(text) == ""
    assert terminal.at(ends_ms).reason(text) == "trust-expired"


def test_an_issuer_counts_only_at_its_own_sites() -> None:
    here, there = (Terminal(lists=with_row(sites=frozenset({"library"})), site=site) for site in ("library", "pool"))
    assert (here.reason(TEXT), there.reason(TEXT)) == ("", "code-issuer-elsewhere")


def test_the_key_counts_by_the_time_of_issue_so_that_a_rotation_can_overlap() -> None:
    iat_ms = (1_577_836_800 + GRANT.iat_h * 3_600) * 1000
    verdicts = [
        Terminal(lists=with_row(valid_from_ms=first_ms, valid_until_ms=end_ms)).reason(TEXT)
        for first_ms, end_ms in ((iat_ms, iat_ms + 1), (iat_ms + 1, iat_ms + 2), (iat_ms - 1, iat_ms))
    ]
    assert verdicts == ["", "code-issuer-key-invalid", "code-issuer-key-invalid"]


def test_the_key_of_another_row_is_never_tried() -> None:
    wrong = with_row(key=issuing_key(Algorithm.ES256, issuer=2).key.public)
    assert wrong.trust is not None
    right = lists()
    assert right.trust is not None
    rows = {**wrong.trust.rows, (CITY.issuer, 77): replace(right.trust.rows[ROW], kid=77)}
    beside = replace(wrong, trust=replace(wrong.trust, rows=rows))
    assert Terminal(lists=beside).reason(TEXT) == "code-forged"


def test_one_wrong_reading_key_makes_the_code_unreadable_and_nothing_else() -> None:
    assert Terminal(lists=with_row(reading_key=bytes(32))).reason(TEXT) == "code-forged"


def test_before_the_issuers_signature_holds_there_is_one_verification_whatever_the_code() -> None:
    asked: list[bytes] = []

    def count(signature: bytes, data: bytes) -> bool:
        asked.append(signature)
        return False

    counting = PublicKey(Algorithm.ES256, CITY.key.public.encoded, count)
    terminal = Terminal(lists=with_row(key=counting))
    for case in vector("invalid"):
        terminal.judge(case["text"])
        assert len(asked) <= 1, case["name"]
        asked.clear()


def test_before_the_issuers_signature_holds_no_device_key_is_loaded_and_one_mask_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            done.append(name)
            return real(*arguments)

        return call

    monkeypatch.setattr("agent.credentials.codes.load_public", counted("key", load_public))
    monkeypatch.setattr("agent.credentials.codes.cwt.unmask", counted("mask", cwt.unmask))
    known = lists()
    assert known.trust is not None
    refuse = counted("verify", lambda *_: False)
    rows = {
        place: replace(row, key=PublicKey(row.key.algorithm, row.key.encoded, refuse))
        for place, row in known.trust.rows.items()
    }
    terminal = Terminal(lists=replace(known, trust=replace(known.trust, rows=rows)))
    for text in (TEXT, STATIC, *(case["text"] for case in vector("invalid"))):
        done.clear()
        terminal.judge(text)
        assert done in ([], ["mask", "verify"]), text


def test_of_two_faults_the_earlier_check_is_the_reason() -> None:
    here = Terminal()
    shown = made(CITY, Algorithm.ES256)
    forged = Ec1(shown.issued, replace(shown.shown, signature=bytes(64))).text if shown.shown else ""
    bits = bytearray(1_250)
    bits[GRANT.status_index >> 3] |= 1 << (GRANT.status_index & 7)
    revoked = replace(lists(), status={1: StatusList(bytes(bits), 10_000, Term(NOW_MS, NOW_MS + DAY_MS, 0))})
    paying = CodePolicy(purposes=frozenset({Purpose.PAY}))
    elsewhere = with_row(sites=frozenset({"pool"}), valid_from_ms=0, valid_until_ms=1)
    exp_ms = (1_577_836_800 + (GRANT.iat_h + GRANT.ttl_h) * 3_600) * 1000
    later = Terminal(lists=replace(revoked, trust=here.lists.trust)).at(NOW_MS + 120_000)
    verdicts = {
        "site before key": Terminal(lists=elsewhere).reason(TEXT),
        "issuer before what exceeds": Terminal(
            lists=with_row(key=issuing_key(Algorithm.ES256, issuer=2).key.public, max_ttl_hours=1)
        ).reason(TEXT),
        "clock before validity": Terminal().at(exp_ms, ClockState.UNTRUSTED).reason(TEXT),
        "validity before presence": Terminal().at(exp_ms).reason(forged),
        "presence before freshness": Terminal().at(NOW_MS + 120_000).reason(forged),
        "freshness before revocation": later.reason(TEXT),
        "revocation before purpose": Terminal(lists=revoked, policy=paying).reason(TEXT),
    }
    assert verdicts == {
        "site before key": "code-issuer-elsewhere",
        "issuer before what exceeds": "code-forged",
        "clock before validity": "clock-untrusted",
        "validity before presence": "code-expired",
        "presence before freshness": "code-device-forged",
        "freshness before revocation": "code-stale",
        "revocation before purpose": "code-revoked",
    }


def test_purpose_is_judged_before_replay() -> None:
    terminal = Terminal()
    terminal.accept(TEXT)
    paying = replace(terminal, policy=CodePolicy(purposes=frozenset({Purpose.PAY})))
    assert paying.reason(TEXT) == "code-wrong-purpose"


# Check 4: the clock -------------------------------------------------------------------------------------------------


def test_an_untrusted_clock_refuses_codes_unless_the_lane_judges_by_it() -> None:
    untrusted = Terminal().at(NOW_MS, ClockState.UNTRUSTED)
    assert untrusted.reason(TEXT) == "clock-untrusted"
    judging = replace(untrusted, policy=CodePolicy(untrusted_clock=UntrustedClock.JUDGE))
    assert judging.reason(TEXT) == ""
    assert judging.at(NOW_MS + 120_000, ClockState.UNTRUSTED).reason(TEXT) == "code-stale"


def test_a_lane_that_judges_by_a_lost_clock_judges_no_end_before_what_is_known() -> None:
    judging = Terminal(policy=CodePolicy(untrusted_clock=UntrustedClock.JUDGE, static=True))
    known = judging.lists
    assert known.trust is not None
    list_ends_ms = known.trust.expires_ms + known.trust.grace_ms
    lasting = replace(known, trust=replace(known.trust, grace_ms=30 * DAY_MS))
    iat_ms = (1_577_836_800 + GRANT.iat_h * 3_600) * 1000
    static = made(CITY, None).text

    def at_floor(floor_ms: int, text: str, lists: Lists = known) -> str:
        lost = Moment(iat_ms - DAY_MS, ClockState.UNTRUSTED, 0, floor_ms)
        return replace(judging, moment=lost, lists=lists).reason(text)

    assert at_floor(NOW_MS, TEXT) == at_floor(NOW_MS, static) == ""
    assert at_floor(NOW_MS + 120_000, TEXT) == "code-stale"
    assert at_floor(iat_ms + GRANT.ttl_h * 3_600_000, static) == "code-expired"
    assert at_floor(list_ends_ms, static) == "trust-expired"
    fresh = made(CITY, None, replace(GRANT, ttl_h=30 * 24)).text
    assert at_floor(list_ends_ms, fresh, with_row_in(lasting, max_ttl_hours=30 * 24)) == "code-status-missing"


def test_a_clock_that_has_drifted_beyond_the_lanes_bound_counts_as_untrusted() -> None:
    assert Terminal().at(NOW_MS, ClockState.HOLDOVER, 60_000).reason(TEXT) == ""
    assert Terminal().at(NOW_MS, ClockState.HOLDOVER, 60_001).reason(TEXT) == "clock-untrusted"


def test_the_clocks_uncertainty_counts_for_the_citizen_at_both_ends_of_the_validity() -> None:
    text = made(CITY, None).text
    iat_ms = (1_577_836_800 + GRANT.iat_h * 3_600) * 1000
    exp_ms = iat_ms + GRANT.ttl_h * 3_600_000
    terminal = Terminal()
    assert terminal.at(iat_ms - 1).reason(text) == "code-not-yet-valid"
    assert terminal.at(iat_ms - 1, ClockState.HOLDOVER, 1).reason(text) == ""
    assert terminal.at(exp_ms).reason(text) == "code-expired"
    assert terminal.at(exp_ms, ClockState.HOLDOVER, 1).reason(text) == ""


# Checks 5 and 6 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("uncertainty_ms", "ends_ms"), [(0, 60_000), (1_500, 61_500)])
def test_a_showing_is_fresh_for_the_lanes_lifetime_and_the_uncertainty(uncertainty_ms: int, ends_ms: int) -> None:
    shown_ms = (NOW_S - 2) * 1000
    last = Terminal().at(shown_ms + ends_ms, ClockState.HOLDOVER, uncertainty_ms)
    assert last.reason(TEXT) == ""
    assert last.at(shown_ms + ends_ms + 1, ClockState.HOLDOVER, uncertainty_ms).reason(TEXT) == "code-stale"


@pytest.mark.parametrize(("uncertainty_ms", "ahead_ms"), [(0, 5_000), (700, 5_700)])
def test_a_phone_may_run_ahead_by_the_skew_and_the_uncertainty(uncertainty_ms: int, ahead_ms: int) -> None:
    shown_ms = (NOW_S - 2) * 1000
    last = Terminal().at(shown_ms - ahead_ms, ClockState.HOLDOVER, uncertainty_ms)
    assert last.reason(TEXT) == ""
    assert last.at(shown_ms - ahead_ms - 1, ClockState.HOLDOVER, uncertainty_ms).reason(TEXT) == "code-from-future"


def test_a_screenshot_of_a_minute_ago_is_refused() -> None:
    assert Terminal().at(NOW_MS + 60_000).reason(TEXT) == "code-stale"


@pytest.mark.parametrize(("hours", "reason"), [(8, "code-stale"), (-8, "code-from-future")])
def test_a_clock_in_another_time_zone_is_not_tried(hours: int, reason: str) -> None:
    text = made(CITY, Algorithm.ES256, replace(GRANT, iat_h=GRANT.iat_h - 20, ttl_h=48)).text
    assert Terminal().reason(text) == ""
    assert Terminal().at(NOW_MS + hours * 3_600_000).reason(text) == reason


# Check 7 ------------------------------------------------------------------------------------------------------------


def test_an_issuer_without_a_status_list_in_force_is_refused() -> None:
    assert Terminal(lists=replace(lists(), status=MappingProxyType({}))).reason(TEXT) == "code-status-missing"
    ended = StatusList(bytes(1_250), 10_000, Term(0, NOW_MS - DAY_MS, DAY_MS))
    assert Terminal(lists=replace(lists(), status={1: ended})).reason(TEXT) == "code-status-missing"


def test_the_emergency_list_and_the_register_deny_a_token() -> None:
    denied = replace(lists(), emergency=EmergencyList(frozenset({TOKEN})))
    assert Terminal(lists=denied).reason(TEXT) == "code-revoked"
    lost = Holder(Subject("city", bytes(16)), lost=True)
    assert Terminal(holders={TOKEN: lost}).reason(TEXT) == "medium-lost"


def test_the_register_says_whose_code_it_is_and_adds_what_the_site_knows() -> None:
    holder = Holder(Subject("issuer-1.example", b"S" * 16), frozenset({"night-shift"}))
    credential = Terminal(holders={TOKEN: holder}).accept(TEXT)
    assert credential.subject == holder.subject
    assert credential.entitlements == {"elder", "staff", "night-shift"}


def test_an_issuer_that_chooses_anothers_token_gets_nothing_of_its_holder_and_shares_its_loss() -> None:
    citizen = Holder(Subject("city", b"S" * 16), frozenset({"night-shift"}))
    credential = Terminal(holders={TOKEN: citizen}).accept(TEXT)
    assert credential.subject == Subject("issuer-1.example", TOKEN, provisional=True)
    assert credential.entitlements == {"elder", "staff"}
    assert Terminal(holders={TOKEN: replace(citizen, lost=True)}).reason(TEXT) == "medium-lost"


# Check 8 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown_for", "lane", "issuer", "accepted"),
    [
        (Purpose.PASS, {Purpose.PASS}, {Purpose.PASS}, True),
        (Purpose.ANY, {Purpose.ANY, Purpose.PASS}, {Purpose.PASS}, True),
        (Purpose.ANY, {Purpose.PASS}, {Purpose.ANY}, False),  # the lane wants the holder to have meant it
        (Purpose.ANY, {Purpose.ANY, Purpose.PAY}, {Purpose.PASS}, False),  # a school cannot spend the city's money
        (Purpose.PAY, {Purpose.PAY}, {Purpose.PASS}, False),
        (Purpose.PAY, {Purpose.ANY, Purpose.PASS}, {Purpose.ANY}, False),
    ],
)
def test_a_purpose_must_be_the_lanes_and_the_issuers(
    shown_for: Purpose, lane: set[Purpose], issuer: set[Purpose], accepted: bool
) -> None:
    text = made(CITY, Algorithm.ES256, purpose=shown_for).text
    terminal = Terminal(lists=with_row(purposes=frozenset(issuer)), policy=CodePolicy(purposes=frozenset(lane)))
    assert terminal.reason(text) == ("" if accepted else "code-wrong-purpose")


def test_a_static_code_counts_for_what_the_lane_is_for() -> None:
    lane = CodePolicy(static=True, purposes=frozenset({Purpose.BORROW}))
    assert Terminal(policy=lane).reason(STATIC) == ""
    only_passing = with_row(purposes=frozenset({Purpose.PASS}))
    assert Terminal(policy=lane, lists=only_passing).reason(STATIC) == "code-wrong-purpose"


def test_a_purpose_from_a_later_version_is_refused() -> None:
    text = made(CITY, Algorithm.ES256, purpose=77).text  # type: ignore[arg-type]  # no purpose of today
    assert Terminal().reason(text) == "code-wrong-purpose"


def test_lists_that_are_swapped_count_for_the_next_code() -> None:
    terminal = Terminal()
    assert isinstance(terminal.judge(TEXT), Presented)
    bits = bytearray(1_250)
    bits[GRANT.status_index >> 3] |= 1 << (GRANT.status_index & 7)
    revoked = StatusList(bytes(bits), 10_000, Term(NOW_MS, NOW_MS + DAY_MS, 0))
    assert replace(terminal, lists=replace(lists(), status={1: revoked})).reason(TEXT) == "code-revoked"
