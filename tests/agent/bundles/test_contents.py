"""Contents: exact look-ups, deltas that lead to the very bytes, and rows that break their rules."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import cbor
from agent.bundles import bitmap, people, signer_list, table, trust_list
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Kind
from agent.bundles.people import MAX_AREAS, MediumState, RosterTable, register_row, register_shape, roster_rows
from agent.bundles.table import Shape, Table
from agent.credentials.lists import ListLost, Lists
from agent.credentials.status import EmergencyList, StatusList
from agent.credentials.trust import Freshness, Term
from profiles.api import Subject
from profiles.person import Person
from tests.agent.bundles.parts import ENTITLEMENTS, HEALTH_SIGNERS, ISSUER, NOW_MS, ROOT, ROW, Terminal, issue, some_id
from tools import bundles as platform

TERM = Term(0, 10, 5)
SMALL = Shape(2, 3, "city")
KEYS = st.binary(min_size=2, max_size=2)
TABLES = st.dictionaries(KEYS, st.binary(min_size=1, max_size=1), max_size=40)


def in_memory(rows: dict[bytes, bytes], shape: Shape = SMALL) -> Table:
    return Table.open(table.encode(shape, [key + value for key, value in rows.items()]))


def applied(base: Table, body: bytes, count: int) -> bytes:
    out = io.BytesIO()
    table.apply(base, io.BytesIO(body), count, out)
    return out.getvalue()


@settings(deadline=None, max_examples=200)
@given(TABLES, KEYS)
def test_a_table_holds_what_was_put_in_and_nothing_else(rows: dict[bytes, bytes], other: bytes) -> None:
    held = in_memory(rows)
    held.check()
    assert {key: held.get(key) for key in rows} == rows
    assert held.get(other) == rows.get(other)
    assert (other in held) is (other in rows)
    assert len(held) == len(rows)


@settings(deadline=None, max_examples=300)
@given(TABLES, TABLES)
def test_a_delta_of_a_table_leads_from_any_state_to_any_other(old: dict[bytes, bytes], new: dict[bytes, bytes]) -> None:
    before, after = in_memory(old), in_memory(new)
    expected = table.encode(SMALL, [key + value for key, value in new.items()])
    assert applied(before, table.delta(before, after), len(new)) == expected


@settings(deadline=None, max_examples=300)
@given(st.sets(st.integers(0, 255)), st.sets(st.integers(0, 255)))
def test_a_delta_of_a_bitmap_leads_from_any_state_to_any_other(old: set[int], new: set[int]) -> None:
    body = bitmap.encode_delta(new - old, old - new)
    assert bitmap.apply(platform.status_content(256, old), io.BytesIO(body)) == platform.status_content(256, new)


LISTS = st.dictionaries(st.integers(0, 5), st.integers(1, 3))


@settings(deadline=None, max_examples=100)
@given(LISTS, LISTS)
def test_a_delta_of_a_trust_list_leads_from_any_state_to_any_other(old: dict[int, int], new: dict[int, int]) -> None:
    before, after = (
        platform.trust_content([replace(ROW, kid=kid, max_ttl_hours=hours) for kid, hours in rows.items()], names, [])
        for rows, names in ((old, ENTITLEMENTS), (new, {0: "senior"}))
    )
    body = trust_list.delta(trust_list.decode(before), trust_list.decode(after)).encode()
    assert trust_list.apply(before, body) == after


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=64))
def test_hostile_deltas_are_refused_or_lead_to_a_bitmap_of_the_same_size(body: bytes) -> None:
    with contextlib.suppress(BundleError):
        assert len(bitmap.apply(bytes(32), io.BytesIO(body))) == 32


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80))
def test_hostile_tables_are_refused_in_no_other_way_than_as_bundles(data: bytes) -> None:
    head = SMALL.head(1)
    for body in (data, head + data):
        with contextlib.suppress(BundleError):
            Table.open(body).check()
        with contextlib.suppress(BundleError):
            applied(in_memory({b"ab": b"c"}), body, 1)


@pytest.mark.parametrize(
    "body",
    [
        bitmap.encode_delta([7], []),  # revoked already
        bitmap.encode_delta([], [6]),  # never revoked
        bitmap.encode_delta([64], []),  # beyond the list
        (2).to_bytes(4, "little") + bytes([9, 0, 0, 0, 9, 0, 0, 0]) + bytes(4),  # twice
        (1 << 23).to_bytes(4, "little"),
        b"",
    ],
)
def test_a_change_that_cannot_be_is_refused(body: bytes) -> None:
    with pytest.raises(BundleError):
        bitmap.apply(platform.status_content(64, [7]), io.BytesIO(body))


@pytest.mark.parametrize(
    "body",
    [
        table.encode_delta(SMALL, [b"zz"], []),  # not there
        table.encode_delta(Shape(2, 4, "city"), [], [b"aaxx"]),
        table.encode_delta(Shape(2, 3, "school"), [], [b"aax"]),
        table.encode_delta(SMALL, [], [b"bbx", b"bby"]),  # a key twice
        table.encode_delta(SMALL, [], [b"bbx"])[:-1],
        SMALL.head(1) + b"\x02bbx",
        SMALL.head(2) + b"\x01ccx\x01bbx",
    ],
)
def test_a_delta_of_a_table_that_cannot_be_is_refused(body: bytes) -> None:
    with pytest.raises(BundleError):
        applied(in_memory({b"ab": b"c"}), body, 2)


def test_an_unsorted_table_is_refused() -> None:
    for rows in (b"bb1aa1", b"aa1aa2"):
        with pytest.raises(BundleError):
            Table.open(SMALL.head(2) + rows).check()


def test_a_status_list_denies_what_is_revoked_and_what_it_does_not_hold() -> None:
    listed = StatusList(platform.status_content(16, [0, 9, 15]), 16, TERM)
    assert [entry for entry in range(16) if listed.revoked(entry)] == [0, 9, 15]
    assert listed.revoked(16)
    assert listed.revoked(-1)
    assert listed.term.expiry(10).freshness is Freshness.IN_GRACE
    with pytest.raises(ValueError, match="hold no 17 entries"):
        StatusList(bytes(2), 17, TERM)


def test_an_emergency_list_takes_whole_ids_only() -> None:
    listed = EmergencyList(in_memory({some_id(1): b""}, Shape(16, 16)))
    assert listed.holds(some_id(1))
    assert not listed.holds(some_id(2))
    assert not listed.holds(some_id(1)[:15])
    assert not EmergencyList().holds(some_id(1))


async def test_a_register_maps_cards_to_people_and_names_what_they_are_entitled_to(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.REGISTER))
    register = terminal.bundles.lists.current().register
    (holder,) = register.holders(some_id(1))
    assert (holder.subject, holder.entitlements, holder.lost) == (Subject("city", some_id(2)), frozenset(), False)
    await terminal.install(terminal.full(Kind.TRUST))
    register = terminal.bundles.lists.current().register
    known = [register.holders(some_id(number))[0] for number in (1, 3)]
    assert [holder.entitlements for holder in known] == [{"student"}, frozenset()]
    (replaced,) = register.holders(some_id(3))
    assert (replaced.subject, replaced.lost) == (Subject("city", some_id(2)), True)
    assert register.holders(some_id(9)) == ()


async def test_a_roster_says_what_the_site_knows_of_a_subject(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.ROSTER))
    roster = terminal.bundles.lists.current().rosters["roster-school-3"]
    person = roster.person(Subject("city", some_id(2)))
    assert person == Person("3-2", frozenset({"library"}), "student", "b", "meal-1", {"patron": b"sealed"})
    assert "sealed" not in repr(person)
    assert roster.person(Subject("school", some_id(2))) is None
    assert roster.person(Subject("city", some_id(99))) is None
    assert terminal.bundles.lists.current().person(Subject("city", some_id(2))) == person


def test_the_first_roster_by_name_that_knows_somebody_speaks_and_a_damaged_one_knows_nobody() -> None:
    size_bytes, rows = roster_rows([(some_id(1), Person(unit="kitchen"))])
    spoiled = [some_id(1) + bytes([0, 1]) + b"\xff".ljust(size_bytes - 18, b"\0")]
    whole, broken = (
        RosterTable(Table.open(table.encode(Shape(16, size_bytes, "city"), each))) for each in (rows, spoiled)
    )
    asked = Subject("city", some_id(1))
    assert Lists(rosters={"roster-a": broken, "roster-b": whole}).person(asked) == Person(unit="kitchen")
    assert Lists(rosters={"roster-a": broken}).person(asked) is None


@pytest.mark.parametrize("item", [{0: 1, 1: 7}, {0: 1, 1: "kitchen"}, {0: 1, 9: ""}, [1], 1])
def test_a_row_that_was_spoiled_after_it_was_in_force_is_nobody(item: object) -> None:
    encoded = cbor.encode(item)
    row = some_id(1) + len(encoded).to_bytes(2, "big") + encoded
    roster = RosterTable(Table.open(table.encode(Shape(16, len(row), "city"), [row])))
    with pytest.raises(ListLost):
        roster.person(Subject("city", some_id(1)))


async def test_a_trust_list_comes_with_the_reading_keys_that_were_sealed_for_this_terminal(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.TRUST))
    trust = terminal.bundles.lists.current().trust
    assert trust is not None
    assert trust.row(ISSUER, 1) == ROW
    assert trust.names_of(0b1010) == {"student"}
    assert "rrrr" not in repr(trust)
    assert trust.expiry(NOW_MS).freshness is Freshness.FRESH


def test_a_row_that_is_sealed_for_others_is_left_out_and_one_that_was_moved_is_refused(terminal: Terminal) -> None:
    content = trust_list.decode(platform.trust_content([ROW], ENTITLEMENTS, [terminal.keys.sealing_public()]))
    manifest = terminal.parsed(terminal.full(Kind.TRUST)).manifest
    assert trust_list.in_force(content.encode(), manifest, b"nobody--", terminal.keys.unseal).rows == {}
    (row,) = content.rows
    moved = content.model_copy(update={"rows": (row.model_copy(update={"kid": 2}),)})
    with pytest.raises(BundleError, match="not sealed for this key"):
        trust_list.in_force(moved.encode(), manifest, row.seals[0].recipient, terminal.keys.unseal)


@pytest.mark.parametrize(
    "spoil",
    [
        {"algorithm": -6},
        {"purposes": (9,)},
        {"purposes": (1, 0)},
        {"purposes": (1, 1)},
        {"public": b"\x05" + bytes(32)},
        {"entitlements": 1 << 32},
        {"sites": ("b", "a")},
    ],
)
def test_a_row_outside_its_grammar_is_refused(terminal: Terminal, spoil: dict[str, object]) -> None:
    content = trust_list.decode(platform.trust_content([ROW], ENTITLEMENTS, [terminal.keys.sealing_public()]))
    manifest = terminal.parsed(terminal.full(Kind.TRUST)).manifest
    spoiled = content.model_copy(update={"rows": (content.rows[0].model_copy(update=spoil),)})
    with pytest.raises(BundleError) as caught:
        trust_list.in_force(spoiled.encode(), manifest, content.rows[0].seals[0].recipient, terminal.keys.unseal)
    assert caught.value.fault is BundleFault.CONTENT


def test_rows_of_a_trust_list_stand_sorted_and_once(terminal: Terminal) -> None:
    rows = [ROW, replace(ROW, kid=2)]
    content = trust_list.decode(platform.trust_content(rows, ENTITLEMENTS, []))
    for order in (content.rows[::-1], content.rows[:1] * 2):
        with pytest.raises(BundleError):
            trust_list.decode(content.model_copy(update={"rows": order}).encode())


def test_a_delta_whose_registry_is_not_sorted_is_refused() -> None:
    content = platform.trust_content([ROW], ENTITLEMENTS, [])
    change = trust_list.delta(trust_list.decode(content), trust_list.decode(content))
    for order in (change.entitlements[::-1], change.entitlements[:1] * 2):
        with pytest.raises(BundleError):
            trust_list.apply(content, change.model_copy(update={"entitlements": order}).encode())


def spoiled_register() -> Table:
    row = bytearray(register_row(some_id(1), some_id(2)))
    row[-1] = max(MediumState) + 1
    return Table.open(table.encode(register_shape("city"), [bytes(row)]))


def spoiled_roster() -> Table:
    size_bytes, rows = roster_rows([(some_id(1), Person(areas=frozenset({"a"})))])
    return Table.open(table.encode(Shape(16, size_bytes + 1), [rows[0] + b"x"]))


@pytest.mark.parametrize(
    ("check", "held"),
    [
        (people.check_register, spoiled_register()),
        (people.check_register, in_memory({b"ab": b"c"})),
        (people.check_roster, spoiled_roster()),
        (people.check_roster, in_memory({b"ab": b"c"})),
        (people.check_roster, in_memory({some_id(1): b"\x00\x01\xff"}, Shape(16, 19))),
        (people.check_emergency, in_memory({b"ab": b"c"})),
    ],
)
def test_a_row_that_is_not_of_its_kind_is_refused(check: Callable[[Table], None], held: Table) -> None:
    with pytest.raises(BundleError):
        check(held)


def test_an_person_has_bounds() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_AREAS}"):
        roster_rows([(some_id(1), Person(areas=frozenset(map(str, range(MAX_AREAS + 1)))))])


async def test_signers_of_health_certificates_are_in_force_with_their_term(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.HCERT))
    signers = terminal.bundles.lists.current().signers
    assert signers is not None
    kids = {hashlib.sha256(der).digest()[:8] for der in HEALTH_SIGNERS[:2]}
    assert set(signers.signers) == kids
    await terminal.install(terminal.delta(Kind.HCERT, 1, 2))
    after = terminal.bundles.lists.current().signers
    assert after is not None
    assert set(after.signers) == {hashlib.sha256(der).digest()[:8] for der in HEALTH_SIGNERS[1:3]}


def test_a_delta_of_many_signers_costs_no_more_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def counted(*items: Iterable[bytes]) -> set[bytes]:
        nonlocal made
        made += 1
        return set(*items)

    monkeypatch.setattr(signer_list, "set", counted, raising=False)
    costs = set()
    for number in (1, 100):
        many = signer_list.content(each.to_bytes(2, "big") for each in range(number))
        change = signer_list.delta(many, signer_list.content([b"new"])).encode()
        made = 0
        assert signer_list.apply(many, change) == signer_list.content([b"new"])
        costs.add(made)
    assert len(costs) == 1


async def test_a_certificate_that_cannot_be_used_refuses_the_list(terminal: Terminal) -> None:
    for content in (signer_list.content([b"no certificate"]), b"\xa1", signer_list.content([])[:-1]):
        with pytest.raises(BundleError) as caught:
            await terminal.install(platform.full_bundle(issue(Kind.HCERT), content, ROOT))
        assert caught.value.fault is BundleFault.CONTENT


def test_a_delta_of_signers_for_another_list_is_refused() -> None:
    first, second = signer_list.content(HEALTH_SIGNERS[:2]), signer_list.content(HEALTH_SIGNERS[1:3])
    change = signer_list.delta(first, second).encode()
    assert signer_list.apply(first, change) == second
    for base in (second, signer_list.content([])):
        with pytest.raises(BundleError):
            signer_list.apply(base, change)
