"""The stations of a network, how far it is from one to another on the shortest way, and how many zones that touches."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.reasons import Sentence
from profiles.rules.admission import Code
from profiles.rules.fares import MAX_METRES, Trip

MAX_STATIONS = 600
MAX_NUMBER = 9_999
_Word = Annotated[str, Field(min_length=1, max_length=32)]


class StationName(BaseModel):
    """For the screen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zh: _Word
    en: _Word

    @property
    def sentence(self) -> Sentence:
        """For the screen."""
        return Sentence(self.zh, self.en)


class Station(BaseModel):
    """One station."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(
        ge=1, le=MAX_NUMBER, strict=True, description="what the staff types, and what an entry is kept under"
    )
    name: StationName
    zone: int = Field(default=1, ge=1, le=32, strict=True)


class Section(BaseModel):
    """Two stations, and the metres of track between them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    between: tuple[Code, Code]
    metres: int = Field(ge=1, le=MAX_METRES, strict=True)


class Network(BaseModel):
    """Where one can travel. Every station is reached from every other one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stations: Mapping[Code, Station] = Field(min_length=1, max_length=MAX_STATIONS)
    sections: tuple[Section, ...] = Field(default=(), max_length=4 * MAX_STATIONS)

    @model_validator(mode="after")
    def hangs_together(self) -> Network:
        """Known names, each number once, one piece."""
        for section in self.sections:
            for name in section.between:
                if name not in self.stations:
                    raise _said(f"sections：没有车站 {name}", f"sections: there is no station {name}")
        numbers = [station.number for station in self.stations.values()]
        if len(set(numbers)) < len(numbers):
            raise _said("每个车站的 number 须不同", "each station has a number of its own")
        apart = self.stations.keys() - self._metres_from(next(iter(self.stations))).keys()
        if apart:
            raise _said(f"sections 没有连到 {min(apart)}", f"no section leads to {min(apart)}")
        return self

    def trip(self, start: str, end: str, minutes: int = 0) -> Trip:
        """Of two stations of the network."""
        zones = abs(self.stations[start].zone - self.stations[end].zone) + 1
        return Trip(self.metres(start, end), zones, minutes)

    def metres(self, start: str, end: str) -> int:
        """On the shortest way."""
        known = self._known
        if start not in known and end in known:
            start, end = end, start  # the tracks go both ways
        if start not in known:
            known[start] = self._metres_from(start)
        return known[start][end]

    def numbered(self, number: int | None) -> str | None:
        """The station of a number."""
        return next((name for name, station in self.stations.items() if station.number == number), None)

    @cached_property
    def _known(self) -> dict[str, dict[str, int]]:
        """What was asked before: a station's own lanes ask for ways from it, or to it, alone."""
        return {}

    def _metres_from(self, start: str) -> dict[str, int]:
        """Dijkstra's shortest ways."""
        ways: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for section in self.sections:
            one, two = section.between
            ways[one].append((two, section.metres))
            ways[two].append((one, section.metres))
        found: dict[str, int] = {}
        ahead = [(0, start)]
        while ahead:
            metres, name = heapq.heappop(ahead)
            if name in found:
                continue
            found[name] = metres
            for other, farther in ways[name]:
                if other not in found:
                    heapq.heappush(ahead, (metres + farther, other))
        return found


def _said(zh: str, en: str) -> PydanticCustomError:
    return PydanticCustomError("said", "{en}", {"zh": zh, "en": en})
