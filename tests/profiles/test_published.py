"""What is published about money, as profiles count with it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profiles.published import Gives, Item, Pairs, Per, Promotion, Steps, Tariff, Window, cells_of
from profiles.reasons import Sentence

NAME = Sentence("优惠", "Off")
ALWAYS = Window(0, 100)


def test_a_weight_costs_to_the_nearest_fen() -> None:
    by_weight = Item("20", NAME, 3_333, Per.KILOGRAM)
    assert [by_weight.cost_fen(grams) for grams in (0, 1, 150, 151, 1_000, 1_500)] == [0, 3, 500, 503, 3_333, 5_000]


def test_the_promotion_that_takes_most_off_is_chosen_among_those_that_fit_now() -> None:
    tenth = Promotion("a-tenth", ALWAYS, NAME, percent=10)
    for_elders = Promotion("elders", ALWAYS, NAME, whose="elder", percent=30, most_fen=500)
    from_a_hundred = Promotion("from-100", ALWAYS, NAME, least_fen=10_000, off_fen=2_000)
    over = Promotion("over", Window(0, 50), NAME, percent=90)
    tariff = Tariff("city", 1, (tenth, for_elders, from_a_hundred, over))

    def chosen(amount_fen: int, *classes: str) -> str | None:
        found = tariff.promotion(amount_fen, frozenset(classes), 50)
        return None if found is None else found.id

    assert [chosen(1_000), chosen(1_000, "elder"), chosen(9_999, "elder"), chosen(10_000, "elder"), chosen(9)] == [
        "a-tenth",
        "elders",
        "a-tenth",
        "from-100",
        None,
    ]


@given(st.integers(1, 10_000_000), st.integers(1, 99), st.integers(1, 10_000_000))
def test_something_is_always_left_to_pay(amount_fen: int, percent: int, off_fen: int) -> None:
    for promotion in (
        Promotion("a", ALWAYS, NAME, percent=percent),
        Promotion("b", ALWAYS, NAME, least_fen=off_fen + 1, off_fen=off_fen),
    ):
        assert 0 <= promotion.discount_fen(amount_fen) < amount_fen


@given(st.dictionaries(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), st.integers(0, 2**32 - 2)))
def test_a_table_of_pairs_says_what_was_put_in_and_nothing_else(values: dict[tuple[str, str], int]) -> None:
    places = ("a", "b", "c")
    pairs = Pairs("zones", ALWAYS, Gives.FEN, places, cells_of(places, values))
    assert {way: pairs.value(*way) for way in values} == values
    assert all(pairs.value(start, end) == values.get((start, end)) for start in "abcd" for end in "abcd")


@given(st.lists(st.integers(0, 99), min_size=1, unique=True), st.integers(-5, 120))
def test_steps_reach_as_far_as_their_last(bounds: list[int], quantity: int) -> None:
    rows = tuple((bound, 10 * bound) for bound in sorted(bounds))
    expected = min((10 * bound for bound in bounds if 0 <= quantity <= bound), default=None)
    assert Steps("metro", ALWAYS, Gives.FEN, rows).value(quantity) == expected
