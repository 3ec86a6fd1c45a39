"""The script of a scene's day: who lives there, what happens when, and what must come of it (docs/scenarios.md).

A day is read strictly: what cannot be understood names the file, the line, the key, and what would be right.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from agent.config_model import Name, PersonConfig
from agent.problems import Problem, problems_of
from agent.words import say
from agent.yaml_file import YamlError, parse_yaml
from drivers.api import CardFault
from drivers.keypad import fen
from profiles.direction import Direction
from profiles.purpose import Purpose
from profiles.rules.funds import AccountKind
from profiles.rules.term import CalendarDates
from tools.cli.codes import reasons
from tools.prices import PriceFile, TariffFile

MAX_STEPS = 500
NOTHING = "nothing"
_YEARS = range(2000, 2100)
ACTS = (
    "card", "code", "printed", "scan", "fault", "keypad", "input", "order", "counter", "network", "platform", "clock",
    "power",
)  # fmt: skip


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _said(zh: str, en: str) -> PydanticCustomError:
    return PydanticCustomError("said", "{en}", {"zh": zh, "en": en})


def _near(given: str, known: Iterable[str]) -> tuple[str, str]:
    near = difflib.get_close_matches(given, list(known), n=1)
    return (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")


def _fen_of(value: object) -> object:
    """Yuan as people write them, in fen; negative where money goes back."""
    text = str(value) if isinstance(value, str) else ""
    amount = fen(text.removeprefix("-").encode())
    if amount is None:
        raise _said('应为带引号的金额，如 "12.50"', 'should be an amount in quotes, like "12.50"')
    return -amount if text.startswith("-") else amount


def _moment_of(value: object) -> object:
    """``HH:MM``, ``HH:MM:SS`` or with a fraction."""
    try:
        moment = datetime.time.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is None:
            return moment
    except ValueError:
        pass
    raise _said('应为带引号的时间，如 "08:02" 或 "08:02:30"', 'should be a time in quotes, like "08:02" or "08:02:30"')


def _date_of(value: object) -> object:
    try:
        date = datetime.date.fromisoformat(value) if isinstance(value, str) else None
        if date is not None and date.year in _YEARS:
            return date
    except ValueError:
        pass
    raise _said('应为带引号的日期，如 "2026-11-23"', 'should be a date in quotes, like "2026-11-23"')


def _fault_of(value: object) -> object:
    faults = {fault.code: fault for fault in CardFault}
    if value not in faults:
        raise _said(f"应为 {'、'.join(faults)} 之一", f"should be one of {', '.join(faults)}")
    return faults[str(value)]


def _listed(value: object) -> object:
    """One code, a list of them, or ``nothing``."""
    if value == NOTHING:
        return ()
    return (value,) if isinstance(value, str) else value


def _known_reasons(codes: tuple[str, ...]) -> tuple[str, ...]:
    known = reasons()
    for code in codes:
        if code not in known:
            zh, en = _near(code, known)
            raise _said(f"没有名为 {code} 的原因{zh}", f"there is no reason {code}{en}")
    return codes


Fen = Annotated[int, BeforeValidator(_fen_of)]
Moment = Annotated[datetime.time, BeforeValidator(_moment_of)]
Date = Annotated[datetime.date, BeforeValidator(_date_of)]
Reasons = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_known_reasons)]
Fault = Annotated[CardFault, BeforeValidator(_fault_of)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Holder(_Model):
    """One invented person, with a card and a phone."""

    card: Literal["in-use", "lost", "unknown"] = Field(
        default="in-use", description="unknown: no register knows the card, its holder is provisional"
    )
    application: Name = Field(default="social-security", description="the card's application")
    authenticated: bool = Field(default=False, description="whether the card proves by a challenge that it is no copy")
    valid_until: Date | None = Field(default=None, description="the card's last valid day")
    revoked: bool = Field(default=False, description="whether the phone's credential is on the deny list")
    entitlements: frozenset[str] = frozenset()
    roster: PersonConfig | None = Field(default=None, description="what the site's roster says")
    pin: str | None = Field(
        default=None, pattern=r"^[0-9]{4,12}$", description="the service PIN, as the platform knows it"
    )
    subsidies: tuple[PaidOut, ...] | None = Field(
        default=None, max_length=64, description="what was paid out; null: there is no account for it"
    )
    account: Fen | None = Field(default=None, description="what was paid in, in yuan; null: there is no account")
    other_code: str | None = Field(
        default=None, min_length=1, max_length=512, description="of another system, and known to the platform"
    )
    accounts: dict[AccountKind, Fen] = Field(
        default_factory=dict, description="what was paid into accounts of other kinds, in yuan"
    )
    credit: Fen = Field(default=0, description="so much may be owed, in yuan, as the platform has granted")


class PaidOut(_Model):
    """A subsidy that somebody got."""

    name: str = Field(min_length=1, max_length=32)
    date: Date
    amount: Fen


class Expected(_Model):
    """What must come of a step. What is not written must not happen; only ``says`` may be left open."""

    expect: Reasons = Field(default=(), description="the reasons of the records, in order; nothing: there are none")
    opens: Names = Field(default=(), description="the outputs that get a pulse")
    paid: Fen = Field(default=0, description="what the citizens pay in this step, in yuan")
    says: str | None = Field(default=None, description="the last sentence on the screen, in Chinese or English")
    alarms: Reasons = Field(default=(), description="what the platform hears at once")


class Step(Expected):
    """One thing that happens at a local time, or, without an act, time that passes; and what must come of it."""

    at: Moment
    date: Date | None = Field(default=None, description="from here on another day")
    lane: Name | None = Field(default=None, description="where; may be left out where there is one lane")
    card: str | None = Field(default=None, description="who shows a card")
    code: str | None = Field(default=None, description="who shows a fresh code on the phone")
    printed: str | None = Field(default=None, description="who shows a code on paper")
    purpose: str | None = Field(default=None, description="what the code is shown for; default: what the lane is for")
    shown: Moment | None = Field(default=None, description="when the code came onto the phone's screen; default: now")
    scan: str | None = Field(default=None, max_length=4096, description="a text that the scanner reads, as a barcode")
    fault: Fault | None = Field(default=None, description="a card could not be read")
    keypad: str | None = Field(default=None, max_length=64, description="what is typed before Enter, such as 12.50")
    input: Names | None = Field(
        default=None, description="a sensor that changes; or several in turn, each with - before it where it goes back"
    )
    active: bool = Field(default=True, description="the sensor's new state")
    order: Direction | None = Field(default=None, description="the operator has the lane open once, in or out")
    reader: Name | None = Field(default=None, description="which reader of the lane, where it matters")
    counter: Literal["takes", "breaks"] | None = Field(
        default=None, description="the counter's own software asks for an identity; breaks: and dies before it has it"
    )
    network: Literal["up", "down"] | None = None
    platform: Literal["answers", "silent"] | None = Field(
        default=None, description="silent: it takes everything, and its replies are kept until it answers"
    )
    clock: Literal["synchronised", "untrusted"] | None = None
    power: Literal["cut"] | None = Field(default=None, description="the terminal dies and starts anew")
    offline: Expected | None = Field(default=None, description="where it differs when the whole day has no network")

    @model_validator(mode="after")
    def one_act(self) -> Step:
        """What comes of two acts could be told of neither."""
        given = [name for name in ACTS if getattr(self, name) is not None]
        if len(given) > 1:
            zh, en = "、".join(given), ", ".join(given)
            raise _said(f"一步只能有一个动作，这里有 {zh}；请分成几步", f"one act a step, here are {en}; write several")
        return self

    @property
    def who(self) -> str | None:
        """Whose card or code is shown."""
        return self.card or self.code or self.printed

    def expected(self, *, offline: bool) -> Expected:
        """What must come of it."""
        return self.offline if offline and self.offline is not None else self


class Title(_Model):
    """What the day is about."""

    zh: str
    en: str


class Day(_Model):
    """A whole day at one terminal."""

    title: Title
    preset: Name = Field(description="the configuration that is played, by its preset")
    settings: dict[str, Any] = Field(default_factory=dict, description="what differs from the preset, for every lane")
    date: Date
    tariffs: dict[Name, TariffFile] = Field(default_factory=dict, description="signed tariffs in force, by their names")
    price_lists: dict[Name, PriceFile] = Field(default_factory=dict, description="signed price lists in force")
    people: dict[Name, Holder] = Field(min_length=1, max_length=64)
    calendars: dict[Name, CalendarDates] = Field(default_factory=dict, max_length=8, description="of schools, by name")
    steps: tuple[Step, ...] = Field(min_length=1, max_length=MAX_STEPS)

    @model_validator(mode="after")
    def people_are_known(self) -> Day:
        """Whoever shows something must be described."""
        for number, step in enumerate(self.steps):
            if step.who is not None and step.who not in self.people:
                zh, en = _near(step.who, self.people)
                where = f"steps.{number}"
                raise _said(f"{where}：people 中没有 {step.who}{zh}", f"{where}: there is no {step.who} in people{en}")
            if step.purpose is not None and step.purpose not in {purpose.name.lower() for purpose in Purpose}:
                raise _said(
                    f"steps.{number}.purpose 应为 any、pass、pay、borrow 或 identify",
                    f"steps.{number}.purpose should be any, pass, pay, borrow or identify",
                )
        return self

    @model_validator(mode="after")
    def time_goes_on(self) -> Day:
        """No step before the one above it."""
        moments = self.moments()
        for number, (before, after) in enumerate(pairwise(moments), 1):
            if after <= before:
                raise _said(
                    f"steps.{number}：时间应晚于上一步（{before:%H:%M:%S}）",
                    f"steps.{number}: the time should be after that of the step above ({before:%H:%M:%S})",
                )
        return self

    def moments(self) -> list[datetime.datetime]:
        """When each step happens, in local time."""
        moments: list[datetime.datetime] = []
        date = self.date
        for step in self.steps:
            date = step.date or date
            moments.append(datetime.datetime.combine(date, step.at))
        return moments


class DayError(Exception):
    """A day that cannot be read, or not be played; every problem at once."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        colon = say("：", ": ")
        super().__init__("\n".join(f"{source}{colon}{problem}" for problem in self.problems))


def parse_day(text: str, source: str) -> Day:
    """Read a day. Raises :class:`DayError`, whose problems name line and key."""
    try:
        document = parse_yaml(text)
        return Day.model_validate(document)
    except YamlError as error:
        raise DayError(source, (Problem("", error.zh, error.en),)) from error
    except ValidationError as error:
        problems = problems_of(error, Day)
        raise DayError(source, tuple(_placed(problem, text) for problem in problems)) from error


def _placed(problem: Problem, text: str) -> Problem:
    """The same with its line, as far as the key path leads."""
    path = problem.path.split(".") if problem.path else []
    head = problem.en.partition(":")[0]
    if not path and head.startswith("steps."):
        path = head.split(".")
    line = _line_of(yaml.compose(text, Loader=yaml.SafeLoader), path)
    where = say(f"第 {line} 行", f"line {line}")
    return Problem(f"{where}, {problem.path}" if problem.path else where, problem.zh, problem.en)


def _line_of(node: yaml.Node | None, path: Sequence[str]) -> int:
    line = node.start_mark.line + 1 if node is not None else 1
    for part in path:
        below: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    line, below = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            below = node.value[int(part)]
            line = below.start_mark.line + 1
        if below is None:
            break
        node = below
    return line
