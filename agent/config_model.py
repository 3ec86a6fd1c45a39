"""What may stand in a terminal's configuration, section by section, as frozen models that refuse unknown keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NaiveDatetime,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from agent.counter_settings import CounterConfig
from agent.exposition import MetricsConfig
from agent.pupils import MaskedName, PupilConfig
from agent.sip2.settings import LibraryConfig
from agent.sync.link import LinkSettings
from drivers.cards.selection import CardPlan
from profiles.person import Person

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TerminalConfig(_Model):
    """What this terminal is."""

    id: Name = Field(description="the terminal's name, also its MQTT client id and its certificate's common name")
    site: Name | None = Field(default=None, description="the place it serves; some issuers and bundles are for one")
    state_dir: Path = Field(description="where journal, keys and marks live; relative to the configuration file")
    utc_offset_minutes: int = Field(default=480, ge=-720, le=840, description="local time of schedules; 480 is China")
    trial_s: int = Field(default=300, ge=5, le=3600, description="so long the platform's configuration proves itself")


class DeviceConfig(BaseModel):
    """One device: its driver, and that driver's own settings beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    driver: str


class LaneConfig(_Model):
    """One direction or till."""

    profile: str
    readers: tuple[Name, ...] = Field(min_length=1, max_length=8, description="devices that yield readings")
    board: Name | None = Field(default=None, description="the device that opens, and whose inputs this lane hears")
    printer: Name | None = Field(default=None, description="the device that prints slips")
    screen: Name | None = Field(default=None, description="the device that shows what this lane says")
    voice: Name | None = Field(default=None, description="the device that says it aloud")
    counter: CounterConfig | None = Field(default=None, description="the counter's software, for identities")
    cards: CardPlan = CardPlan()
    settings: dict[str, Any] = Field(default_factory=dict, description="the profile's own settings")
    append_deadline_ms: int = Field(
        default=2_000, ge=50, le=10_000, description="a decision not durable by then refuses"
    )

    @property
    def devices(self) -> tuple[str, ...]:
        """Every device that it names."""
        return tuple(name for name in (*self.readers, self.board, self.printer, self.screen, self.voice) if name)

    def placed(self, place: Callable[[str], str]) -> LaneConfig:
        """The same, with the terminal's own directories put into its paths."""
        return self if self.counter is None else self.model_copy(update={"counter": self.counter.placed(place)})


_Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class PersonConfig(_Model):
    """What a roster would say of a holder; every text is a code of the site's own."""

    unit: _Code | None = Field(default=None, description="class, department, household")
    areas: frozenset[_Code] = Field(default=frozenset(), max_length=64)
    category: _Code | None = Field(default=None, description="such as student or retired")
    price_class: _Code | None = None
    subsidy: _Code | None = Field(default=None, description="which subsidy rule applies")
    shown_as: MaskedName | None = Field(default=None, description="the masked name that staff see, such as 张*三")
    pupil: PupilConfig | None = Field(default=None, description="of a school's pupil")

    def known(self) -> Person:
        """The same as profiles have it."""
        return Person(
            unit=self.unit or "",
            areas=self.areas,
            category=self.category or "",
            price_class=self.price_class or "",
            subsidy=self.subsidy or "",
            shown_as=self.shown_as or "",
            pupil=None if self.pupil is None else self.pupil.known(),
        )


class HolderConfig(_Model):
    """One row of the terminal's own register, for sites without a platform's card register."""

    medium: str = Field(pattern=r"^[0-9a-f]{32}$", description="medium id as `onecard card show` prints it")
    subject: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{32}$", description="the person; default: the medium itself"
    )
    entitlements: frozenset[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]] = frozenset()
    lost: bool = False
    valid_until: NaiveDatetime | None = Field(
        default=None, description='a visitor\'s card is refused from then on: "2026-11-26 18:00", local time'
    )
    person: PersonConfig | None = Field(default=None, description="for sites without a roster")


class JournalConfig(_Model):
    """How much of the journal stays on the disk."""

    retention_days: int = Field(
        default=90, ge=0, le=3_650, description="so long a record stays after it happened, acknowledged or not"
    )
    size_limit_mb: int = Field(
        default=4_096, ge=16, le=1_048_576, description="database and log together; leave the disk some room beyond it"
    )
    reserve_mb: int = Field(
        default=8, ge=0, le=1_024, description="kept for passages when the disk is full: new money stops there"
    )

    @model_validator(mode="after")
    def _reserve_is_a_part(self) -> JournalConfig:
        if 4 * self.reserve_mb > self.size_limit_mb:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "reserve_mb 至多为 size_limit_mb 的四分之一",
                    "en": "reserve_mb should be at most a quarter of size_limit_mb",
                },
            )
        return self


class LogConfig(_Model):
    """What is written to standard error."""

    format: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(_Model):
    """The whole configuration of one terminal."""

    terminal: TerminalConfig
    devices: dict[Name, DeviceConfig] = Field(min_length=1, max_length=64)
    lanes: dict[Name, LaneConfig] = Field(min_length=1, max_length=16)
    platform: LinkSettings | None = Field(default=None, description="null: the terminal keeps its journal and waits")
    library: LibraryConfig | None = Field(default=None, description="the library's own system (SIP2), for its lanes")
    holders: tuple[HolderConfig, ...] = Field(default=(), max_length=10_000)
    journal: JournalConfig = JournalConfig()
    logs: LogConfig = LogConfig()
    metrics: MetricsConfig | None = Field(default=None, description="figures for Prometheus; null: nobody can ask")

    @field_validator("holders")
    @classmethod
    def each_medium_once(cls, holders: tuple[HolderConfig, ...]) -> tuple[HolderConfig, ...]:
        """Two rows about one medium could not both hold."""
        media = [holder.medium for holder in holders]
        if len(set(media)) != len(media):
            raise PydanticCustomError(
                "said", "{en}", {"zh": "同一介质有两行；请只留一行", "en": "a medium stands in two rows; keep one"}
            )
        return holders
