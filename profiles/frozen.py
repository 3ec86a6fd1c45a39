"""The base of what profiles remember: a frozen model of which a changed copy costs little.

A decision makes several such copies. pydantic's own copies each of a model's four parts by itself, and asks which of
them there are; of a frozen model without extra and private fields only two ever differ from one copy to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

_set = object.__setattr__  # what pydantic's own copy does: a frozen model's is forbidden


class Frozen(BaseModel):
    """Unknown keys are refused, and nothing is ever changed in place."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As ``BaseModel.model_copy``, at half its cost: what is not changed is shared, and nothing is validated."""
        if deep or update is None:
            return super().model_copy(update=update, deep=deep)
        model = type(self)
        copied = model.__new__(model)
        _set(copied, "__dict__", {**self.__dict__, **update})
        _set(copied, "__pydantic_fields_set__", self.__pydantic_fields_set__.union(update))
        _set(copied, "__pydantic_extra__", None)
        _set(copied, "__pydantic_private__", None)
        return copied

    def cleared(self, *names: str) -> Self:
        """With nothing (``None``) in these fields: most often it is so already, and then it is the very same."""
        held = self.__dict__
        if all(held[name] is None for name in names):
            return self
        return self.model_copy(update=dict.fromkeys(names))
