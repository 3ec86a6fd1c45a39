"""A changed copy of a state is what pydantic's own would be, and leaves the first as it was."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from profiles.counter_state import Shift, Sums
from profiles.hospital_settings import Use
from profiles.hospital_state import HospitalState, Order

ORDER = Order(id=b"o" * 16, use=Use.TREATMENT)
STATE = HospitalState(shift=Shift(number=1, business_date="20261123", sums=Sums(funds={"account": 5})), sold=3)


@pytest.mark.parametrize("update", [{"order": ORDER, "sold": 4}, {}, None])
def test_a_changed_copy_is_what_pydantic_makes(update: dict[str, object] | None) -> None:
    ours, theirs = STATE.model_copy(update=update), BaseModel.model_copy(STATE, update=update)
    assert ours == theirs
    assert ours.model_dump() == theirs.model_dump()
    assert ours.model_dump(exclude_unset=True) == theirs.model_dump(exclude_unset=True)
    assert ours.model_fields_set == theirs.model_fields_set
    assert HospitalState.model_validate(ours.model_dump()) == ours


def test_what_is_made_is_what_a_call_makes() -> None:
    values = {"id": b"o" * 16, "use": Use.TREATMENT}
    made = Order.made(**values)
    assert made == ORDER
    assert made.model_dump() == ORDER.model_dump()
    assert list(made.model_dump()) == list(ORDER.model_dump())
    assert made.model_copy(update={"id": b"n" * 16}) == ORDER.model_copy(update={"id": b"n" * 16})
    with pytest.raises(ValidationError, match="frozen"):
        setattr(made, "id", b"")  # noqa: B010 -- mypy knows it too


def test_the_first_stays_as_it_was_and_what_is_not_changed_is_shared() -> None:
    before = STATE.model_dump()
    changed = STATE.model_copy(update={"order": ORDER})
    assert STATE.model_dump() == before
    assert changed.shift is STATE.shift
    assert changed.order is ORDER


def test_a_deep_copy_shares_nothing() -> None:
    deep = STATE.model_copy(update={"sold": 4}, deep=True)
    assert deep.shift == STATE.shift
    assert deep.shift is not STATE.shift


def test_a_copy_is_frozen_too() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(STATE.model_copy(update={"sold": 4}), "sold", 5)  # noqa: B010 -- mypy knows it too


def test_a_copy_without_what_is_not_there_is_the_very_same() -> None:
    assert STATE.cleared("order", "query") is STATE
    ordered = STATE.model_copy(update={"order": ORDER})
    assert ordered.cleared("order", "query") == STATE
    assert ordered.order is ORDER
