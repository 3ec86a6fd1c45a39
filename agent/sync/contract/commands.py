"""The platform's commands on ``down/command``, signed, and what the terminal says of them on ``up/result``.

A command is a COSE_Sign1 by a key of the role *command*; the topic is the ``external_aad``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from agent import cose
from agent.sync.contract.errors import ContractError
from agent.sync.contract.messages import ChainId, Code, Name, TerminalId, TimeMs
from agent.sync.contract.topics import Address, Channel
from agent.sync.contract.wire import Key, Message
from profiles.direction import Direction

MAX_COMMAND_BYTES = 512
MAX_REPORT_BYTES = 12 * 1024

CommandId = Annotated[bytes, Field(min_length=16, max_length=16)]
CommandNumber = Annotated[int, Field(ge=1, lt=2**53)]
"""As wide as a record's integers, since it stands there."""


class CommandAct(StrEnum):
    """What this version carries out; the list is open, and an act that is not known is refused."""

    OPEN = "open"
    RESTART = "restart"
    RE_READ = "re-read"
    REPORT = "report"


LIFE_MS: Mapping[str, int] = {CommandAct.OPEN: 60_000}
"""How long an act may wait to be carried out; a broker that holds it back opens nothing an hour later."""
LONGEST_LIFE_MS = 7 * 86_400_000


class Command(Message):
    """Down: carry this out, once, before ``expires_ms``. ``number`` counts up a terminal and key, each used once."""

    MAX_BYTES: ClassVar[int] = MAX_COMMAND_BYTES
    kind: Annotated[Literal["command"], Key(1)] = "command"
    terminal: Annotated[TerminalId, Key(2)]
    chain_id: Annotated[ChainId, Key(3)]
    id: Annotated[CommandId, Key(4)]
    number: Annotated[CommandNumber, Key(5)]
    issued_ms: Annotated[TimeMs, Key(6)]
    expires_ms: Annotated[TimeMs, Key(7)]
    act: Annotated[Code, Key(8)]
    lane: Annotated[Name | None, Key(9)] = None
    direction: Annotated[Direction | None, Field(strict=False), Key(10)] = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Command:
        if self.expires_ms <= self.issued_ms:
            raise ValueError("a command ends after it was issued")
        return self

    @property
    def lives_too_long(self) -> bool:
        """Whether its issuer gave it more time than its act may have."""
        return self.expires_ms - self.issued_ms > LIFE_MS.get(self.act, LONGEST_LIFE_MS)


class Result(Message):
    """Up: what became of a command. The journal has it too, and what the journal says counts.

    ``report`` is the zstd frame (RFC 8878) of what the terminal says of itself, as JSON.
    """

    kind: Annotated[Literal["result"], Key(1)] = "result"
    id: Annotated[CommandId, Key(2)]
    reason: Annotated[Code, Key(3)]
    at_ms: Annotated[TimeMs, Key(4)]
    report: Annotated[bytes | None, Field(max_length=MAX_REPORT_BYTES, repr=False), Key(5)] = None


def sign_command(command: Command, signer: cose.Signer) -> bytes:
    """The payload for the terminal that ``command`` names."""
    return cose.sign1(command.encode(), signer, _context(command.terminal))


def open_command(payload: bytes, keys: Mapping[bytes, cose.VerifyKey], terminal: str) -> tuple[Command, bytes]:
    """The command and the kid, if one of ``keys`` signed it for ``terminal``. Raises :class:`ContractError`."""
    try:
        signed = cose.verify1(payload, keys, _context(terminal), max_payload_bytes=MAX_COMMAND_BYTES)
    except cose.CoseError as error:
        raise ContractError(str(error)) from error
    return Command.decode(signed.payload), signed.kid


def _context(terminal: str) -> bytes:
    return Address(terminal).topic(Channel.COMMAND).encode()
