"""Topics of version 1: ``onecard/1/<shard>/<terminal>/<channel>``.

The shard is the first byte of SHA-256(terminal id) in hex, so that consumers of the platform share the load on any
broker while the order within one terminal stays.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from agent.sync.contract.errors import ContractError

PREFIX = "onecard/1"
_TERMINAL = re.compile(r"[a-z0-9-]{1,32}")
_ENROL_ID = re.compile(r"[0-9a-f]{16}")
_SHARD = re.compile(r"[0-9a-f]{2}")
_MAX_TOPIC_CHARS = 80


class Channel(StrEnum):
    """What a topic carries."""

    JOURNAL = "up/journal"
    HELLO = "up/hello"
    STATE = "up/state"
    ALARM = "up/alarm"
    ASK = "up/ask"
    ACK = "down/ack"
    ANSWER = "down/answer"
    OFFER = "down/offer"
    CERTIFY = "up/certify"
    CERTIFIED = "down/certified"
    COMMAND = "down/command"
    RESULT = "up/result"


@dataclass(frozen=True)
class Address:
    """One terminal's place among the topics. Raises :class:`ContractError` for a bad terminal id."""

    terminal: str

    def __post_init__(self) -> None:
        if not _TERMINAL.fullmatch(self.terminal):
            raise ContractError("a terminal id is 1 to 32 of the characters a-z, 0-9 and -")

    @property
    def shard(self) -> str:
        """First byte of SHA-256(terminal id), two hexadecimal digits."""
        return hashlib.sha256(self.terminal.encode()).hexdigest()[:2]

    def topic(self, channel: Channel) -> str:
        """The topic of this terminal's ``channel``."""
        return f"{PREFIX}/{self.shard}/{self.terminal}/{channel.value}"


def parse_topic(topic: str) -> tuple[Address, Channel]:
    """Whose topic it is and what it carries; the shard must be the terminal's. Raises :class:`ContractError`."""
    if len(topic) > _MAX_TOPIC_CHARS or not topic.startswith(PREFIX + "/"):
        raise ContractError(f"not a topic below {PREFIX}")
    parts = topic.removeprefix(PREFIX + "/").split("/", 2)
    if len(parts) != len(("shard", "terminal", "channel")):
        raise ContractError("a topic names shard, terminal and channel")
    shard, terminal, name = parts
    address = Address(terminal)
    if shard != address.shard:
        raise ContractError("the shard is not the terminal's")
    try:
        return address, Channel(name)
    except ValueError as error:
        raise ContractError("unknown channel") from error


def subscription(channel: Channel, shard: str = "+") -> str:
    """The platform's topic filter for one channel: of one shard, or of all. Raises :class:`ContractError`."""
    if shard != "+" and not _SHARD.fullmatch(shard):
        raise ContractError("a shard is two hexadecimal digits")
    return f"{PREFIX}/{shard}/+/{channel.value}"


BUNDLES = f"{PREFIX}/bundle"
"""Below it is what all terminals may read: manifests, and the chunks of bodies."""
MANIFESTS = f"{BUNDLES}/+/manifest"


def manifest_topic(name: str) -> str:
    """Where the offer of a bundle for all terminals is retained."""
    return f"{BUNDLES}/{name}/manifest"


def chunk_topic(name: str, version: int, number: int) -> str:
    """Where one chunk of one version is published."""
    return f"{BUNDLES}/{name}/{version}/{number}"


def chunk_filter(name: str, version: int) -> str:
    """What whoever downloads a version subscribes to."""
    return f"{BUNDLES}/{name}/{version}/+"


ENROLMENT = f"{PREFIX}/enrol"
"""Below it speaks who has no certificate yet, each within the id of its code."""
ENROLLING = f"{ENROLMENT}/+/up"
"""The platform's topic filter for all of them."""


def enrol_up(enrol_id: str) -> str:
    """Where a box that holds the code asks."""
    return f"{ENROLMENT}/{enrol_id}/up"


def enrol_down(enrol_id: str) -> str:
    """And where it is answered."""
    return f"{ENROLMENT}/{enrol_id}/down"


def enrol_id_of(topic: str) -> str:
    """Whose :func:`enrol_up` it is. Raises :class:`ContractError`."""
    enrol_id = topic.removeprefix(f"{ENROLMENT}/").removesuffix("/up")
    if not _ENROL_ID.fullmatch(enrol_id) or topic != enrol_up(enrol_id):
        raise ContractError("not the topic of an enrolment")
    return enrol_id
