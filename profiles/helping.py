"""How a door carries out an assisted act (:mod:`profiles.rules.assisted`): one person, on an operator's word.

Anti-passback knows nothing of whoever is helped, for nobody knows who it is; the number of people inside does. Nor is
it a passage of the operator's: his card opens for himself as always, before and afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from profiles.api import Actuate, Credential, Effect, Facts, Kind, Mark, Reason, Record, Show, Tone
from profiles.direction import Direction
from profiles.doors import DoorSettings
from profiles.orders import Obeyed, OpenOnce, OrderReason
from profiles.passage import Public
from profiles.rules.assisted import AssistedReason, Helping
from profiles.trace import Asked, Rule, Verdict, judge

PLEASE_PASS = Show(AssistedReason.ASSISTED.citizen, Tone.OK)
"""No name: the operator's is not the one of whoever passes."""


def awaited(settings: DoorSettings, helping: Helping | None, credential: Credential, facts: Facts) -> Helping | None:
    """The act for which this operator's card or code is awaited; ``None``: it is shown for its holder's own passage."""
    if settings.assisted is None or helping is None or not settings.assisted.awaits(helping, credential, facts):
        return None
    return helping


def may_help(
    settings: DoorSettings, direction: Direction, is_free: bool, operator: Credential, facts: Facts
) -> Verdict:
    """Whether the operator lets one person pass now."""
    return judge(_rules(settings, direction, is_free, operator, facts))


def _rules(
    settings: DoorSettings, direction: Direction, is_free: bool, operator: Credential, facts: Facts
) -> Iterator[Asked]:
    yield Rule.ASSURANCE, operator.assurance >= settings.least_assurance, Reason.ASSURANCE_TOO_LOW
    if direction is Direction.IN:
        yield Rule.SCHEDULE, settings.schedule.is_open(facts.local_time), Reason.OUT_OF_HOURS
    yield Rule.LANE_FREE, is_free, Reason.BUSY
    if settings.assisted is not None:
        yield from settings.assisted.rules(operator, facts)
    if settings.area is not None and direction is Direction.IN:
        yield from settings.area.occupancy.rules(settings.area.name, 1, facts)


def act(
    settings: DoorSettings,
    direction: Direction,
    helping: Helping,
    operator: Credential,
    public: Mapping[str, str | int | bool],
    facts: Facts,
    trace: bytes,
) -> Record:
    """The act's record: by whom, why, how many of the day, and the refusal of whom it is for, if that was stated."""
    coming: tuple[Mark, ...] = ()
    if settings.area is not None and direction is Direction.IN:
        coming = settings.area.moved(direction, 1, facts)
    return Record(
        id=facts.new_id(),
        kind=Kind.DECISION,
        reason=AssistedReason.ASSISTED,
        medium=operator.medium,
        subject=operator.subject,
        refers_to=helping.for_whom(operator),
        public={**public, **helping.public(operator, facts)},
        marks=(helping.used(operator, facts), *operator.marks, *coming),
        trace=trace,
    )


def not_opened(order: OpenOnce, way: Direction | None, *, fire: bool) -> Obeyed:
    """Why the platform's order opens nothing: no such way, open already, or in use."""
    held = Reason.FIRE if fire else Reason.BUSY
    return Obeyed(order.about, OrderReason.NO_WAY if way is None else held)


def opened_by(settings: DoorSettings, direction: Direction, about: bytes, public: Public, facts: Facts) -> Record:
    """The record of a way that opens by the platform's order; whoever comes in by it is counted."""
    coming: tuple[Mark, ...] = ()
    if settings.area is not None and direction is Direction.IN:
        coming = settings.area.moved(direction, 1, facts)
    return Record(facts.new_id(), Kind.DECISION, OrderReason.OPENED, refers_to=about, public=public, marks=coming)


def opened_again(pulse: Actuate, public: Public, facts: Facts) -> tuple[Effect, ...]:
    """The way of whoever is on it already, opened once more by the order that the pulse is about: counted he is."""
    record = Record(facts.new_id(), Kind.DECISION, OrderReason.OPENED, refers_to=pulse.about, public=public)
    return (record, pulse, PLEASE_PASS, Obeyed(pulse.about, record.reason))


def once(operator: Credential) -> Credential:
    """The operator as the holder of this crossing: showing his code again opens nothing more."""
    return replace(operator, presentation=None)
