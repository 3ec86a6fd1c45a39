"""Play a day, and hold what came of each step against what the day promises.

Each day can be played twice: with the network as its steps say, and without any from morning to evening. Where a step
says nothing else under ``offline``, the same must come of it. In the evening the network is there in any case, and then
always holds: the chain is whole, the platform has all of it, the library has been told of every loan, every payment has
ended, and each account has what was paid in less what the journal says was paid.
"""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.config import Resolved, parse
from agent.problems import Problem
from agent.sip2.reasons import NEEDS_A_PERSON, UploadReason
from agent.words import say
from drivers.api import CardFault, CodeReading, InputReading, Reading
from drivers.keypad import KeypadSettings, SerialKeypad
from offline_store.record import Record
from profiles.amounts import yuan
from profiles.api import ClockState, Profile, Tone
from profiles.purpose import Purpose
from profiles.reasons import Sentence
from profiles.rules.funds import ACCOUNT, AccountKind
from profiles.staff import whole
from tools.cli.presets import preset_names, preset_text
from tools.days.books import Books
from tools.days.day import Day, DayError, Expected, Step
from tools.days.shelf import Shelf
from tools.days.simulated import SimulatedClock, run_simulated
from tools.days.terminal import Place, Terminal, Wrap
from tools.days.town import Bank, Town
from tools.platform.accounts import account_of
from tools.platform.intents import OPEN, State
from tools.platform.registration_of import registration_of

BEFORE_S = 10
"""So long before its first step a day begins."""
EVENING_S = 120
"""So long after the last one it goes on: timers end, and what is late comes."""
READER = "day"
SETTLED = frozenset(reason.code for reason in set(UploadReason) - NEEDS_A_PERSON)


@dataclass(frozen=True)
class Came:
    """What came of one step."""

    reasons: tuple[str, ...]
    opens: tuple[str, ...]
    paid_fen: int
    shown: tuple[Sentence, ...]
    """What stood on the screen, in its order, until the next step."""
    alarms: tuple[str, ...]
    refused: tuple[Sentence, ...] = ()
    """What the screen said in red."""

    @property
    def says(self) -> Sentence | None:
        """The last of it, which is what a day may promise."""
        return self.shown[-1] if self.shown else None

    def differences(self, expected: Expected) -> tuple[str, ...]:
        """What is not as the day promises."""
        pairs: list[tuple[str, str, object, object]] = [
            ("记录", "records", self.reasons, expected.expect),
            ("开启", "opens", self.opens, expected.opens),
            ("付款", "paid", _yuan(self.paid_fen), _yuan(expected.paid)),
            ("报警", "alarms", self.alarms, expected.alarms),
        ]
        found = [
            say(f"{zh}：{_plain(came)}，应为 {_plain(right)}", f"{en}: {_plain(came)}, should be {_plain(right)}")
            for zh, en, came, right in pairs
            if came != right
        ]
        if expected.says is not None and (self.says is None or expected.says not in (self.says.zh, self.says.en)):
            shown = "-" if self.says is None else f"{self.says.zh} / {self.says.en}"
            found.append(say(f"屏幕：{shown}，应为 {expected.says}", f"screen: {shown}, should be {expected.says}"))
        return tuple(found)


@dataclass(frozen=True)
class Played:
    """One step, what came of it, and how that differs from what was promised."""

    moment: datetime
    step: Step
    came: Came
    differences: tuple[str, ...]


@dataclass
class Result:
    """A whole day that was played."""

    steps: list[Played] = field(default_factory=list)
    evening: list[str] = field(default_factory=list)
    """What did not hold in the end."""
    records: list[Record] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether all of it was as promised."""
        return not self.evening and not any(played.differences for played in self.steps)


def configuration(day: Day, source: str, directory: Path) -> Resolved:
    """The preset with the day's settings. Raises :class:`DayError` and :class:`~agent.config.ConfigError`."""
    if day.preset not in preset_names():
        known = ", ".join(preset_names())
        problem = Problem(
            "preset", f"没有预设 {day.preset}（可用：{known}）", f"there is no such preset (known: {known})"
        )
        raise DayError(source, (problem,))
    document: Any = yaml.safe_load(preset_text(day.preset))
    for lane in document["lanes"].values():
        lane["settings"] = {**lane.get("settings", {}), **copy.deepcopy(day.settings)}
    resolved = parse(yaml.safe_dump(document, allow_unicode=True), source, directory)
    problems = [
        Problem(f"steps.{number}.lane", *_which(resolved))
        for number, step in enumerate(day.steps)
        if (len(resolved.config.lanes) > 1 and _needs_lane(step) and step.lane is None)
        or (step.lane is not None and step.lane not in resolved.config.lanes)
    ]
    if problems:
        raise DayError(source, tuple(problems))
    return resolved


def _needs_lane(step: Step) -> bool:
    acts = (step.who, step.scan, step.fault, step.keypad, step.input, step.order, step.counter)
    return any(act is not None for act in acts)


