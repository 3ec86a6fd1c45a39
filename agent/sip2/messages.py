"""The messages of SIP2 that a lending lane needs, as frozen values (3M SIP 2.00, "Messages").

Field names are the protocol's; of responses only what is used is declared, the rest is skipped. Their ``repr`` names
the message and nothing in it: a reader's number and what he reads are personal.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, NamedTuple, Self, get_args, get_origin, get_type_hints

from agent.sip2.fields import (
    Char1,
    Char2,
    Char3,
    Char4,
    Char10,
    Char14,
    Count3,
    Count4,
    Date,
    Fixed,
    OneZero,
    Variable,
    YesNo,
    malformed,
    plain,
)
from agent.sip2.line import Line, from_bytes, to_bytes

CHINESE = "019"
"""The protocol's code of the language in which texts should come."""

Institution = Annotated[str, Variable("AO")]
Patron = Annotated[str, Variable("AA")]
Item = Annotated[str, Variable("AB")]
Title = Annotated[str | None, Variable("AJ")]
Due = Annotated[str | None, Variable("AH")]
"""Written as the library likes."""
TerminalPassword = Annotated[str | None, Variable("AC")]
ScreenMessage = Annotated[tuple[str, ...], Variable("AF")]


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """Base of all; ``code`` are its first two characters."""

    code: ClassVar[str]

    def to_text(self) -> str:
        """The message without sequence number and checksum. Raises ``Sip2Error`` for what cannot stand in a field."""
        fixed, variable = [], []
        for name, how, _ in _layout(type(self)):
            value = getattr(self, name)
            if isinstance(how, Fixed):
                fixed.append(how.write(value))
            elif isinstance(value, tuple):
                variable += [f"{how.id}{plain(each)}|" for each in value]
            elif value is not None:
                variable.append(f"{how.id}{plain(value)}|")
        return "".join((self.code, *fixed, *variable))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a message of this code. Raises ``Sip2Error``."""
        if not text.startswith(cls.code):
            raise malformed("code")
        place = 2
        values: dict[str, Any] = {}
        layout = _layout(cls)
        for name, how, _ in layout:
            if isinstance(how, Fixed):
                values[name] = how.read(_taken(text, place, how.width))
                place += how.width
        found: dict[str, list[str]] = {}
        for piece in text[place:].split("|"):
            found.setdefault(piece[:2], []).append(piece[2:])
        for name, how, times in layout:
            if isinstance(how, Variable):
                values[name] = _value(found.get(how.id, []), how.id, times)
        return cls(**values)

    def to_bytes(self, sequence: int | None = None, encoding: str = "utf-8", *, checked: bool = True) -> bytes:
        """The line as it is sent."""
        return to_bytes(Line(self.to_text(), sequence), encoding, checked=checked)

    @classmethod
    def from_bytes(cls, data: bytes, encoding: str = "utf-8") -> Self:
        """Read a line without its end. Raises ``Sip2Error``."""
        return cls.from_text(from_bytes(data, encoding).text)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.code}>"


@dataclass(frozen=True, slots=True, repr=False)
class Login(Message):
    """93: who this terminal is."""

    code: ClassVar[str] = "93"
    user_id_algorithm: Char1
    password_algorithm: Char1
    user_id: Annotated[str, Variable("CN")]
    password: Annotated[str, Variable("CO")]
    location: Annotated[str | None, Variable("CP")] = None


@dataclass(frozen=True, slots=True, repr=False)
class LoginResponse(Message):
    """94."""

    code: ClassVar[str] = "94"
    ok: OneZero


@dataclass(frozen=True, slots=True, repr=False)
class ScStatus(Message):
    """99: this terminal works, and asks whether the system does."""

    code: ClassVar[str] = "99"
    status: Char1 = "0"
    max_print_width: Char3 = "080"
    protocol_version: Char4 = "2.00"


@dataclass(frozen=True, slots=True, repr=False)
class AcsStatus(Message):
    """98: what the system does at present; ``timeout`` is in tenths of a second."""

    code: ClassVar[str] = "98"
    on_line: YesNo
    checkin_ok: YesNo
    checkout_ok: YesNo
    renewal_policy: YesNo
    status_update_ok: YesNo
    off_line_ok: YesNo
    timeout: Count3
    retries_allowed: Count3
    date_time_sync: Date
    protocol_version: Char4
    institution: Annotated[str | None, Variable("AO")] = None
    supported_messages: Annotated[str | None, Variable("BX")] = None


@dataclass(frozen=True, slots=True, repr=False)
class PatronInformation(Message):
    """63: how a reader stands; ``summary`` marks with a Y which list of items is wanted (the third: those charged)."""

    code: ClassVar[str] = "63"
    language: Char3
    transaction_date: Date
    summary: Char10
    institution: Institution
    patron: Patron
    terminal_password: TerminalPassword = None
    start_item: Annotated[str | None, Variable("BP")] = None
    end_item: Annotated[str | None, Variable("BQ")] = None


@dataclass(frozen=True, slots=True, repr=False)
class PatronInformationResponse(Message):
    """64. ``status``: fourteen places, a Y for each privilege that is denied and each limit that is exceeded."""

    code: ClassVar[str] = "64"
    status: Char14
    language: Char3
    transaction_date: Date
    hold_count: Count4
    overdue_count: Count4
    charged_count: Count4
    fine_count: Count4
    recall_count: Count4
    unavailable_hold_count: Count4
    institution: Annotated[str | None, Variable("AO")]
    patron: Patron
    valid_patron: Annotated[str | None, Variable("BL")] = None
    currency: Annotated[str | None, Variable("BH")] = None
    fee_amount: Annotated[str | None, Variable("BV")] = None
    charged_limit: Annotated[str | None, Variable("CB")] = None
    charged_items: Annotated[tuple[str, ...], Variable("AU")] = ()
    screen_message: ScreenMessage = ()


@dataclass(frozen=True, slots=True, repr=False)
class EndPatronSession(Message):
    """35: the reader has left."""

    code: ClassVar[str] = "35"
    transaction_date: Date
    institution: Institution
    patron: Patron
    terminal_password: TerminalPassword = None


@dataclass(frozen=True, slots=True, repr=False)
class EndSessionResponse(Message):
    """36."""

    code: ClassVar[str] = "36"
    end_session: YesNo
    transaction_date: Date


@dataclass(frozen=True, slots=True, repr=False)
class Checkout(Message):
    """11. ``no_block``: it has happened while the system was away, then, and until ``no_block_due_date``."""

    code: ClassVar[str] = "11"
    renewal_policy: YesNo
    no_block: YesNo
    transaction_date: Date
    no_block_due_date: Date
    institution: Institution
    patron: Patron
    item: Item
    terminal_password: Annotated[str, Variable("AC")] = ""
    cancel: Annotated[str | None, Variable("BI")] = None


@dataclass(frozen=True, slots=True, repr=False)
class CheckoutResponse(Message):
    """12. ``desensitize``: the item's tag should be silenced."""

    code: ClassVar[str] = "12"
    ok: OneZero
    renewal_ok: YesNo
    magnetic_media: YesNo
    desensitize: YesNo
    transaction_date: Date
    institution: Annotated[str | None, Variable("AO")]
    patron: Annotated[str | None, Variable("AA")]
    item: Item
    title: Title = None
    due: Due = None
    screen_message: ScreenMessage = ()


