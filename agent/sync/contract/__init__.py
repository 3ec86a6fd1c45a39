"""The MQTT contract, version 1: topics, messages, signed answers. It knows no transport."""

from agent.sync.contract.answers import Answer, open_answer, sign_answer
from agent.sync.contract.errors import ContractError
from agent.sync.contract.messages import (
    MAX_BATCH_BYTES,
    MAX_BATCH_RECORDS,
    MAX_RECORD_BYTES,
    Ack,
    Alarm,
    Buffer,
    BundleState,
    ClockQuality,
    Condition,
    DeviceState,
    Expect,
    Fork,
    Hello,
    JournalBatch,
    Presence,
    Report,
    State,
)
from agent.sync.contract.topics import PREFIX, Address, Channel, parse_topic, subscription

__all__ = [
    "MAX_BATCH_BYTES",
    "MAX_BATCH_RECORDS",
    "MAX_RECORD_BYTES",
    "PREFIX",
    "Ack",
    "Address",
    "Alarm",
    "Answer",
    "Buffer",
    "BundleState",
    "Channel",
    "ClockQuality",
    "Condition",
    "ContractError",
    "DeviceState",
    "Expect",
    "Fork",
    "Hello",
    "JournalBatch",
    "Presence",
    "Report",
    "State",
    "open_answer",
    "parse_topic",
    "sign_answer",
    "subscription",
]
