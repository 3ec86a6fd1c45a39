"""The CDDL and the code say the same of every message: none is without the other, and none is without a sample."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import agent.sync.contract
from agent.sync.contract.stick import StickAcknowledgement, StickPart
from agent.sync.contract.wire import Message
from tests.agent.sync.cddl import PATH, told
from tests.agent.sync.test_contract import MESSAGES

BY_STICK = {StickPart, StickAcknowledgement}
"""No messages of the wire: ``tests/tools/cli/test_stick.py`` holds them against the CDDL."""
_CHOICE = re.compile(r"^([a-z-]+) = ([a-z-]+(?: / [a-z-]+)+)\b")


def choices() -> dict[str, list[str]]:
    """The rules of the CDDL that are nothing but a choice of others."""
    found = filter(None, map(_CHOICE.match, PATH.read_text(encoding="utf-8").splitlines()))
    return {match[1]: match[2].split(" / ") for match in found}


def leaves(rule: str) -> Iterator[str]:
    """What a rule comes to in the end."""
    if rule not in choices():
        yield rule
    for each in choices().get(rule, ()):
        yield from leaves(each)


def classes(of: type[Message] = Message) -> Iterator[type[Message]]:
    """Every message of the contract's package; a name with an underscore is what several share."""
    for each in of.__subclasses__():
        if each.__module__.startswith(agent.sync.contract.__name__) and not each.__name__.startswith("_"):
            yield each
        yield from classes(each)


def test_every_class_of_message_has_a_sample() -> None:
    for module in pkgutil.iter_modules(agent.sync.contract.__path__, f"{agent.sync.contract.__name__}."):
        importlib.import_module(module.name)
    assert {*map(type, MESSAGES)} == {*classes()} - BY_STICK


@pytest.mark.parametrize("rule", [*leaves("message")])
def test_every_message_of_the_cddl_has_a_sample_and_one_kind(rule: str) -> None:
    fitting = {type(message) for message in MESSAGES if told(rule, message.encode()) == ""}
    assert len(fitting) == 1
