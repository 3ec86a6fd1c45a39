"""What may leave in the file for support: names that the terminal or this machine gives, and no word that was typed.

A name is known by what it is, never by where it stands: whoever drops a file beside the terminal's own, or types a
password where a port belongs, is named nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from agent.keys import Role
from drivers.api import DriverSettings
from offline_store.bundles import installed
from offline_store.errors import StoreError
from tools.doctor.patient import Patient
from tools.own_files import is_own

HIDDEN = "…"
LISTED = ("", "keys", "bundles")
MOST_FILES = 300
"""A directory; the doctor's checks name no more of one."""
_ROLES = "|".join(Role)
_OWN = {
    # by directory; what lies beside these is :mod:`tools.own_files`'
    "keys": r"checkpoint\.pem|sealing(?:-former)?\.pem|tls(?:-key)?\.pem|ca\.pem|machine\.salt|medium-\d{1,10}\.key"
    rf"|enrolled\.cbor|enrol-code\.key|enrol-asked\.cbor|platform-(?:{_ROLES})\.pem",
    "bundles": r"incoming|refused",
}
_MACHINES = re.compile(r"/dev/(?:tty[A-Za-z]{0,6}\d{1,3}|video\d{1,3}|pts/\d{1,4})")
"""Names that the kernel gives."""
_LINKED = re.compile(r"/dev/(?:serial|v4l)/by-(?:id|path)/[A-Za-z0-9_.:+-]{1,120}")
"""Names that udev gives: nobody typed one that is there."""
_USER_INFO = re.compile(r"[^\s/@]+@(?=[^\s@])")
_LEAST_CHARS = 3
"""Shorter words stand in everything."""


class Discretion:
    """One terminal's: made when its pages are, of what lies there then."""

    def __init__(self, patient: Patient) -> None:
        self._state_dir = patient.state_dir
        self._own = {place: re.compile(pattern) for place, pattern in _OWN.items()}
        try:
            lists = "|".join(re.escape(f"{each.name}.{each.version}") for each in installed(patient.state_dir))
        except StoreError:
            lists = ""
        if lists:
            self._own["bundles"] = re.compile(f"{_OWN['bundles']}|{lists}")
        self._words = {str(self._state_dir): "STATE"}
        if patient.config_file is not None:
            self._words[str(patient.config_file)] = "CONFIGURATION"
        for word in (*_typed(patient), *self._foreign()):
            self._words.setdefault(word, HIDDEN)
        longest_first = sorted(filter(lambda word: len(word) >= _LEAST_CHARS, self._words), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def names(self, path: Path) -> bool:
        """Whether the terminal itself gives this name, at this place of its directory."""
        if path.parent == self._state_dir:
            return is_own(self._state_dir, path.name)
        place = str(path.parent.relative_to(self._state_dir))
        return place in self._own and self._own[place].fullmatch(path.name) is not None

    def about(self, about: str) -> str:
        """What a finding is about; a path only if it is one of the terminal's own."""
        path = Path(about)
        if not path.is_absolute() or path == self._state_dir:
            return about
        if path.is_relative_to(self._state_dir):
            return about if self.names(path) else HIDDEN
        return about if self._words.get(about) == "CONFIGURATION" else HIDDEN

    def tell(self, page: Any) -> Any:
        """A page without the words that were typed, in whatever sentence they are quoted."""
        if isinstance(page, str):
            return _USER_INFO.sub(f"{HIDDEN}@", self._pattern.sub(lambda found: self._words[found[0]], page))
        if isinstance(page, dict):
            return {key: self.tell(value) for key, value in page.items()}
        return [self.tell(each) for each in page] if isinstance(page, list | tuple) else page

    def _foreign(self) -> Iterator[str]:
        for place in LISTED:
            directory = self._state_dir / place
            try:
                paths = sorted(directory.iterdir())[:MOST_FILES]
            except OSError:
                continue
            yield from (path.name for path in paths if not self.names(path))


def setting(settings: DriverSettings, key: str) -> Any:
    """A value for the file: numbers, switches and what one of a few words can be; of groups how many there are."""
    value = settings.model_dump(mode="json")[key]
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if _closed(type(settings).model_fields[key].annotation) or _device(value) else HIDDEN
    return len(value)


def _closed(kind: Any) -> bool:
    """Whether nobody can type anything of their own there."""
    if get_origin(kind) in (Union, UnionType):
        return all(each is NoneType or _closed(each) for each in get_args(kind))
    return get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum))


def _device(value: str) -> bool:
    return bool(_MACHINES.fullmatch(value) or (_LINKED.fullmatch(value) and Path(value).exists()))


def _typed(patient: Patient) -> Iterator[str]:
    """Every text of somebody's own in the settings of devices, counters and the library's system, and its parts."""
    for settings in patient.resolved.devices.values():
        for key, field in type(settings).model_fields.items():
            if not _closed(field.annotation):
                yield from _texts(settings.model_dump(mode="json")[key])
    for lane in patient.config.lanes.values():
        if lane.counter is not None:
            yield from _texts(lane.counter.model_dump(mode="json"))
    if patient.config.library is not None:
        yield from _texts(patient.config.library.model_dump(mode="json", exclude={"encoding", "currency"}))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if not _device(value):
            yield value
            user, at, _ = value.rpartition("://")[2].rpartition("@")
            yield from user.split(":") if at else ()
    elif isinstance(value, dict):
        yield from _all(value.values())
    elif isinstance(value, list):
        yield from _all(value)


def _all(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        yield from _texts(value)
