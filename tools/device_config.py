"""Puts the addresses of devices that were found into a configuration's text; every other character stays as it is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from drivers.discovery import Found, Kind
from offline_store.whole_file import replace_whole

KEYS = {Kind.PCSC: "reader", Kind.SERIAL: "port", Kind.CAMERA: "source"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address stands in the text, and what stands there."""

    device: str
    driver: str
    address: str
    start: int
    end: int


def places(text: str) -> list[Place]:
    """The address of each device that names one. The text was checked as a configuration before."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    found = []
    for name, device in _mapping(_mapping(root).get("devices")).items():
        values = _mapping(device)
        driver = values.get("driver")
        for key in KEYS.values():
            value = values.get(key)
            if isinstance(value, yaml.ScalarNode) and isinstance(driver, yaml.ScalarNode):
                span = value.start_mark.index, value.end_mark.index
                found.append(Place(name, driver.value, value.value, *span))
    return found


def propose(there: Iterable[Place], found: Iterable[Found], named: Mapping[str, str]) -> dict[str, str]:
    """A new address by device: what a person ``named``, else the one device left over whose driver fits.

    An address that is plugged in stays. Where two would fit, nobody is chosen.
    """
    there, found = list(there), list(found)
    chosen = dict(named)
    present = {place.device: each.address for place in there for each in found if _is_it(place, each)}
    taken = {*named.values(), *present.values()}
    absent = [place for place in there if place.device not in chosen and place.device not in present]
    for place in absent:
        fitting = [each.address for each in found if place.driver in each.drivers and each.address not in taken]
        alike = [other for other in absent if other.driver == place.driver]
        if len(fitting) == 1 and len(alike) == 1:
            chosen[place.device] = fitting[0]
            taken.add(fitting[0])
    return {
        place.device: chosen[place.device]
        for place in there
        if chosen.get(place.device, place.address) != place.address
    }


def _is_it(place: Place, found: Found) -> bool:
    """Whether this is what the configuration names already; readers by a pattern, as their driver reads it."""
    if found.kind is Kind.PCSC:
        return place.driver in found.drivers and fnmatchcase(found.label, place.address.replace("[", "[[]"))
    return os.path.realpath(place.address) == os.path.realpath(found.address)


def changed(text: str, there: Iterable[Place], new: Mapping[str, str]) -> str:
    """The text with the new addresses, each as a quoted scalar."""
    for place in sorted(there, key=lambda each: -each.start):
        if place.device in new:
            text = text[: place.start] + json.dumps(new[place.device], ensure_ascii=False) + text[place.end :]
    return text


def read(path: Path) -> str:
    """The text with its line ends as they are. Raises ``OSError`` and ``UnicodeDecodeError``."""
    return path.read_bytes().decode("utf-8")


def store(path: Path, text: str) -> None:
    """Write it where a link points to, with the owner and mode of the old file. Raises ``OSError``."""
    path = path.resolve(strict=True)
    status = path.stat()
    replace_whole(path, text.encode(), status.st_mode & 0o7777, (status.st_uid, status.st_gid))


def _mapping(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
