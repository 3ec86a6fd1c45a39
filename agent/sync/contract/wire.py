"""Frozen pydantic models as deterministic CBOR maps with integer keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from agent import cbor
from agent.sync.contract.errors import ContractError

_MAX_DEPTH = 5


@dataclass(frozen=True)
class Key:
    """The integer that stands for a field on the wire; once published it never changes its meaning."""

    number: int


class Wire(BaseModel):
    """A map of the contract. On the wire only ``None`` is left out, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    @cache
    def keys(cls) -> Mapping[int, str]:
        """Field names by their integer keys."""
        return {
            item.number: name
            for name, field in cls.model_fields.items()
            for item in field.metadata
            if isinstance(item, Key)
        }

    def to_map(self) -> dict[int, object]:
        """The integer-keyed form; ``None`` is left out."""
        values = ((key, getattr(self, name)) for key, name in self.keys().items())
        return {key: _plain(value) for key, value in values if value is not None}

    @model_validator(mode="before")
    @classmethod
    def _from_map(cls, value: Any, info: ValidationInfo) -> Any:
        if info.context is not _FROM_WIRE or not isinstance(value, Mapping):
            return value
        names, named = cls.keys(), {}
        for key, item in value.items():
            if type(key) is not int or key not in names:
                raise ValueError("unknown key")
            named[names[key]] = item
        for name in cls._required():
            if name not in named:
                raise ValueError(f"{name}: is missing")
        for name in cls._optional():
            if name in named and named[name] is None:
                raise ValueError(f"{name}: an absent field is left out")
        return named

    @classmethod
    @cache
    def _required(cls) -> Sequence[str]:
        return tuple(name for name, field in cls.model_fields.items() if field.default is not None)

    @classmethod
    @cache
    def _optional(cls) -> Sequence[str]:
        return tuple(name for name, field in cls.model_fields.items() if field.default is None)


class Message(Wire):
    """A payload of its own. ``version`` is the contract's minor: the platform reads all, a terminal speaks one."""

    MAX_BYTES: ClassVar[int] = 16 * 1024
    version: Annotated[int, Field(ge=1, le=1), Key(0)] = 1

    def encode(self) -> bytes:
        """The payload, deterministic."""
        return cbor.encode(self.to_map())

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a payload strictly. Raises :class:`ContractError`."""
        return cls.from_value(decode_map(data, cls.MAX_BYTES))

    @classmethod
    def decode_again(cls, data: bytes) -> Self:
        """Read what :meth:`decode` took before (:func:`agent.cbor.decode_again`). Raises :class:`ContractError`."""
        return cls.from_value(_map_of(cbor.decode_again, data, cls.MAX_BYTES))

    @classmethod
    def from_value(cls, value: Mapping[Any, object]) -> Self:
        """Read a decoded map. Raises :class:`ContractError`."""
        try:
            return cls.model_validate(value, context=_FROM_WIRE)
        except ValidationError as error:
            first = error.errors(include_input=False, include_context=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or cls.__name__
            raise ContractError(f"{cls.__name__}: {where}: {first['msg']}") from None


def decode_map(data: bytes, max_bytes: int) -> Mapping[Any, object]:
    """One deterministic CBOR map. Raises :class:`ContractError`."""
    return _map_of(cbor.decode, data, max_bytes)


def _map_of(decode: Callable[..., object], data: bytes, max_bytes: int) -> Mapping[Any, object]:
    try:
        value = decode(data, max_bytes=max_bytes, max_depth=_MAX_DEPTH)
    except cbor.CborError as error:
        raise ContractError(str(error)) from error
    if not isinstance(value, Mapping):
        raise ContractError("a payload is a map")
    return value


def _plain(value: object) -> object:
    match value:
        case Wire():
            return value.to_map()
        case tuple():
            return [_plain(item) for item in value]
        case Enum():
            return value.value
    return value


_FROM_WIRE = object()
