"""The turnstile's settings, state and reasons; what happens stands in :mod:`profiles.turnstile`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Credential, Facts, State, Wiring
from profiles.direction import Direction
from profiles.doors import DoorSettings
from profiles.passage import Crossing
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.admission import Entitlement
from profiles.rules.area import Taken
from profiles.rules.assisted import Helping
from profiles.rules.repeats import Repeats
from profiles.rules.walk import Walk

MAX_GROUP = 50
_S = Sentence


class TurnstileReason(ReasonEnum):
    """What only a turnstile knows."""

    REVERSED = (
        "reversed",
        _S("您没有通过，请重新刷卡", "You did not pass; please present it again"),
        _S("进入通道后退回", "stepped into the passage and back again"),
        True,
    )
    TAILGATE = (
        "tailgate",
        _S("请一人一刷，逐一通过", "One at a time: please let each present a card"),
        _S("有人尾随他人通过", "somebody passed behind another without a grant"),
        True,
    )
    PASSAGE_BLOCKED = (
        "passage-blocked",
        _S("请离开通道", "Please leave the passage"),
        _S("通道被占住，或光电传感器被遮挡", "somebody stays in the passage, or a beam is covered"),
        True,
    )
    WENT_OUT = (
        "went-out",
        _S("请慢走", "Goodbye"),
        _S("自由出口，有人离开", "somebody left through the free exit"),
    )
    AREA_RESET = (
        "area-reset",
        _S("请通行", "Please pass"),
        _S("操作员将区域人数和防折返记录清零", "an operator emptied the area: nobody inside, no passage remembered"),
    )


class Leaving(StrEnum):
    """What it takes to leave. The schedule, the age and the area's capacity never hold anybody back inside."""

    CREDENTIAL = "credential"
    ENTITLEMENT = "entitlement"
    NOTHING = "nothing"


class TurnstileSettings(DoorSettings):
    """Settings of one turnstile, both ways."""

    exit_readers: tuple[str, ...] = Field(
        default=(), max_length=8, description="readers on the inner side; all others of the lane let people in"
    )
    leaving_needs: Leaving = Field(
        default=Leaving.CREDENTIAL,
        description="credential: any that verifies; entitlement: the same as coming in; nothing",
    )
    groups: Mapping[Entitlement, Annotated[int, Field(ge=2, le=MAX_GROUP)]] = Field(
        default_factory=dict, max_length=32, description="entitlement → people whom one card of this kind lets pass"
    )
    entry_output: str = Field(default="entry", description="the board's output that lets somebody in")
    exit_output: str = Field(default="exit", description="the same on the way out, where there are exit_readers")
    outer_input: str = Field(default="outer", description="the light beam on the outer side")
    inner_input: str = Field(default="inner", description="the light beam on the inner side, 30 cm behind it at most")
    step_back_ms: int = Field(
        default=2_000, ge=200, le=30_000, description="after stepping back, so long one may still go through"
    )
    tailgate_ms: int = Field(
        default=3_000, ge=0, le=30_000, description="who passes without a grant so soon after another followed him"
    )
    pardon_input: str | None = Field(
        default=None, description="a guard's button: anti-passback does not hold back who presents next"
    )
    reset_input: str | None = Field(default=None, description="a key switch that empties the area; null if none")

    def wiring(self) -> Wiring:
        """Two outputs, two beams, the fire line, the key."""
        exit_output = {"exit_output": self.exit_output} if self.exit_readers else {}
        guard = {"pardon_input": self.pardon_input, "reset_input": self.reset_input}
        return Wiring(
            outputs={"entry_output": self.entry_output, **exit_output},
            inputs={"outer_input": self.outer_input, "inner_input": self.inner_input}
            | {key: line for key, line in guard.items() if line is not None},
            fire_inputs={} if self.fire_input is None else {"fire_input": self.fire_input},
            readers={"exit_readers": self.exit_readers},
        )

    @model_validator(mode="after")
    def goes_together(self) -> Self:
        """What the settings say of the way out, and of the area, must go together."""
        if self.leaving_needs is Leaving.NOTHING and self.exit_readers:
            raise _said(
                "自由出口（leaving_needs: nothing）不能有 exit_readers",
                "with leaving_needs: nothing there can be no exit_readers",
            )
        if self.area is None and (self.reset_input is not None or self.pardon_input is not None):
            raise _said("reset_input 和 pardon_input 需要 area", "reset_input and pardon_input need an area")
        return self

    def direction_of(self, reader: str) -> Direction:
        """Which way a reader lets people."""
        return Direction.OUT if reader in self.exit_readers else Direction.IN

    @property
    def ways(self) -> tuple[Direction, ...]:
        """The ways that an output opens."""
        return (Direction.IN, Direction.OUT) if self.exit_readers else (Direction.IN,)

    def output(self, direction: Direction) -> str:
        """What opens that way."""
        return self.exit_output if direction is Direction.OUT else self.entry_output

    def people(self, credential: Credential) -> int:
        """How many one showing lets pass."""
        return max((self.groups[each] for each in credential.entitlements if each in self.groups), default=1)


