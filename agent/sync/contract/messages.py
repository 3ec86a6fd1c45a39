"""The messages of contract version 1 and their bounds; ``contract.cddl`` says the same in CDDL.

Sequence numbers count from 1 within one chain; hashes are those of the journal (32 bytes in suites 1 and 2).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import zstandard
from pydantic import Field, model_validator

from agent import cbor
from agent.sync.contract.errors import ContractError
from agent.sync.contract.wire import Key, Message, Wire

MAX_RECORD_BYTES = 16 * 1024
MAX_BATCH_RECORDS = 1000
MAX_BATCH_BYTES = 1024 * 1024
_BATCH_OVERHEAD_BYTES = 8 * MAX_BATCH_RECORDS + 128

ChainId = Annotated[bytes, Field(min_length=16, max_length=16)]
Hash = Annotated[bytes, Field(min_length=32, max_length=32)]
Nonce = Annotated[bytes, Field(min_length=16, max_length=16)]
Seq = Annotated[int, Field(ge=1, lt=2**63)]
TimeMs = Annotated[int, Field(ge=0, lt=2**53)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/+-]{1,64}\z")]
Code = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}\z")]
TerminalId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}\z")]
Text = Annotated[str, Field(max_length=200)]
Record = Annotated[bytes, Field(min_length=1, max_length=MAX_RECORD_BYTES)]


class Hello(Message):
    """Up, on connecting and when an answer is overdue: which part of which chain this terminal holds."""

    kind: Annotated[Literal["hello"], Key(1)] = "hello"
    chain_id: Annotated[ChainId, Key(2)]
    nonce: Annotated[Nonce, Key(3)]
    first_retained: Annotated[Seq, Key(4)]
    head: Annotated[Seq, Key(5)]
    head_hash: Annotated[Hash, Key(6)]

    @model_validator(mode="after")
    def _range_is_sound(self) -> Hello:
        if self.first_retained > self.head + 1:
            raise ValueError("first_retained is beyond the record after head")
        return self


class _BatchMap(Message):
    """The wire form of a batch: exactly one of the two lists."""

    MAX_BYTES: ClassVar[int] = MAX_BATCH_BYTES + _BATCH_OVERHEAD_BYTES
    kind: Annotated[Literal["journal"], Key(1)] = "journal"
    chain_id: Annotated[ChainId, Key(2)]
    first_seq: Annotated[Seq, Key(3)]
    records: Annotated[tuple[Record, ...] | None, Key(4)] = None
    zstd: Annotated[bytes | None, Key(5)] = None


class JournalBatch(Message):
    """Up: consecutive records from ``first_seq`` on, their exact bytes; zstd on the wire where that is smaller."""

    MAX_BYTES: ClassVar[int] = _BatchMap.MAX_BYTES
    chain_id: Annotated[ChainId, Key(2)]
    first_seq: Annotated[Seq, Key(3)]
    records: Annotated[tuple[Record, ...], Field(min_length=1, max_length=MAX_BATCH_RECORDS, repr=False), Key(4)]

    @model_validator(mode="after")
    def _size_is_bounded(self) -> JournalBatch:
        if sum(map(len, self.records)) > MAX_BATCH_BYTES:
            raise ValueError(f"more than {MAX_BATCH_BYTES} bytes of records")
        return self

    @property
    def last_seq(self) -> int:
        """The sequence number of the last record."""
        return self.first_seq + len(self.records) - 1

    def encode(self) -> bytes:
        """The payload; the record list compressed if that makes it smaller."""
        listed = cbor.encode(list(self.records))
        packed = zstandard.ZstdCompressor().compress(listed)
        wire = _BatchMap(chain_id=self.chain_id, first_seq=self.first_seq)
        smaller = {"zstd": packed} if len(packed) < len(listed) else {"records": self.records}
        return wire.model_copy(update=smaller).encode()

    @classmethod
    def decode(cls, data: bytes) -> JournalBatch:
        """Read a batch strictly, inflating no more than the bound. Raises :class:`ContractError`."""
        wire = _BatchMap.decode(data)
        if (wire.records is None) == (wire.zstd is None):
            raise ContractError("JournalBatch: records or zstd, exactly one of them")
        records: object = wire.records if wire.zstd is None else _inflate(wire.zstd)
        return cls.from_value({0: wire.version, 2: wire.chain_id, 3: wire.first_seq, 4: records})


def _inflate(packed: bytes) -> object:
    """The record list out of one zstd frame (RFC 8878) that states its size."""
    limit = MAX_BATCH_BYTES + _BATCH_OVERHEAD_BYTES
    try:
        size = zstandard.get_frame_parameters(packed).content_size
        if not 0 < size <= limit:
            raise ContractError(f"JournalBatch: the zstd frame must state a size of at most {limit} bytes")
        listed = zstandard.ZstdDecompressor().decompress(packed, max_output_size=limit, allow_extra_data=False)
        return cbor.decode(listed, max_bytes=limit, max_depth=1)
    except (zstandard.ZstdError, cbor.CborError) as error:
        raise ContractError(f"JournalBatch: the zstd frame holds no record list ({error})") from error


class _Answer(Message):
    """What every signed answer is bound to: the terminal, its chain, and the nonce of its latest hello."""

    MAX_BYTES: ClassVar[int] = 512
    terminal: Annotated[TerminalId, Key(2)]
    chain_id: Annotated[ChainId, Key(3)]
    nonce: Annotated[Nonce, Key(4)]
    issued_ms: Annotated[TimeMs, Key(5)]
    seq: Annotated[Seq, Key(6)]


class Ack(_Answer):
    """Down: every record up to ``seq``, whose hash is ``hash``, is committed by the platform."""

    kind: Annotated[Literal["ack"], Key(1)] = "ack"
    hash: Annotated[Hash, Key(7)]


class Expect(_Answer):
    """Down: the platform wants the record ``seq`` next; ``prev_hash`` is its record before, absent if it has none."""

    kind: Annotated[Literal["expect"], Key(1)] = "expect"
    prev_hash: Annotated[Hash | None, Key(7)] = None


class Fork(_Answer):
    """Down: the platform has another record at ``seq``, with ``hash``; this chain cannot be continued."""

    kind: Annotated[Literal["fork"], Key(1)] = "fork"
    hash: Annotated[Hash, Key(7)]


class Presence(StrEnum):
    """Whether the terminal is there; ``lost`` is what its last will says."""

    ONLINE = "online"
    STOPPED = "stopped"
    LOST = "lost"


class Condition(StrEnum):
    """How a device is."""

    READY = "ready"
    OPENING = "opening"
    FAILED = "failed"


class ClockQuality(StrEnum):
    """The clock's states."""

    SYNCHRONISED = "synchronised"
    HOLDOVER = "holdover"
    UNTRUSTED = "untrusted"


