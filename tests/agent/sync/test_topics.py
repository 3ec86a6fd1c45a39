"""Topics: built, read back, and refused."""

from __future__ import annotations

import pytest

from agent.sync.contract import Address, Channel, ContractError, parse_topic, subscription


def test_topics_are_built_and_read_back() -> None:
    topic = Address("gate-7").topic(Channel.JOURNAL)
    assert topic == "onecard/1/4f/gate-7/up/journal"
    for channel in Channel:
        assert parse_topic(Address("gate-7").topic(channel)) == (Address("gate-7"), channel)
    assert subscription(Channel.HELLO) == "onecard/1/+/+/up/hello"
    assert subscription(Channel.HELLO, "0a") == "onecard/1/0a/+/up/hello"


@pytest.mark.parametrize("terminal", ["", "Gate", "a/b", "a+", "#", "a" * 33, "门", "a\n", "a b"])
def test_a_terminal_id_is_bounded(terminal: str) -> None:
    with pytest.raises(ContractError, match="terminal id"):
        Address(terminal)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "onecard/2/4f/gate-7/up/journal",
        "onecard/1/00/gate-7/up/journal",
        "onecard/1/4f/gate-7/up/nothing",
        "onecard/1/4f/gate-7",
        "onecard/1/4f/Gate-7/up/journal",
        "onecard/1/4f/gate-7/up/journal/more",
        "onecard/1/" + "x" * 500,
    ],
)
def test_a_topic_that_is_not_of_the_contract_is_refused(topic: str) -> None:
    with pytest.raises(ContractError):
        parse_topic(topic)


@pytest.mark.parametrize("shard", ["#", "f", "F7", "f77", ""])
def test_a_subscription_names_a_shard(shard: str) -> None:
    with pytest.raises(ContractError, match="shard"):
        subscription(Channel.HELLO, shard)
