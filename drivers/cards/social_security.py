"""The social security card (社会保障卡), generations 1 to 3.

Files hold records of one data object each, read by tag, because generation 1 lacks tag 4E and record numbers shift;
cards that refuse that are read by number, and the tag in the answer says what came. Generations 1 and 2 are free to
read. Generation 3 tells name, identity number and card number (卡号) only after an authentication, so without one it
is not even asked: the 卡识别码 identifies it, and the platform's card register says whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from drivers.api import CardError, CardFault, Interface
from drivers.cards import decode, tlv
from drivers.cards.apdu import (
    FILE_NOT_FOUND,
    LE_MAX,
    RECORD_NOT_FOUND,
    SECURITY_STATUS_NOT_SATISFIED,
    read_record,
    read_tagged_record,
    select_by_name,
)
from drivers.cards.api import Authenticator, CardContent, CardSession, Command, Field, NoAuthenticator, Response

APPLICATION_NAME = "sx1.sh.社会保障".encode("gbk")
EF05 = 0xEF05
EF06 = 0xEF06

CARD_IDENTIFIER = 0x01
VERSION = 0x03
ISSUER = 0x04
VALID_FROM = 0x05
VALID_UNTIL = 0x06
CARD_NUMBER = 0x07
ID_NUMBER = 0x08
NAME = 0x09
BIRTH_DATE = 0x0D
NAME_EXTENSION = 0x4E

SIZES_BYTES: Mapping[int, int] = MappingProxyType(
    {
        CARD_IDENTIFIER: 16,
        VERSION: 4,
        ISSUER: 12,
        VALID_FROM: 4,
        VALID_UNTIL: 4,
        CARD_NUMBER: 9,
        ID_NUMBER: 18,
        NAME: 30,
        BIRTH_DATE: 4,
        NAME_EXTENSION: 20,
    }
)
RECORDS_MAX = 16

_EF06_TAGS: Mapping[Field, int] = MappingProxyType(
    {Field.ID_NUMBER: ID_NUMBER, Field.HOLDER_NAME: NAME, Field.BIRTH_DATE: BIRTH_DATE}
)
_ABSENT = frozenset({FILE_NOT_FOUND, RECORD_NOT_FOUND, 0x6A88})
_NOT_BY_TAG = frozenset({0x6A81, 0x6A86, 0x6B00})
_PERSONAL = frozenset({CARD_NUMBER, ID_NUMBER, NAME, NAME_EXTENSION, BIRTH_DATE})


class SocialSecurity:
    """Reads by the rules of the module; six commands for a gate that asks for nothing but who it is."""

    name: ClassVar[str] = "social-security"
    interfaces: ClassVar[Mapping[int, frozenset[Interface]]] = MappingProxyType(
        {
            1: frozenset({Interface.CONTACT}),
            2: frozenset({Interface.CONTACT}),
            3: frozenset({Interface.CONTACT, Interface.CONTACTLESS}),
        }
    )

    def __init__(self, authenticator: Authenticator | None = None) -> None:
        self._authenticator = authenticator or NoAuthenticator()

    def read(self, session: CardSession, wanted: frozenset[Field]) -> CardContent | None:
        """As :meth:`CardApplication.read`. ``issuer`` is 初始化机构编号, ``identifier`` the 卡识别码, both raw."""
        selected = session.send(select_by_name(APPLICATION_NAME))
        if not selected.ok:
            return None
        dates = {VALID_FROM, VALID_UNTIL} if Field.VALID_FROM in wanted else {VALID_UNTIL}
        records = _records(session, EF05, {CARD_IDENTIFIER, VERSION, ISSUER} | dates)
        public = _public(records, wanted)
        authenticated = self._authenticator.authenticate(session, selected.data, public)
        if public.generation >= 3 and not authenticated:
            return public
        personal = _personal(session, public.generation, wanted)
        return replace(public, fields={**public.fields, **personal}, authenticated=authenticated)


def _public(records: Mapping[int, bytes], wanted: frozenset[Field]) -> CardContent:
    """What the card tells anyone, from its EF05."""
    identifier = records.get(CARD_IDENTIFIER, b"")
    if len(identifier) != SIZES_BYTES[CARD_IDENTIFIER] or len(set(identifier)) == 1:
        raise decode.garbled("no 卡识别码")
    version = decode.text(records.get(VERSION, b""), "规范版本")
    generation = _generation(version)
    return CardContent(
        identifier=identifier,
        issuer=records.get(ISSUER, b""),
        generation=generation,
        valid_from=decode.date(records.get(VALID_FROM, b""), "发卡日期"),
        valid_until=decode.date(records.get(VALID_UNTIL, b""), "有效期"),
        fields={Field.VERSION: version} if version and Field.VERSION in wanted else {},
    )


def _generation(version: str | None) -> int:
    """The first digit of 规范版本; a card without one is of the first generation, which had none to tell apart."""
    if version is None:
        return 1
    if version[0] not in "123456789":
        raise decode.garbled("规范版本")
    return int(version[0])


def _personal(session: CardSession, generation: int, wanted: frozenset[Field]) -> dict[Field, str]:
    """The wanted fields that a card gives only when it is free to read or authenticated; absent ones are left out."""
    records: dict[int, bytes] = {}
    if Field.CARD_NUMBER in wanted:
        records |= _records(session, EF05, {CARD_NUMBER})
    tags = {tag for field, tag in _EF06_TAGS.items() if field in wanted}
    if NAME in tags and generation >= 2:
        tags.add(NAME_EXTENSION)
    if tags:
        records |= _records(session, EF06, tags)
    # Joined as bytes: a character may begin in the name and end in its extension.
    name = records.get(NAME, b"").rstrip(decode.PADDING) + records.get(NAME_EXTENSION, b"")
    found = {
        Field.CARD_NUMBER: decode.text(records.get(CARD_NUMBER, b""), "卡号"),
        Field.ID_NUMBER: decode.text(records.get(ID_NUMBER, b""), "社会保障号码"),
        Field.HOLDER_NAME: decode.text(name, "姓名", "gb18030"),
        Field.BIRTH_DATE: decode.date(records.get(BIRTH_DATE, b""), "出生日期"),
    }
    return {field: value for field, value in found.items() if value is not None}


def _records(session: CardSession, file: int, tags: AbstractSet[int]) -> dict[int, bytes]:
    """The values of those tags that the file has and gives, by tag where the card can, by number where it cannot."""
    if not _select(session, file):
        return {}
    found: dict[int, bytes] = {}
    for tag in sorted(tags):
        answer = session.send(read_tagged_record(tag, SIZES_BYTES[tag] + 2))
        if answer.sw in _NOT_BY_TAG:
            return _records_by_number(session, tags)
        if _given(answer, needed=tag not in _PERSONAL):
            found |= _wanted_objects(answer, {tag})
    return found


def _records_by_number(session: CardSession, tags: AbstractSet[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for number in range(1, RECORDS_MAX + 1):
        answer = session.send(read_record(number, LE_MAX))
        if answer.sw == RECORD_NOT_FOUND:
            break
        if _given(answer, needed=tags.isdisjoint(_PERSONAL)):
            found |= _wanted_objects(answer, tags)
        if found.keys() >= tags:
            break
    return found


def _select(session: CardSession, file: int) -> bool:
    """Select an elementary file; cards differ in whether P1 is 00 or 02. EF06 may be missing or closed."""
    for p1 in (0x00, 0x02):
        answer = session.send(Command(0x00, 0xA4, p1, 0x00, file.to_bytes(2, "big")))
        if answer.ok:
            return True
    return _given(answer, needed=file == EF05)


def _given(answer: Response, *, needed: bool) -> bool:
    """Whether the card gave the record; ``False`` for one that it lacks, or keeps to itself and is not needed."""
    if answer.ok:
        return True
    if answer.sw in _ABSENT:
        return False
    if answer.sw == SECURITY_STATUS_NOT_SATISFIED:
        if needed:
            raise CardError(CardFault.LOCKED)
        return False
    raise decode.garbled(f"status {answer.sw:04X}")


def _wanted_objects(answer: Response, tags: AbstractSet[int]) -> dict[int, bytes]:
    try:
        return {tag: value for tag, value in tlv.objects(answer.data) if tag in tags}
    except tlv.TlvError as error:
        raise decode.garbled(str(error)) from None
