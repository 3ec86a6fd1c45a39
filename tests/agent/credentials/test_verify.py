"""Cards and the lists in force: the emergency list, and the register behind the terminal's own."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.credentials.lists import CurrentLists, Lists
from agent.credentials.medium import medium_of
from agent.credentials.register import Holder, SiteRegister
from agent.credentials.status import EmergencyList
from agent.credentials.verify import Verifier
from drivers.api import CardReading, Interface
from profiles.api import Assurance, Presented, Reason, Rejected, Subject

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CARD = CardReading(
    reader="slot", at_ns=0, application="social-security", interface=Interface.CONTACT, issuer=b"", identifier=b"1"
)


def mac(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


MEDIUM = medium_of(CARD, mac)
OURS, THEIRS = Holder(Subject("site", b"O" * 16)), Holder(Subject("city", b"T" * 16))


def test_the_emergency_list_denies_a_card_from_the_next_reading_on() -> None:
    current = CurrentLists()
    verifier = Verifier(mac, SiteRegister(()), current.current)
    assert isinstance(verifier.card(CARD, NOON), Presented)
    current.swap(Lists(emergency=EmergencyList(frozenset({MEDIUM}))))
    verdict = verifier.card(CARD, NOON)
    assert isinstance(verdict, Rejected)
    assert (verdict.reason, verdict.medium) == (Reason.MEDIUM_DENIED, MEDIUM)


def test_the_terminals_own_register_goes_before_that_of_the_lists() -> None:
    lists = Lists(register=SiteRegister([(MEDIUM, THEIRS)]))
    for own, holder in (((), THEIRS), ([(MEDIUM, OURS)], OURS)):
        verdict = Verifier(mac, SiteRegister(own), lambda: lists).card(CARD, NOON)
        assert isinstance(verdict, Presented)
        assert verdict.credential.subject == holder.subject


def test_a_card_that_was_lent_to_a_visitor_counts_until_its_time() -> None:
    until_ms = round(NOON.timestamp() * 1000)
    verifier = Verifier(mac, SiteRegister([(MEDIUM, replace(OURS, until_ms=until_ms))]), Lists)
    assert isinstance(verifier.card(CARD, NOON - timedelta(milliseconds=1)), Presented)
    verdict = verifier.card(CARD, NOON)
    assert isinstance(verdict, Rejected)
    assert (verdict.reason, verdict.subject) == (Reason.EXPIRED, OURS.subject)


def test_a_lost_clock_keeps_out_nobody_whose_card_may_have_begun() -> None:
    begins = CARD.model_copy(update={"valid_from": "20261125", "valid_until": "20261125"})
    verifier = Verifier(mac, SiteRegister(()), Lists)
    verdict = verifier.card(begins, NOON)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.NOT_YET_VALID
    assert isinstance(verifier.card(begins, NOON, lost=True), Presented)
    verdict = verifier.card(begins, NOON + timedelta(days=2), lost=True)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.EXPIRED


@pytest.mark.parametrize("application", ["plate", "vehicle-tag"])
def test_what_anybody_can_paint_or_copy_from_afar_counts_least(application: str) -> None:
    seen = CARD.model_copy(update={"application": application})
    holder = replace(OURS, entitlements=frozenset({"staff"}))
    verdict = Verifier(mac, SiteRegister([(medium_of(seen, mac), holder)]), Lists).card(seen, NOON)
    assert isinstance(verdict, Presented)
    assert (verdict.credential.assurance, verdict.credential.entitlements) == (Assurance.UID, holder.entitlements)
