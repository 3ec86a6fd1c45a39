"""Price lists and tariffs: what is signed comes into force, what cannot be charged has a name and is not installed."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import cbor
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Kind
from agent.bundles.priced import PriceFault, prices_in_force, tariff_in_force
from profiles.published import Gives, Item, Per
from profiles.reasons import Sentence
from tests.agent.bundles.parts import BUNDLE, DAY_MS, NOW_MS, Terminal, issue
from tools import bundles as platform

ITEM = {1: "1", 2: "红烧肉", 3: "Braised pork", 4: 1_200, 5: "piece"}
PROMOTION = {1: "elder", 2: NOW_MS, 3: NOW_MS + DAY_MS, 4: "优惠", 5: "Off", 7: 0, 8: 10, 9: 0}
STEPS = {1: "metro", 2: NOW_MS, 3: NOW_MS + DAY_MS, 4: "fen", 5: [[4_000, 200], [9_000, 300]]}
PAIRS = {1: "metro", 2: NOW_MS, 3: NOW_MS + DAY_MS, 4: "fen", 5: ["a", "b"], 6: bytes(16)}


def prices(*items: dict[int, Any]) -> bytes:
    return cbor.encode({0: 1, 1: list(items)})


def tariff(*promotions: dict[int, Any], steps: Any = (), pairs: Any = ()) -> bytes:
    return cbor.encode({0: 1, 1: list(promotions), 2: list(steps), 3: list(pairs)})


WRONG_PRICES: list[tuple[list[dict[int, Any]], PriceFault]] = [
    ([ITEM, ITEM], PriceFault.DUPLICATE),
    ([ITEM | {1: "2"}, ITEM], PriceFault.ORDER),
    ([ITEM | {1: "1a"}], PriceFault.CODE),
    ([ITEM | {1: ""}], PriceFault.CODE),
    ([ITEM | {4: 0}], PriceFault.PRICE),
    ([ITEM | {4: -1}], PriceFault.PRICE),
    ([ITEM | {4: 10_000_001}], PriceFault.PRICE),
    ([ITEM | {4: 2**62}], PriceFault.PRICE),
    ([ITEM | {2: " "}], PriceFault.NAME),
    ([ITEM | {3: "a\x1b[2J"}], PriceFault.NAME),
    ([ITEM | {3: "a" * 33}], PriceFault.NAME),
]
WRONG_TARIFFS = [
    (tariff(PROMOTION | {3: NOW_MS}), PriceFault.WINDOW),
    (tariff(PROMOTION, PROMOTION | {2: NOW_MS + 1}), PriceFault.OVERLAP),
    (tariff(PROMOTION | {1: "later"}, PROMOTION), PriceFault.ORDER),
    (tariff(PROMOTION | {1: "No"}), PriceFault.ID),
    (tariff(PROMOTION | {6: "1st"}), PriceFault.ID),
    (tariff(PROMOTION | {8: 100}), PriceFault.DISCOUNT),
    (tariff(PROMOTION | {8: -5}), PriceFault.DISCOUNT),
    (tariff(PROMOTION | {8: 0}), PriceFault.DISCOUNT),
    (tariff(PROMOTION | {9: 5, 7: 10}), PriceFault.DISCOUNT),
    (tariff(PROMOTION | {8: 0, 9: 100, 7: 100}), PriceFault.DISCOUNT),
    (tariff(PROMOTION | {10: 0}), PriceFault.DISCOUNT),
    (tariff(PROMOTION | {4: ""}), PriceFault.NAME),
    (tariff(steps=[STEPS | {5: [[4_000, 200], [4_000, 300]]}]), PriceFault.STEPS),
    (tariff(steps=[STEPS | {5: [[-1, 200]]}]), PriceFault.STEPS),
    (tariff(steps=[STEPS | {5: [[1, 10_000_001]]}]), PriceFault.PRICE),
    (tariff(pairs=[PAIRS | {5: ["a", "a"]}]), PriceFault.DUPLICATE),
    (tariff(pairs=[PAIRS | {5: ["a", "B"]}]), PriceFault.ORDER),
    (tariff(pairs=[PAIRS | {5: ["A", "b"]}]), PriceFault.ID),
    (tariff(pairs=[PAIRS | {6: bytes(15)}]), PriceFault.PAIRS),
    (tariff(pairs=[PAIRS | {6: b"\xff\xff\xff\xfe" * 4}]), PriceFault.PRICE),
]


async def test_a_price_list_comes_into_force_and_a_newer_one_takes_its_place(terminal: Terminal) -> None:
    lists = terminal.bundles.lists
    assert lists.current().prices("canteen-1", NOW_MS) is None
    for version in (1, 2):
        await terminal.install(terminal.full(Kind.PRICES, version))
        held = lists.current().prices("canteen-1", NOW_MS)
        assert held is not None
        assert (held.name, held.version) == ("canteen-1", version)
        assert held.items["1"] == Item("1", Sentence("红烧肉", "Braised pork"), 1_200 + version)
        assert held.items["20"].per is Per.KILOGRAM
    assert lists.current().prices("canteen-2", NOW_MS) is None


async def test_a_tariff_comes_into_force_and_is_gone_beyond_its_grace(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.TARIFF))
    held = terminal.bundles.lists.current().tariff("city", NOW_MS)
    assert held is not None
    metres = held.pairs("metro", NOW_MS)
    fares = held.steps("metro", NOW_MS)
    assert metres is not None
    assert fares is not None
    assert (metres.gives, metres.value("north", "east"), metres.value("north", "west")) == (Gives.METRES, 3_900, None)
    assert (fares.value(3_900), fares.value(4_001), fares.value(60_001)) == (200, 300, None)
    assert terminal.bundles.lists.current().tariff("city", NOW_MS + 10 * DAY_MS - 1) is not None
    assert terminal.bundles.lists.current().tariff("city", NOW_MS + 10 * DAY_MS) is None


@pytest.mark.parametrize("kind", [Kind.PRICES, Kind.TARIFF])
async def test_there_is_no_delta_of_them(terminal: Terminal, kind: Kind) -> None:
    with pytest.raises(BundleError, match="always full"):
        terminal.delta(kind, 1, 2)


@pytest.mark.parametrize(("items", "fault"), WRONG_PRICES)
async def test_a_price_list_that_cannot_be_charged_is_refused_by_name_and_the_old_one_stays(
    terminal: Terminal, items: list[dict[int, Any]], fault: PriceFault
) -> None:
    await terminal.install(terminal.full(Kind.PRICES, 1))
    with pytest.raises(BundleError, match=fault.sentence.en) as caught:
        await terminal.install(platform.full_bundle(issue(Kind.PRICES, 2), prices(*items), BUNDLE))
    assert caught.value.fault is BundleFault.CONTENT
    assert fault.sentence.zh in caught.value.zh
    held = terminal.bundles.lists.current().prices("canteen-1", NOW_MS)
    assert held is not None
    assert held.version == 1


@pytest.mark.parametrize(("content", "fault"), WRONG_TARIFFS)
def test_a_tariff_that_cannot_be_charged_is_refused_by_name(content: bytes, fault: PriceFault) -> None:
    with pytest.raises(BundleError, match=fault.sentence.en) as caught:
        tariff_in_force(content, "city", 1)
    assert fault.sentence.zh in caught.value.zh


def test_every_fault_has_its_case() -> None:
    assert {fault for _, fault in (*WRONG_PRICES, *WRONG_TARIFFS)} == set(PriceFault)


def test_entries_of_one_id_that_follow_one_another_are_taken() -> None:
    later = PROMOTION | {2: NOW_MS + DAY_MS, 3: NOW_MS + 2 * DAY_MS, 8: 20}
    held = tariff_in_force(tariff(PROMOTION, later), "city", 1)
    found = [held.promotion(1_000, frozenset(), NOW_MS + day * DAY_MS) for day in range(3)]
    assert [promotion and promotion.discount_fen(1_000) for promotion in found] == [100, 200, None]


@settings(deadline=None, max_examples=200)
@given(st.recursive(st.integers() | st.text() | st.binary(), lambda inner: st.lists(inner) | st.dictionaries(
    st.integers(0, 12), inner), max_leaves=20))  # fmt: skip
def test_hostile_contents_are_refused_in_no_other_way_than_as_bundles(value: object) -> None:
    for content in (cbor.encode(value), cbor.encode({0: 1, 1: value}), cbor.encode({0: 1, 1: [], 2: value, 3: []})):
        for in_force in (prices_in_force, tariff_in_force):
            with contextlib.suppress(BundleError):
                in_force(content, "x", 1)
