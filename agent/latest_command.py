"""What a terminal keeps of the platform's commands: the last one, and how far the numbers of each key have come.

It is one saved value, written in the transaction of the command's record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from agent import cbor
from agent.command_reasons import CommandReason
from agent.sync.contract.commands import Command

SAVED_COMMAND = "terminal/command"
MAX_KNOWN = 64
"""As many as the platform has open at a time: it may send each of them again."""
MAX_KEYS = 64
"""Twice as many as may be in force, so that the number of one that is in force is never forgotten."""
_MAX_SAVED_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Latest:
    """The last command that was recorded; ``reason`` is empty while its outcome is not on the disk."""

    number: int = 0
    id: bytes = b""
    record_id: bytes = b""
    act: str = ""
    reason: str = ""
    numbers: Mapping[bytes, int] | None = field(default_factory=dict)
    """The last number of each key by its kid, the key heard last at the end. ``None``: the version before saved
    ``number`` alone, which counts for every key until it is known which ones were in force."""
    known: tuple[bytes, ...] = ()
    """The ids of the latest ones, the last at the end."""

    def of_key(self, kid: bytes) -> int:
        """The last number of this key; 0 for a new one."""
        return self.number if self.numbers is None else self.numbers.get(kid, 0)

    def counted_for(self, in_force: Iterable[bytes]) -> Latest:
        """The same, with what the version before saved counting for the keys that are in force, and for no new one."""
        numbers = dict.fromkeys(in_force, self.number)
        return replace(self, numbers=numbers) if self.numbers is None and numbers else self

    def followed_by(
        self, command: Command, kid: bytes, in_force: Iterable[bytes], record_id: bytes, reason: CommandReason
    ) -> Latest:
        """What is kept once ``command``, signed by ``kid``, is recorded; :meth:`counted_for` comes before."""
        numbers = dict(self.numbers or {})
        numbers.pop(kid, None)
        numbers[kid] = command.number
        if len(numbers) > MAX_KEYS:
            del numbers[next(former for former in numbers if former not in {*in_force, kid})]
        return Latest(
            command.number,
            command.id,
            record_id,
            command.act,
            "" if reason is CommandReason.ACCEPTED else reason.code,
            numbers,
            (*self.known, command.id)[-MAX_KNOWN:],
        )

    def saved(self) -> bytes:
        """As it is saved."""
        said = [self.number, self.id, self.record_id, self.act, self.reason]
        if self.numbers is None:
            return cbor.encode(said)
        return cbor.encode([*said, [list(pair) for pair in self.numbers.items()], list(self.known)])

    @classmethod
    def of(cls, saved: bytes | None) -> Latest:
        """What was saved. Raises ``ValueError`` for what is damaged: then nothing may be carried out again."""
        if saved is None:
            return cls()
        match cbor.decode(saved, max_bytes=_MAX_SAVED_BYTES, max_depth=3):
            case [int() as number, bytes() as command, bytes() as record_id, str() as act, str() as reason]:
                return cls(number, command, record_id, act, reason, None, (command,))
            case [int() as number, bytes() as command, bytes() as record_id, str() as act, str() as reason, pairs, ids]:
                return cls(number, command, record_id, act, reason, _numbers(pairs), _ids(ids))
        raise ValueError("not what was saved of a command")


def _numbers(pairs: object) -> dict[bytes, int]:
    numbers: dict[bytes, int] = {}
    for pair in pairs if isinstance(pairs, tuple) else (None,):
        match pair:
            case [bytes() as kid, int() as number]:
                numbers[kid] = number
            case _:
                raise ValueError("not what was saved of the numbers of commands")
    return numbers


def _ids(ids: object) -> tuple[bytes, ...]:
    if isinstance(ids, tuple) and all(isinstance(each, bytes) for each in ids):
        return ids
    raise ValueError("not what was saved of the ids of commands")