class DeviceState(Wire):
    """One device of the configuration: ``reason`` is a fault code where it is not ready."""

    name: Annotated[Name, Key(1)]
    condition: Annotated[Condition, Field(strict=False), Key(2)]
    reason: Annotated[Code | None, Key(3)] = None


class BundleState(Wire):
    """One installed bundle."""

    name: Annotated[Name, Key(1)]
    version: Annotated[Count, Key(2)]


class Buffer(Wire):
    """What the platform has not yet acknowledged, and in how many hours money stops for want of room, at today's rate.

    ``unrecorded`` are the openings that a full disk did not take as records, and that wait as a count.
    """

    unacknowledged: Annotated[Count, Key(1)]
    size_bytes: Annotated[Count, Key(2)]
    hours_left: Annotated[Count | None, Key(3)] = None
    unrecorded: Annotated[Count | None, Key(4)] = None


class Configured(Wire):
    """What became of the platform's configurations. ``issue`` is the version that the terminal goes by, 0 its own file.

    ``withdrawn`` is the latest that did not prove itself, ``why`` a code, ``at`` the key path of what is not valid.
    """

    issue: Annotated[Count, Key(1)]
    on_trial: Annotated[bool, Key(2)] = False
    withdrawn: Annotated[Count | None, Key(3)] = None
    why: Annotated[Code | None, Key(4)] = None
    at: Annotated[Text | None, Key(5)] = None


class Report(Wire):
    """The terminal's condition, as far as it knows it."""

    software: Annotated[Name, Key(1)]
    configuration: Annotated[Name | None, Key(2)] = None
    bundles: Annotated[tuple[BundleState, ...], Field(max_length=256), Key(3)] = ()
    devices: Annotated[tuple[DeviceState, ...], Field(max_length=64), Key(4)] = ()
    buffer: Annotated[Buffer | None, Key(5)] = None
    clock: Annotated[ClockQuality, Field(strict=False), Key(6)] = ClockQuality.UNTRUSTED
    clock_uncertainty_ms: Annotated[Count | None, Key(7)] = None
    broker: Annotated[Count | None, Key(8)] = None
    configured: Annotated[Configured | None, Key(9)] = None


class State(Message):
    """Up, retained; also the last will. The will and a clean stop carry no report."""

    kind: Annotated[Literal["state"], Key(1)] = "state"
    presence: Annotated[Presence, Field(strict=False), Key(2)]
    since_ms: Annotated[TimeMs, Key(3)]
    report: Annotated[Report | None, Key(4)] = None


class Alarm(Message):
    """Up: something a person at the platform should see soon; the journal holds what must not be lost.

    ``code`` is open: ``tamper``, ``forced-open``, ``reader-down``, ``disk-full``, ``clock``, ``answer-refused`` …
    """

    kind: Annotated[Literal["alarm"], Key(1)] = "alarm"
    code: Annotated[Code, Key(2)]
    at_ms: Annotated[TimeMs, Key(3)]
    source: Annotated[Name | None, Key(4)] = None
    count: Annotated[Seq, Key(5)] = 1
    detail: Annotated[Text | None, Key(6)] = None
