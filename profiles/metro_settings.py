"""Settings of a metro's lane, and what it can tell of a fare from them or from the signed tariff."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Facts, Wiring
from profiles.direction import Direction
from profiles.printable import Printable
from profiles.published import Gives
from profiles.riding import RideSettings
from profiles.rules.admission import Code
from profiles.rules.fares import Fare
from profiles.rules.network import Network

DAY_MINUTES = 1_440


class Entries(StrEnum):
    """Who knows where people came in."""

    HERE = "here"
    """This terminal, whose gates are all there are."""
    PLATFORM = "platform"
    """The platform, of the gates of all terminals."""


class WithoutAnswer(StrEnum):
    """What an exit charges while the platform does not tell the entry."""

    LOWEST = "lowest"
    HIGHEST = "highest"
    STAFF = "staff"


class SignedFares(BaseModel):
    """Fares by a signed tariff bundle instead of the settings: a table of pairs, and steps if that gives metres."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tariff: Code = Field(description="the bundle's name without tariff-")
    pairs: Code = Field(description="the table from station to station: fen, or metres")
    steps: Code | None = Field(default=None, description="the fare by metres; null: the pairs give fen")

    def fen(self, start: str, end: str, facts: Facts) -> int | None:
        """Of a trip; ``None`` where the tariff in force does not tell."""
        tariff = facts.tariff(self.tariff)
        pairs = None if tariff is None else tariff.pairs(self.pairs, facts.least_ms)
        value = None if pairs is None else pairs.value(start, end)
        if tariff is None or pairs is None or value is None:
            return None
        if pairs.gives is Gives.FEN:
            return value
        steps = None if self.steps is None else tariff.steps(self.steps, facts.least_ms)
        return None if steps is None or steps.gives is not Gives.FEN else steps.value(value)


class MetroSettings(RideSettings):
    """Settings of one lane; the lanes of one terminal should agree but for direction, station and output."""

    line: Printable = Field(min_length=1, max_length=32, description="the network, as the platform names it")
    station: Code = Field(description="where this lane is")
    direction: Direction
    network: Network
    fare: Fare
    entries: Entries = Field(default=Entries.HERE, description="here: all gates are this terminal's; or platform")
    without_answer: WithoutAnswer = Field(
        default=WithoutAnswer.LOWEST, description="what an exit charges while the platform does not tell the entry"
    )
    signed_fares: SignedFares | None = Field(
        default=None, description="instead of fare, which then tells what is charged where an end is not known"
    )
    free_minutes: int = Field(
        default=0, ge=0, le=120, strict=True, description="who leaves where he came in within them pays nothing"
    )
    again_minutes: int = Field(
        default=2, ge=0, le=120, strict=True, description="who comes in again here within them goes on with the trip"
    )
    longest_minutes: int = Field(
        default=240, ge=10, le=DAY_MINUTES, strict=True, description="a longer trip costs the highest fare"
    )
    top_speed_kmh: int = Field(default=160, ge=10, le=1_000, strict=True, description="nobody comes faster")
    output: str = Field(default="gate", description="the output that opens")
    open_pulse_ms: int = Field(default=500, ge=50, le=10_000)

    @model_validator(mode="after")
    def fits_together(self) -> MetroSettings:
        """A station of the network; nobody is shut in by a ceiling whenever the network is gone."""
        if self.station not in self.network.stations:
            said = {"zh": f"network 中没有车站 {self.station}", "en": f"there is no station {self.station} in network"}
            raise PydanticCustomError("said", "{en}", said)
        if self.highest_fen() > self.offline.payment_fen:
            said = {
                "zh": "最高票价超过 offline.payment_fen：断网时收不了这样的车费，请提高后者",
                "en": "the highest fare is above offline.payment_fen: offline such a fare is never paid; raise that",
            }
            raise PydanticCustomError("said", "{en}", said)
        return self

    def wiring(self) -> Wiring:
        """The gate, and the lamps of concessions."""
        return Wiring(outputs={"output": self.output, **self.lamps})

    @property
    def asks(self) -> bool:
        """Whether the platform is asked where people came in."""
        return self.entries is Entries.PLATFORM

    @property
    def here(self) -> int:
        """This station's number."""
        return self.network.stations[self.station].number

    def fare_fen(self, start: str, end: str, minutes: int, facts: Facts) -> int | None:
        """The full fare of a trip; ``None`` where the signed tariff does not tell."""
        if self.signed_fares is not None:
            return self.signed_fares.fen(start, end, facts)
        return self.fare.fen(self.network.trip(start, end, minutes))

    def highest_fen(self) -> int:
        """The fare of the farthest trip that begins or ends here, by the settings."""
        return max(self._fares())

    def unknown_fen(self) -> int | None:
        """What a trip costs of which the platform does not tell; ``None``: the staff helps."""
        match self.without_answer:
            case WithoutAnswer.LOWEST:
                return min(self._fares())
            case WithoutAnswer.HIGHEST:
                return self.highest_fen()
            case WithoutAnswer.STAFF:
                return None

    def _fares(self) -> list[int]:
        others = [name for name in self.network.stations if name != self.station] or [self.station]
        return [self.fare.fen(self.network.trip(self.station, other, self.longest_minutes)) for other in others]
