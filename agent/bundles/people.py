"""Card registers and site rosters, read in place from their tables (:mod:`agent.bundles.table`).

The table's label is the namespace of its subjects. A register's row is medium (16 bytes), subject (16), entitlement
bits (4, big-endian), state (1). A roster's row is subject (16), the length of what follows (2, big-endian), the
person as deterministic CBOR, zeros to the end of the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.table import MAX_ROW_BYTES, Shape, Table
from agent.credentials.lists import ListLost
from agent.credentials.register import Holder, Register
from agent.pupils import MaskedName
from agent.sync.contract.errors import ContractError
from agent.sync.contract.messages import TimeMs
from agent.sync.contract.wire import Key, Message, Wire
from profiles.api import Subject
from profiles.person import Person
from profiles.pupil import MAX_LEAVES, Consent, Leave, Pupil
from profiles.reasons import Sentence

ID_BYTES = 16
MAX_AREAS = 64
MAX_NUMBERS = 8
_BITS_BYTES = 4
_LENGTH_BYTES = 2
REGISTER_ROW_BYTES = 2 * ID_BYTES + _BITS_BYTES + 1

_Code = Annotated[str, Field(max_length=32)]


class MediumState(IntEnum):
    """What became of a medium. A replacement is a row of its own with the same subject, so what is owed stays owed."""

    IN_USE = 0
    LOST = 1
    REPLACED = 2


def register_shape(namespace: str) -> Shape:
    """The shape of a card register whose subjects are of ``namespace``."""
    return Shape(ID_BYTES, REGISTER_ROW_BYTES, namespace)


def register_row(
    medium: bytes, subject: bytes, entitlements: int = 0, state: MediumState = MediumState.IN_USE
) -> bytes:
    """One row of a card register."""
    return medium + subject + entitlements.to_bytes(_BITS_BYTES, "big") + bytes([state])


class CardRegister:
    """A register bundle; ``names_of`` is the registry of entitlements of the trust list in force."""

    def __init__(self, table: Table, names_of: Callable[[int], frozenset[str]]) -> None:
        self._table = table
        self._names_of = names_of

    def holders(self, medium: bytes) -> Sequence[Holder]:
        """The row of a medium; one that was replaced is as good as lost."""
        value = self._table.get(medium)
        if value is None:
            return ()
        bits = int.from_bytes(value[ID_BYTES : ID_BYTES + _BITS_BYTES], "big")
        subject = Subject(self._table.shape.label, value[:ID_BYTES])
        return (Holder(subject, self._names_of(bits), lost=value[-1] != MediumState.IN_USE),)


class Registers:
    """Several registers, all of them asked."""

    def __init__(self, registers: Sequence[Register]) -> None:
        self._registers = tuple(registers)

    def holders(self, medium: bytes) -> Sequence[Holder]:
        """The rows of a medium, in the order of the registers."""
        return tuple(holder for register in self._registers for holder in register.holders(medium))


class _Number(Wire):
    kind: Annotated[_Code, Key(1)]
    sealed: Annotated[bytes, Field(max_length=256), Key(2)]


class _Leave(Wire):
    from_ms: Annotated[TimeMs, Key(1)]
    until_ms: Annotated[TimeMs, Key(2)]


class _Pupil(Wire):
    consent: Annotated[Annotated[Consent, Field(strict=False)], Key(1)]
    boards: Annotated[bool, Key(2)]
    leaves: Annotated[tuple[_Leave, ...], Field(max_length=MAX_LEAVES), Key(3)]
    day_limit_fen: Annotated[Annotated[int, Field(ge=0, lt=2**53)] | None, Key(4)] = None

    @classmethod
    def of(cls, pupil: Pupil) -> _Pupil:
        leaves = tuple(_Leave(from_ms=leave.from_ms, until_ms=leave.until_ms) for leave in pupil.leaves)
        return cls(consent=pupil.consent, boards=pupil.boards, leaves=leaves, day_limit_fen=pupil.day_limit_fen)

    def known(self) -> Pupil:
        leaves = tuple(Leave(leave.from_ms, leave.until_ms) for leave in self.leaves)
        return Pupil(self.consent, self.boards, self.day_limit_fen, leaves)


class _PersonWire(Message):
    unit: Annotated[_Code, Key(1)]
    areas: Annotated[tuple[_Code, ...], Field(max_length=MAX_AREAS), Key(2)]
    category: Annotated[_Code, Key(3)]
    price_class: Annotated[_Code, Key(4)]
    subsidy: Annotated[_Code, Key(5)]
    numbers: Annotated[tuple[_Number, ...], Field(max_length=MAX_NUMBERS), Key(6)]
    shown_as: Annotated[MaskedName | None, Key(7)] = None
    pupil: Annotated[_Pupil | None, Key(8)] = None


def roster_rows(people: Sequence[tuple[bytes, Person]], least_bytes: int = 0) -> tuple[int, list[bytes]]:
    """The rows of a roster, all of the size that is given first: that of the largest, and at least ``least_bytes``.

    Raises :class:`BundleError` where a person takes more than a table's row.
    """
    items = [(subject, _encode(person)) for subject, person in people]
    largest_bytes = ID_BYTES + _LENGTH_BYTES + max((len(item) for _, item in items), default=0)
    size_bytes = max(least_bytes, largest_bytes)
    if size_bytes > MAX_ROW_BYTES:
        said = (
            f"有人需要 {size_bytes} 字节，最多 {MAX_ROW_BYTES}",
            f"somebody takes {size_bytes} of {MAX_ROW_BYTES} bytes",
        )
        raise BundleError(BundleFault.CONTENT, Sentence(*said))
    rows = [
        (subject + len(item).to_bytes(_LENGTH_BYTES, "big") + item).ljust(size_bytes, b"\0") for subject, item in items
    ]
    return size_bytes, rows


class RosterTable:
    """A roster bundle."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def person(self, subject: Subject) -> Person | None:
        """What the site says of a subject of this roster's namespace. Raises :class:`ListLost`."""
        value = self._table.get(subject.id) if subject.namespace == self._table.shape.label else None
        try:
            return None if value is None else _person(_PersonWire.decode_again, value)
        except BundleError as error:  # it was whole when it was put in force
            raise ListLost from error


