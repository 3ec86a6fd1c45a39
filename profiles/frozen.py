"""The base of what profiles remember: a frozen model of which a new one, or a changed copy, costs little.

A decision makes several. pydantic's own copies each of a model's four parts by itself, and asks which of them there
are; of a frozen model without extra and private fields only two ever differ from one copy to the next. And it validates
each field of a new one: that is for what comes from the disk, and not for what a decision has just put together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict

_SLOTS = ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
_put_values, _put_names, _put_extra, _put_private = (vars(BaseModel)[slot].__set__ for slot in _SLOTS)
"""What a model is made of, each part set as pydantic's own copy does, past what forbids a frozen one's change."""


class Frozen(BaseModel):
    """Unknown keys are refused, and nothing is ever changed in place."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _defaults: ClassVar[dict[str, Any]]
    _names: ClassVar[set[str]]

    @classmethod
    def __pydantic_init_subclass__(cls, **_settings: Any) -> None:
        cls._defaults = {name: each.get_default(call_default_factory=True) for name, each in cls.model_fields.items()}
        cls._names = set(cls._defaults)

    @classmethod
    def made(cls, **values: Any) -> Self:
        """As a call of the class with all that it needs, at half its cost: values that are known to be right are not
        validated, and defaults are shared, as whatever is never changed in place.
        """
        model = cls.__new__(cls)
        _put_values(model, {**cls._defaults, **values})
        _put_names(model, cls._names)
        _put_extra(model, None)
        _put_private(model, None)
        return model

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As ``BaseModel.model_copy``, at half its cost: what is not changed is shared, and nothing is validated."""
        if deep or update is None:
            return super().model_copy(update=update, deep=deep)
        model = type(self)
        copied = model.__new__(model)
        _put_values(copied, {**self.__dict__, **update})
        _put_names(copied, self.__pydantic_fields_set__.union(update))
        _put_extra(copied, None)
        _put_private(copied, None)
        return copied

    def cleared(self, *names: str) -> Self:
        """With nothing (``None``) in these fields: most often it is so already, and then it is the very same."""
        held = self.__dict__
        for name in names:
            if held[name] is not None:
                return self.model_copy(update=dict.fromkeys(names))
        return self
