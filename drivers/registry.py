"""Drivers by name, from the entry points of group ``onecard.drivers``; imported only when asked for."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import cast

from drivers.api import Device

GROUP = "onecard.drivers"


class UnknownDriver(LookupError):
    """No driver of that name is installed."""


def names() -> tuple[str, ...]:
    """All installed drivers, sorted."""
    return tuple(sorted(entry_points(group=GROUP).names))


def driver(name: str) -> type[Device]:
    """The class behind a driver's name. Raises :class:`UnknownDriver`."""
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise UnknownDriver(name)
    return cast("type[Device]", next(iter(found)).load())
