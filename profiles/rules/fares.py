"""What a trip costs in full: one fare for all, or by distance, by zones, or by time.

Each kind of fare stands alone, and never falls as the trip grows. What a group, a transfer or a day's cap takes off a
fare is another matter (:mod:`profiles.rules.concession`, :mod:`profiles.rules.discounts`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.amounts import MAX_AMOUNT_FEN
from profiles.rules.parking import ParkingTariff

MAX_METRES = 1_000_000
_KINDS = ("flat_fen", "distance", "zones", "time")


class Trip(NamedTuple):
    """What a fare may ask about a trip."""

    metres: int = 0
    zones: int = 1
    """How many were touched."""
    minutes: int = 0


class DistanceStep(BaseModel):
    """The fare of a trip of up to so many metres."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    up_to_m: int = Field(ge=1, le=MAX_METRES, strict=True)
    fen: int = Field(ge=0, le=MAX_AMOUNT_FEN, strict=True)


class DistanceFare(BaseModel):
    """A fare by distance: steps, and beyond them so much for every further piece that was begun."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: tuple[DistanceStep, ...] = Field(min_length=1, max_length=64)
    every_m: int = Field(
        default=10_000, ge=1, le=MAX_METRES, strict=True, description="beyond the last step, pieces of so many metres"
    )
    every_fen: int = Field(default=0, ge=0, le=MAX_AMOUNT_FEN, strict=True, description="for each piece that was begun")
    most_fen: int = Field(
        default=MAX_AMOUNT_FEN, ge=1, le=MAX_AMOUNT_FEN, strict=True, description="no trip costs more"
    )

    @model_validator(mode="after")
    def rises(self) -> DistanceFare:
        """Farther is never cheaper."""
        if any(one.up_to_m >= two.up_to_m or one.fen > two.fen for one, two in pairwise(self.steps)):
            said = {
                "zh": "steps 须按 up_to_m 递增，票价不得下降",
                "en": "steps ascend by up_to_m, and their fares never fall",
            }
            raise PydanticCustomError("said", "{en}", said)
        return self

    def fen(self, metres: int) -> int:
        """Of a trip of so many metres."""
        last = self.steps[-1]
        within = next((step.fen for step in self.steps if metres <= step.up_to_m), None)
        if within is None:
            within = last.fen + -(-(metres - last.up_to_m) // self.every_m) * self.every_fen
        return min(within, self.most_fen)


class ZoneFare(BaseModel):
    """A fare by the number of zones that were touched; more of them than are listed cost what the last says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fens: tuple[int, ...] = Field(min_length=1, max_length=32, description="of one zone, of two, and so on")

    @model_validator(mode="after")
    def rises(self) -> ZoneFare:
        """More zones are never cheaper."""
        if self.fens[0] < 0 or self.fens[-1] > MAX_AMOUNT_FEN or any(one > two for one, two in pairwise(self.fens)):
            said = {"zh": "fens 不得为负，也不得下降", "en": "fens are not negative, and never fall"}
            raise PydanticCustomError("said", "{en}", said)
        return self

    def fen(self, zones: int) -> int:
        """Of a trip that touched so many."""
        return self.fens[min(max(zones, 1), len(self.fens)) - 1]


class Fare(BaseModel):
    """The full fare of a trip, by exactly one of four ways of telling it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flat_fen: int | None = Field(
        default=None, ge=1, le=MAX_AMOUNT_FEN, strict=True, description="the same for every trip"
    )
    distance: DistanceFare | None = None
    zones: ZoneFare | None = None
    time: ParkingTariff | None = Field(default=None, description="free minutes, steps of time, a bound for 24 hours")

    @model_validator(mode="after")
    def one_way(self) -> Fare:
        """Two would contradict each other."""
        if sum(getattr(self, kind) is not None for kind in _KINDS) != 1:
            known = ", ".join(_KINDS)
            said = {"zh": f"须写且只写一项：{known}", "en": f"should have exactly one of {known}"}
            raise PydanticCustomError("said", "{en}", said)
        return self

    def fen(self, trip: Trip) -> int:
        """Of a trip, before anything is taken off."""
        if self.distance is not None:
            return self.distance.fen(trip.metres)
        if self.zones is not None:
            return self.zones.fen(trip.zones)
        if self.time is not None:
            return self.time.fee_fen(trip.minutes * 60_000)
        return self.flat_fen or 0
