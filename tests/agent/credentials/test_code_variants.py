"""Campus and visitor codes: the one format, bounded by the issuer's row (docs/code-format.md §1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.credentials.lists import Lists
from agent.signatures import Algorithm
from profiles.purpose import Purpose
from profiles.rules.admission import Admission
from tests.agent.credentials.code_parts import Terminal, lists
from tests.vectors.ec1.regenerate import GRANT, SCHOOL, issuing_key, made

BY_SCHOOL = issuing_key(Algorithm.ES256, SCHOOL)
STUDENT_BIT, STAFF_BIT, VISITOR_BIT = 1, 2, 8
NAMES = {STUDENT_BIT: "student", STAFF_BIT: "staff", VISITOR_BIT: "visitor"}


def with_school(*bits: int, max_ttl_h: int) -> Lists:
    """The city's list, in which the school may say just this, at its own gates."""
    known = lists()
    assert known.trust is not None
    row = replace(
        known.trust.rows[SCHOOL, BY_SCHOOL.kid],
        entitlements=sum(1 << bit for bit in bits),
        max_ttl_hours=max_ttl_h,
        sites=frozenset({"school-3"}),
        purposes=frozenset({Purpose.PASS, Purpose.BORROW}),
        static_allowed=True,
    )
    rows = {**known.trust.rows, (SCHOOL, BY_SCHOOL.kid): row}
    return replace(known, trust=replace(known.trust, rows=rows, entitlements=NAMES))


CAMPUS = with_school(STUDENT_BIT, STAFF_BIT, max_ttl_h=12)
VISITORS = with_school(VISITOR_BIT, max_ttl_h=4)


def by_school(device: Algorithm | None, bit: int, ttl_h: int) -> str:
    return made(BY_SCHOOL, device, replace(GRANT, entitlements=1 << bit, ttl_h=ttl_h)).text


def test_a_campus_code_opens_the_schools_gates_and_no_others() -> None:
    text = by_school(Algorithm.SM2, STUDENT_BIT, ttl_h=12)
    credential = Terminal(lists=CAMPUS, site="school-3").accept(text)
    assert credential.entitlements == {"student"}
    assert credential.subject.namespace == "issuer-2.example"
    assert Terminal(lists=CAMPUS, site="pool").reason(text) == "code-issuer-elsewhere"


@pytest.mark.parametrize("device", [Algorithm.ES256, None])
def test_a_visitors_code_says_visitor_and_a_gate_for_staff_does_not_open(device: Algorithm | None) -> None:
    credential = Terminal(lists=VISITORS, site="school-3").accept(by_school(device, VISITOR_BIT, ttl_h=4))
    assert Admission(entitlements=frozenset({"visitor"})).admits(credential)
    assert not Admission(entitlements=frozenset({"staff", "student"})).admits(credential)


def test_a_visitors_code_is_over_after_its_hours() -> None:
    text = by_school(None, VISITOR_BIT, ttl_h=4)
    terminal = Terminal(lists=VISITORS, site="school-3")
    assert terminal.reason(text) == ""
    assert terminal.at(terminal.moment.now_ms + 3_600_000).reason(text) == "code-expired"


@pytest.mark.parametrize(("bit", "ttl_h"), [(STAFF_BIT, 4), (VISITOR_BIT, 5)])
def test_whoever_may_make_visitors_makes_no_staff_and_nobody_for_longer(bit: int, ttl_h: int) -> None:
    text = by_school(Algorithm.ES256, bit, ttl_h)
    assert Terminal(lists=VISITORS, site="school-3").reason(text) == "code-issuer-exceeded"