def _which(resolved: Resolved) -> tuple[str, str]:
    lanes = ", ".join(resolved.config.lanes)
    return f"应为通道之一：{lanes}", f"should be one of the lanes: {lanes}"


def _unchanged(profile: Profile[Any]) -> Profile[Any]:
    return profile


def play(day: Day, directory: Path, *, source: str = "", offline: bool = False, wrap: Wrap = _unchanged) -> Result:
    """Play it in simulated time, in an empty or new directory. Raises :class:`DayError` and ``ConfigError``."""
    directory.mkdir(parents=True, exist_ok=True)
    resolved = configuration(day, source, directory)
    result = Result()

    async def main() -> None:
        stage = _Stage(day, resolved, directory, wrap, offline=offline)
        try:
            await stage.play(result)
        finally:
            stage.bank.close()

    run_simulated(main())
    return result


class _Stage:
    """The town, the terminal and the clock while a day is played."""

    def __init__(self, day: Day, resolved: Resolved, directory: Path, wrap: Wrap, *, offline: bool) -> None:
        self._day = day
        self._offline = offline
        self._wrap = wrap
        self._zone = timezone(timedelta(minutes=resolved.config.terminal.utc_offset_minutes))
        start = day.moments()[0].replace(tzinfo=self._zone) - timedelta(seconds=BEFORE_S)
        self._start_s = start.timestamp()
        self.clock = SimulatedClock(round(self._start_s * 1000))
        self.town = Town(day.people, self.clock_start_ms, day.calendars, day.price_lists, day.tariffs)
        signer = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
        key = cose.VerifyKey.of(signer.key.public_key())
        self.bank = Bank(directory, self.town, self.clock, key)
        self.bank.register(resolved.config.terminal.id, registration_of(resolved))
        self._place = Place(
            directory / "journal", resolved, self.town, self.bank, self.clock, signer, Shelf(self.clock, self._zone)
        )
        self._network = not offline
        self._terminal = Terminal(self._place, wrap)
        self._seq = 0
        self._books = Books()

    @property
    def clock_start_ms(self) -> int:
        """When the day begins."""
        return round(self._start_s * 1000)

    async def play(self, result: Result) -> None:
        """Step by step, then the evening."""
        for name, person in self._day.people.items():
            subject = self.town.subject(name)
            if person.account is not None:
                self.bank.pay_in(subject, person.account)
            for kind, fen in person.accounts.items():
                self.bank.pay_in(subject, fen, kind)
            if person.credit:
                self.bank.lend(subject, person.credit)
            if person.other_code is not None:
                self.bank.know(person.other_code, subject)
            if person.subsidies is not None:
                self.bank.subsidise(subject, name, person)
        if self._network:
            self._terminal.wire.connect()
        moments = [moment.replace(tzinfo=self._zone) for moment in self._day.moments()]
        for number, (moment, step) in enumerate(zip(moments, self._day.steps, strict=True)):
            await self._until(moment)
            if number == 0:
                self._take_notes(result)  # of the morning
            await self._act(step, moment)
            await self._until(
                moments[number + 1] if number + 1 < len(moments) else moment + timedelta(seconds=EVENING_S)
            )
            came = self._take_notes(result)
            expected = step.expected(offline=self._offline)
            result.steps.append(Played(moment, step, came, came.differences(expected)))
        self._terminal.wire.silence(silent=False)
        self._terminal.wire.disconnect()  # a checkpoint that nothing followed leaves with the next hello
        self._terminal.wire.connect()
        await asyncio.sleep(EVENING_S)
        self._take_notes(result)
        result.evening += self._reckon(result.records)
        await self._terminal.end(power_cut=False)

    async def _until(self, moment: datetime) -> None:
        """Up to just before a moment: what is due then is the next step's."""
        left_s = moment.timestamp() - self._start_s - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, left_s))

    async def _act(self, step: Step, moment: datetime) -> None:
        """Do what a step says."""
        if step.network is not None and not self._offline:
            self._network = step.network == "up"
            (self._terminal.wire.connect if self._network else self._terminal.wire.disconnect)()
        if step.platform is not None:
            self._terminal.wire.silence(silent=step.platform == "silent")
        if step.clock is not None:
            self.clock.quality = ClockState(step.clock)
        if step.power is not None:
            await self._terminal.end(power_cut=True)
            self._terminal = Terminal(self._place, self._wrap)
            if self._network:
                self._terminal.wire.connect()
        if step.counter is not None:
            self._terminal.counter_takes(self._lane_of(step), breaks=step.counter == "breaks")
        if step.order is not None:
            self._terminal.order(self._lane_of(step), step.order)
        reading = self._reading(step, moment)
        if reading is not None and not isinstance(reading, CardFault) and step.reader is not None:
            reading = reading.model_copy(update={"reader": step.reader})
        for each in self._sensors(step) if reading is None else (reading,):
            self._terminal.lanes[self._lane_of(step)].offer(each)

    def _sensors(self, step: Step) -> Iterator[InputReading]:
        for name in step.input or ():
            active = step.active and not name.startswith("-")
            yield InputReading(reader=READER, at_ns=0, input=name.removeprefix("-"), active=active)

    def _reading(self, step: Step, moment: datetime) -> Reading | CardFault | None:
        """What a device would hand over."""
        if step.card is not None:
            return self.town.card(step.card)
        if step.code is not None:
            shown = moment if step.shown is None else datetime.combine(moment.date(), step.shown, moment.tzinfo)
            return self._text(self.town.code(step.code, shown, self._purpose(step)))
        if step.printed is not None:
            return self._text(self.town.printed(step.printed))
        if step.scan is not None:
            return CodeReading(reader=READER, at_ns=0, text=step.scan, symbology="serial")
        if step.keypad is not None:
            return self._keypad(self._lane_of(step)).parse(step.keypad.encode(), 0)
        return step.fault

    def _keypad(self, lane: str) -> SerialKeypad:
        """The lane's own keypad, which may be one for PINs."""
        readers = self._place.resolved.config.lanes[lane].readers
        known = [self._place.resolved.devices[name] for name in readers]
        settings = next((each for each in known if isinstance(each, KeypadSettings)), KeypadSettings(port=""))
        return SerialKeypad(READER, settings)

    def _text(self, text: str) -> CodeReading:
        return CodeReading(reader=READER, at_ns=0, text=text)

    def _purpose(self, step: Step) -> Purpose:
        """What the step says, or else the one use that the lane is for."""
        if step.purpose is not None:
            return Purpose[step.purpose.upper()]
        uses = self._terminal.profiles[self._lane_of(step)].codes.purposes
        return min(use for use in uses if use is not Purpose.ANY)

    def _lane_of(self, step: Step) -> str:
        return step.lane or next(iter(self._terminal.lanes))

    def _take_notes(self, result: Result) -> Came:
        """What came since the last time."""
        records = self._terminal.records(self._seq)
        self._seq += len(records)
        result.records += records
        own = [record.entry for record in records if record.entry.lane is not None]
        noted = self._place.noted.take()
        return Came(
            reasons=tuple(entry.reason for entry in own if entry.reason is not None),
            opens=tuple(noted.pulses),
            paid_fen=sum(
                fen
                for record in records
                for kind, fen in self._books.moved(record).items()
                if kind != AccountKind.CREDIT
            ),
            shown=tuple(sentence for sentence, _ in groupby(map(whole, noted.shown))),
            alarms=tuple(noted.alarms),
            refused=tuple(shown.sentence for shown in noted.shown if shown.tone is Tone.NO),
        )

    def _reckon(self, records: Iterable[Record]) -> list[str]:
        """What does not hold in the evening."""
        wrong: list[str] = []
        if not self._terminal.verify():
            wrong.append(say("日志链断裂", "the journal's chain is broken"))
        if not self._terminal.acknowledged():
            wrong.append(say("平台没有收到全部记录", "the platform does not have every record"))
        if self.bank.alarms():
            alarms = ", ".join(sorted(self.bank.alarms()))
            wrong.append(say(f"平台报警：{alarms}", f"the platform raised: {alarms}"))
        if any(loan.result not in SETTLED for loan in self._terminal.loans()):
            wrong.append(
                say("有借还没有补登，或需人工核对", "the library was not told of a loan, or a person must settle it")
            )
        states = Counter(intent.state for intent in self.bank.intents())
        if any(states[state] for state in (*OPEN, State.CONTESTED)):
            wrong.append(say("有付款没有结束", "a payment has not ended"))
        paid: Counter[tuple[str, bytes]] = Counter()
        books = Books()
        for record in records:
            for kind, moved in books.moved(record).items():
                if moved and record.entry.subject is not None:
                    paid[account_of(record.entry.subject, kind)] += moved
        balances = self.bank.balances()
        for name, person in self._day.people.items():
            subject = self.town.subject(name)
            paid_in = {ACCOUNT: person.account or 0} | {kind.value: fen for kind, fen in person.accounts.items()}
            for kind, paid_in_fen in paid_in.items():
                owner = account_of((subject.namespace, subject.id), kind)
                right_fen = paid_in_fen - paid.pop(owner, 0)
                if balances.get(owner, 0) != right_fen:
                    has, should = _yuan(balances.get(owner, 0)), _yuan(right_fen)
                    wrong.append(
                        say(f"{name} 的账户为 {has}，应为 {should}", f"{name}'s account has {has}, should be {should}")
                    )
        wrong += self._strangers(paid, balances)
        return wrong

    def _strangers(self, paid: Counter[tuple[str, bytes]], balances: dict[tuple[str, bytes], int]) -> list[str]:
        """Who has no account is booked on one that begins with the debt."""
        return [
            say(f"陌生人付款 {_yuan(fen)} 没有入账", f"{_yuan(fen)} that a stranger paid is not in the ledger")
            for owner, fen in paid.items()
            if balances.get(owner, 0) != -fen
        ]


def _yuan(amount_fen: int) -> str:
    return f"{'-' if amount_fen < 0 else ''}{yuan(abs(amount_fen))}"


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or say("无", "nothing")
    return str(value)
