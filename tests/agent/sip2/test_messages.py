"""SIP2 on the wire: the protocol's own examples, round trips, and what no line can do."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from agent.sip2 import messages
from agent.sip2.errors import Sip2Error, Sip2Fault
from agent.sip2.line import MAX_LINE_BYTES, LineBuffer, checksum, from_bytes
from agent.sip2.messages import (
    AcsStatus,
    Checkout,
    CheckoutResponse,
    ItemInformation,
    Login,
    LoginResponse,
    Message,
    PatronInformation,
    PatronInformationResponse,
    RequestAcsResend,
    RequestScResend,
    ScStatus,
    read_answer,
)

AT = datetime(1996, 2, 12, 10, 5, 14)  # noqa: DTZ001 -- SIP2's local time

# Of the 3M developer's guide, where its own checksum is right; of the checkout, as three other implementations have it.
EXAMPLES: list[tuple[Message, int | None, bytes]] = [
    (ScStatus("0", "040", "1.00"), 1, b"9900401.00AY1AZFCA5\r"),
    (RequestAcsResend(), None, b"97AZFEF5\r"),
    (RequestScResend(), None, b"96AZFEF6\r"),
    (
        PatronInformation(
            language="001",
            transaction_date=datetime(1998, 7, 23, 9, 19, 5),  # noqa: DTZ001
            summary="Y",
            institution="InstitutionID",
            patron="PatronID",
            start_item="00001",
            end_item="00005",
        ),
        1,
        b"6300119980723    091905Y         AOInstitutionID|AAPatronID|BP00001|BQ00005|AY1AZEA83\r",
    ),
    (
        ItemInformation(datetime(1998, 7, 23, 10, 0, 0), "Certification Institute ID", "ItemBook"),  # noqa: DTZ001
        1,
        b"1719980723    100000AOCertification Institute ID|ABItemBook|AY1AZEBEB\r",
    ),
    (
        Checkout(
            renewal_policy=True,
            no_block=False,
            transaction_date=AT,
            no_block_due_date=AT,
            institution="",
            patron="104000000105",
            item="000000000005792",
        ),
        3,
        b"11YN19960212    10051419960212    100514AO|AA104000000105|AB000000000005792|AC|AY3AZEDC2\r",
    ),
]


@pytest.mark.parametrize(("message", "sequence", "line"), EXAMPLES, ids=lambda each: getattr(each, "code", ""))
def test_the_protocols_own_examples_are_written_and_read(message: Message, sequence: int | None, line: bytes) -> None:
    assert message.to_bytes(sequence) == line
    assert type(message).from_bytes(line[:-1]).to_bytes(sequence) == line


def test_the_guides_answer_to_a_login_and_to_a_refused_checkout_are_read() -> None:
    assert read_answer(b"941AY3AZFDFA", "ascii") == (LoginResponse(ok=True), 3, True)
    text = (
        b"120NNY19960212    100514AO|AA104000000105|AB000000000005792|AJ|AH|AFItem cannot be charged : see help desk"
        b"|AGItem can not be charged : see help desk|"
    )
    line = text + b"AY3AZ" + checksum(text + b"AY3AZ")
    received = read_answer(line, "ascii")
    assert isinstance(received.message, CheckoutResponse)
    assert (received.message.ok, received.message.desensitize, received.message.item) == (
        False,
        True,
        "0" * 11 + "5792",
    )
    assert received.message.transaction_date == AT
    assert received.message.screen_message == ("Item cannot be charged : see help desk",)


def test_a_status_without_its_optional_fields_is_read_and_one_cut_short_is_not() -> None:
    line = b"98YYYYNN01000319960214    1447001.00AOID_21|"
    read = AcsStatus.from_bytes(line)
    assert (read.on_line, read.off_line_ok, read.timeout, read.supported_messages) == (True, False, 10, None)
    for end in range(2, 35):
        with pytest.raises(Sip2Error) as raised:
            AcsStatus.from_bytes(line[:end])
        assert raised.value.fault is Sip2Fault.MALFORMED


def test_chinese_travels_in_utf_8_and_in_gbk_whose_second_byte_may_be_the_delimiter() -> None:
    title = "書|".removesuffix("|") + "亅倈"
    assert b"|" in title.encode("gbk"), "the example no longer has the trap in it"
    for encoding in ("utf-8", "gbk"):
        answer = CheckoutResponse(
            ok=True, renewal_ok=False, magnetic_media=False, desensitize=True, transaction_date=AT,
            institution="city", patron="p", item="31", title=title, due="x",
        )  # fmt: skip
        line = answer.to_bytes(4, encoding)
        assert read_answer(line[:-1], encoding) == (answer, 4, True)


def test_a_date_in_utc_says_so_and_an_unreadable_one_is_none() -> None:
    moment = datetime(2026, 11, 26, 4, 30, 0, tzinfo=UTC)
    message = ItemInformation(moment, "o", "i")
    assert message.to_text() == "1720261126   Z043000AOo|ABi|"
    assert ItemInformation.from_text(message.to_text()).transaction_date == moment
    assert ItemInformation.from_text("17" + "99999999    999999" + "AOo|ABi|").transaction_date is None


@pytest.mark.parametrize("hostile", ["a|AAother", "a\rb", "a\x00", "a\u2028b"])
def test_nothing_that_is_put_into_a_field_can_become_another_field(hostile: str) -> None:
    with pytest.raises(Sip2Error):
        ItemInformation(AT, "o", hostile).to_bytes(1)


def test_repr_names_no_reader_and_no_book() -> None:
    login = Login("0", "0", "desk", "secret-word")
    assert "secret" not in repr(login)
    assert repr(EXAMPLES[3][0]) == "<PatronInformation 63>"


def test_no_line_with_one_changed_byte_counts_as_checked() -> None:
    line = EXAMPLES[5][2][:-1]
    chance = random.Random(11)
    for place in range(len(line) - 4):
        changed = bytearray(line)
        changed[place] = (changed[place] + chance.randrange(1, 256)) % 256
        assert not is_checked(bytes(changed)), f"byte {place}"


def is_checked(line: bytes) -> bool:
    try:
        return from_bytes(line, "latin-1").checked
    except Sip2Error:
        return False


def test_garbage_is_refused_and_nothing_else_happens() -> None:
    chance = random.Random(7)
    codes = [kind.code.encode() for kind in messages._ANSWERS.values()]
    read = 0
    for _ in range(5_000):
        body = chance.choice(codes) + bytes(
            chance.choices(b"YN01 |AEFHJBV" + bytes(range(256)), k=chance.randrange(90))
        )
        body += b"AZ"
        with suppress(Sip2Error):
            read_answer(body + checksum(body), chance.choice(["utf-8", "gbk", "latin-1"]))
            read += 1
    assert read > 0, "the garbage never came near a message"


def test_lines_come_out_as_they_went_in_however_they_are_split_and_ended() -> None:
    chance = random.Random(3)
    lines = [bytes(chance.choices(range(32, 127), k=chance.randrange(1, 80))) for _ in range(200)]
    stream = b"".join(line + chance.choice([b"\r", b"\r\n", b"\n", b"\r\n\r\n"]) for line in lines)
    for most in (1, 7, 4096):
        buffer, came, place = LineBuffer(), [], 0
        while place < len(stream):
            size = chance.randrange(1, most + 1)
            buffer.feed(stream[place : place + size])
            place += size
            while (line := buffer.next()) is not None:
                came.append(line)
        assert came == lines


def test_a_line_without_end_is_given_up_at_its_bound() -> None:
    buffer = LineBuffer()
    buffer.feed(b"x" * MAX_LINE_BYTES)
    with pytest.raises(Sip2Error) as raised:
        buffer.feed(b"x")
    assert raised.value.fault is Sip2Fault.TOO_LONG
    assert buffer.next() is None
    buffer.feed(b"x" * MAX_LINE_BYTES + b"\r")
    assert len(buffer.next() or b"") == MAX_LINE_BYTES


def test_a_patrons_list_of_items_is_read_whole_and_blank_counts_are_none() -> None:
    text = "64" + " " * 14 + "019" + "20261126    120000" + "    " + "0002" * 5 + "AO|AAp|AUone|AUtwo|AU|ZZ?|BV1.50|"
    read = PatronInformationResponse.from_text(text)
    assert (read.hold_count, read.charged_count, read.charged_items) == (None, 2, ("one", "two", ""))
    assert (read.fee_amount, read.valid_patron) == ("1.50", None)
