"""A profile's state is copied as pydantic would, in a fraction of its time."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field, ValidationError

from profiles.state import State


class Counted(State):
    """Of a scene that does not exist."""

    count: int = 0
    names: tuple[str, ...] = ()
    shown: str = Field(default="", exclude=True)


@pytest.mark.parametrize("update", [None, {}, {"count": 2}, {"count": 2, "names": ("a",), "shown": "b"}])
@pytest.mark.parametrize("before", [Counted(), Counted(count=1), Counted(names=("x",), shown="y")])
def test_a_copy_is_what_pydantics_would_be(before: Counted, update: dict[str, object] | None) -> None:
    ours, theirs = before.model_copy(update=update), BaseModel.model_copy(before, update=update)
    assert ours == theirs
    assert ours.model_fields_set == theirs.model_fields_set
    assert ours.model_dump() == theirs.model_dump()
    assert ours.model_dump(exclude_unset=True) == theirs.model_dump(exclude_unset=True)
    assert repr(ours) == repr(theirs)
    assert before == type(before).model_validate(before.model_dump() | {"shown": before.shown})


def test_a_copy_is_as_frozen_as_its_origin() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Counted().model_copy(update={"count": 1}).count = 2  # type: ignore[misc]
