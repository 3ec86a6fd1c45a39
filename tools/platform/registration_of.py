"""What a terminal's own configuration will have it ask for: so nobody writes a merchant's name twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from agent.config import Resolved
from profiles.metro_settings import MetroSettings
from profiles.payment import PaySettings
from profiles.rules.accounts import Account
from profiles.subsidy import SubsidySettings
from tools.platform.registrations import Registration


def registration_of(terminal: Resolved) -> Registration:
    """The merchants of its tills, and whoever pays according to any of their rules.

    A rule that has somebody else pay names the fund as ``fund``, whichever scene it is of.
    """
    tills = [settings for settings in terminal.profiles.values() if isinstance(settings, PaySettings)]
    rules = [rule for till in tills for rule in _within(till)]
    return Registration(
        merchants=frozenset(till.merchant for till in tills),
        funds=frozenset(fund for rule in rules if isinstance(fund := getattr(rule, "fund", None), str)),
        accounts=frozenset(rule.kind.value for rule in rules if isinstance(rule, Account)),
        subsidies=any(isinstance(settings, SubsidySettings) for settings in terminal.profiles.values()),
        balances_by_card=any(getattr(till, "debts_by_card", False) for till in tills),
        lines=frozenset(till.line for till in tills if isinstance(till, MetroSettings) and till.asks),
    )


def _within(value: object) -> Iterator[BaseModel]:
    """A model and all those in it."""
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from _within(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _within(item)
    elif isinstance(value, tuple | list | frozenset):
        for item in value:
            yield from _within(item)