@dataclass(frozen=True, slots=True, repr=False)
class Checkin(Message):
    """09. ``cancel``: Y takes back a checkout of which nothing came."""

    code: ClassVar[str] = "09"
    no_block: YesNo
    transaction_date: Date
    return_date: Date
    current_location: Annotated[str, Variable("AP")]
    institution: Institution
    item: Item
    terminal_password: Annotated[str, Variable("AC")] = ""
    cancel: Annotated[str | None, Variable("BI")] = None


@dataclass(frozen=True, slots=True, repr=False)
class CheckinResponse(Message):
    """10. ``alert``: it does not go on the shelf: reserved, or of another library."""

    code: ClassVar[str] = "10"
    ok: OneZero
    resensitize: YesNo
    magnetic_media: YesNo
    alert: YesNo
    transaction_date: Date
    institution: Annotated[str | None, Variable("AO")]
    item: Item
    title: Title = None
    screen_message: ScreenMessage = ()


@dataclass(frozen=True, slots=True, repr=False)
class Renew(Message):
    """29."""

    code: ClassVar[str] = "29"
    third_party_allowed: YesNo
    no_block: YesNo
    transaction_date: Date
    no_block_due_date: Date
    institution: Institution
    patron: Patron
    item: Item
    terminal_password: TerminalPassword = None