def check_register(table: Table) -> None:
    """Hold every row to its form. Raises :class:`BundleError`."""
    if (table.shape.key_bytes, table.shape.row_bytes) != (ID_BYTES, REGISTER_ROW_BYTES):
        raise BundleError(BundleFault.CONTENT, Sentence("不是登记册的行", "these are not the rows of a register"))
    table.check()
    if any(row[-1] > max(MediumState) for row in table.rows()):
        raise BundleError(BundleFault.CONTENT, Sentence("有介质处于未知状态", "a medium is in an unknown state"))


def check_roster(table: Table) -> None:
    """Hold every row to its form. Raises :class:`BundleError`."""
    if table.shape.key_bytes != ID_BYTES:
        raise BundleError(BundleFault.CONTENT, Sentence("不是名册的行", "these are not the rows of a roster"))
    table.check()
    for row in table.rows():
        _person(_PersonWire.decode, row[ID_BYTES:])


def check_emergency(table: Table) -> None:
    """Hold every row to its form. Raises :class:`BundleError`."""
    if (table.shape.key_bytes, table.shape.row_bytes) != (ID_BYTES, ID_BYTES):
        raise BundleError(
            BundleFault.CONTENT, Sentence("紧急名单只应有编号", "an emergency list holds bare tokens and media")
        )
    table.check()


def _encode(person: Person) -> bytes:
    numbers = tuple(_Number(kind=kind, sealed=sealed) for kind, sealed in sorted(person.sealed_numbers.items()))
    return _PersonWire(
        unit=person.unit,
        areas=tuple(sorted(person.areas)),
        category=person.category,
        price_class=person.price_class,
        subsidy=person.subsidy,
        numbers=numbers,
        shown_as=person.shown_as or None,
        pupil=None if person.pupil is None else _Pupil.of(person.pupil),
    ).encode()


def _person(decode: Callable[[bytes], _PersonWire], value: bytes) -> Person:
    end = _LENGTH_BYTES + int.from_bytes(value[:_LENGTH_BYTES], "big")
    if end > len(value) or any(value[end:]):
        raise BundleError(BundleFault.CONTENT, Sentence("名册条目与其行不符", "a person does not fit the row"))
    try:
        wire = decode(value[_LENGTH_BYTES:end])
    except ContractError as error:
        raise BundleError(BundleFault.CONTENT, error) from error
    return Person(
        unit=wire.unit,
        areas=frozenset(wire.areas),
        category=wire.category,
        price_class=wire.price_class,
        subsidy=wire.subsidy,
        sealed_numbers=MappingProxyType({number.kind: number.sealed for number in wire.numbers}),
        shown_as=wire.shown_as or "",
        pupil=None if wire.pupil is None else wire.pupil.known(),
    )