class Way(Crossing):
    """A grant at a turnstile."""

    direction: Direction
    people: int = 1
    passed: int = 0
    turned_back: bool = Field(default=False, exclude=True)
    waited: bool = Field(default=False, exclude=True, description="its time is over, and somebody is in the passage")

    @classmethod
    def of(
        cls, record_id: bytes, credential: Credential, direction: Direction, people: int, taken: Taken, now_ms: int
    ) -> Way:
        """A grant that begins."""
        return cls(
            record_id=record_id,
            medium=credential.medium,
            subject_namespace=credential.subject.namespace,
            subject_id=credential.subject.id,
            granted_ms=now_ms,
            presentation=credential.presentation,
            taken=taken,
            direction=direction,
            people=people,
        )

    @classmethod
    def by_command(cls, about: bytes, direction: Direction, now_ms: int) -> Way:
        """A way by the order whose record this is."""
        return cls(**dict(Crossing.by_order(about, now_ms)), direction=direction)


class TurnstileState(State):
    """State of one turnstile, saved with every record; who is in the passage is seen anew after a restart."""

    way: Way | None = Field(default=None, description="the grant whose outcome is open")
    unused: Way | None = Field(default=None, description="the last grant that nobody used: its code opens again")
    cut_off: Way | None = Field(default=None, description="the grant that a restart cut off: its holder may still pass")
    cut_off_until_ms: int = 0
    followed: Way | None = Field(default=None, description="who passed last, with a grant")
    followed_ms: int = Field(default=0, description="when, or when somebody last followed him")
    helping: Helping | None = Field(default=None, exclude=True, description="an operator said why he lets somebody in")
    fire: bool = False
    fire_in: int = Field(default=0, description="people who came in since the fire began")
    fire_out: int = Field(default=0, description="people who went out since then")
    uncounted: int = Field(default=0, description="people of repeated alarms, which the end of the window counts")
    reset_ms: int = 0
    pardon_until_ms: int = Field(default=0, description="up to then anti-passback does not hold back who presents next")
    repeats: Repeats = Repeats()
    walk: Walk | None = Field(default=None, exclude=True)

    def opened(self, way: Way) -> TurnstileState:
        """From now on the way is this one's."""
        begun = {"way": way, "unused": None, "cut_off": None, "pardon_until_ms": 0, "helping": None}
        return self.model_copy(update=begun)

    def may_still_pass(self, settings: TurnstileSettings, facts: Facts) -> bool:
        """Whether whom a restart cut off may still be on the way."""
        return 0 < self.cut_off_until_ms - facts.now_ms <= settings.passage_timeout_ms


def scope(direction: Direction) -> str:
    """Of the marks of one way."""
    return f"turnstile.{direction}"


def adds(direction: Direction) -> int:
    """What somebody who goes that way adds to the people inside."""
    return 1 if direction is Direction.IN else -1


def _said(zh: str, en: str) -> PydanticCustomError:
    return PydanticCustomError("said", "{en}", {"zh": zh, "en": en})