@dataclass(frozen=True, slots=True, repr=False)
class RenewResponse(Message):
    """30."""

    code: ClassVar[str] = "30"
    ok: OneZero
    renewal_ok: YesNo
    magnetic_media: YesNo
    desensitize: YesNo
    transaction_date: Date
    institution: Annotated[str | None, Variable("AO")]
    patron: Annotated[str | None, Variable("AA")]
    item: Item
    title: Title = None
    due: Due = None
    screen_message: ScreenMessage = ()


@dataclass(frozen=True, slots=True, repr=False)
class ItemInformation(Message):
    """17: where an item is."""

    code: ClassVar[str] = "17"
    transaction_date: Date
    institution: Institution
    item: Item
    terminal_password: TerminalPassword = None


@dataclass(frozen=True, slots=True, repr=False)
class ItemInformationResponse(Message):
    """18. ``circulation_status``: 01 other, 03 available, 04 charged, 08 on the hold shelf, 12 lost …"""

    code: ClassVar[str] = "18"
    circulation_status: Char2
    security_marker: Char2
    fee_type: Char2
    transaction_date: Date
    item: Item
    title: Title = None
    due: Due = None
    screen_message: ScreenMessage = ()


@dataclass(frozen=True, slots=True, repr=False)
class RequestAcsResend(Message):
    """97: the last answer again; it bears no sequence number."""

    code: ClassVar[str] = "97"


@dataclass(frozen=True, slots=True, repr=False)
class RequestScResend(Message):
    """96: the system could not read what was sent; it bears no sequence number."""

    code: ClassVar[str] = "96"


class Received(NamedTuple):
    """A message, and the sequence number that it bore."""

    message: Message
    sequence: int | None
    checked: bool


_ANSWERS: dict[str, type[Message]] = {
    kind.code: kind
    for kind in (
        LoginResponse,
        AcsStatus,
        PatronInformationResponse,
        EndSessionResponse,
        CheckoutResponse,
        CheckinResponse,
        RenewResponse,
        ItemInformationResponse,
        RequestScResend,
    )
}


def read_answer(data: bytes, encoding: str) -> Received:
    """A line that the system sent, without its end. Raises ``Sip2Error``."""
    line = from_bytes(data, encoding)
    kind = _ANSWERS.get(line.text[:2])
    if kind is None:
        raise malformed("code")
    return Received(kind.from_text(line.text), line.sequence, line.checked)


class _Times(Enum):
    """How often a field may stand in a message."""

    ONCE = "once"
    AT_MOST_ONCE = "at most once"
    ANY = "any"


_LAYOUTS: dict[type[Message], tuple[tuple[str, Fixed | Variable, _Times], ...]] = {}


def _layout(kind: type[Message]) -> tuple[tuple[str, Fixed | Variable, _Times], ...]:
    """Each field's name, how it stands on the wire, and how often; looked up once a kind."""
    if kind not in _LAYOUTS:
        hints = get_type_hints(kind, include_extras=True)
        _LAYOUTS[kind] = tuple(_described(each.name, hints[each.name]) for each in dataclasses.fields(kind))
    return _LAYOUTS[kind]


def _described(name: str, hint: Any) -> tuple[str, Fixed | Variable, _Times]:
    declared, how = get_args(hint)
    if get_origin(declared) is tuple:
        return name, how, _Times.ANY
    return name, how, _Times.AT_MOST_ONCE if type(None) in get_args(declared) else _Times.ONCE


def _taken(text: str, place: int, width: int) -> str:
    taken = text[place : place + width]
    if len(taken) != width:
        raise malformed("fixed field")
    return taken


def _value(found: list[str], field_id: str, times: _Times) -> str | tuple[str, ...] | None:
    if times is _Times.ANY:
        return tuple(found)
    if not found:
        if times is _Times.ONCE:
            raise malformed(field_id)
        return None
    return found[0]
