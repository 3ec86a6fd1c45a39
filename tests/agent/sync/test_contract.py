"""Topics, messages and signed answers: both ways, to the bound, and against hostile bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from random import Random as Seeded
from typing import Any

import cbor2
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import cbor, cose
from agent.sync.contract import (
    MAX_BATCH_BYTES,
    MAX_BATCH_RECORDS,
    MAX_RECORD_BYTES,
    Ack,
    Address,
    Alarm,
    Answer,
    Authorise,
    Authorised,
    Balance,
    Buffer,
    BundleState,
    Channel,
    Chunk,
    ClaimReturn,
    ClockQuality,
    Condition,
    Configured,
    ContractError,
    Declined,
    DeviceState,
    Expect,
    Fork,
    Hello,
    JournalBatch,
    Offer,
    Presence,
    QueryBalance,
    QueryTravel,
    Question,
    Renew,
    Renewed,
    Reply,
    Report,
    Resolve,
    Resolved,
    ReturnClaimed,
    State,
    Travelled,
    Want,
    decode_question,
    kind_of,
    open_answer,
    open_reply,
    question_hash,
    sign_answer,
    sign_reply,
)
from agent.sync.contract.answers import decode_answer
from agent.sync.contract.downloads import CHUNK_BYTES
from agent.sync.contract.questions import QuerySubsidies, Subsidies, decode_reply
from agent.sync.contract.wire import Message
from offline_store.genesis import GENESIS, Genesis
from offline_store.record import Entry, Money, Record, new_id
from tests.agent.ordering import COMMANDING
from tests.agent.permits.parts import PERMITTING
from tests.agent.sync.cddl import told
from tests.agent.sync.enrolling import ENROLLING

CHAIN, NONCE, HASH = b"c" * 16, b"n" * 16, b"h" * 32
HELLO = Hello(chain_id=CHAIN, nonce=NONCE, first_retained=1, head=2**62, head_hash=HASH)
REPORT = Report(
    software="1.0.0+abc",
    configuration="2024-05-01",
    bundles=(BundleState(name="trust", version=7),),
    devices=(
        DeviceState(name="reader-1", condition=Condition.READY),
        DeviceState(name="relay", condition=Condition.FAILED, reason="silent"),
    ),
    buffer=Buffer(unacknowledged=12, size_bytes=4800, hours_left=37),
    clock=ClockQuality.HOLDOVER,
    clock_uncertainty_ms=1500,
    broker=1,
    configured=Configured(issue=6, on_trial=True, withdrawn=7, why="invalid", at="lanes.gate.profile"),
)
UPLINKS: list[Message] = [
    HELLO,
    JournalBatch(chain_id=CHAIN, first_seq=1, records=(b"r",)),
    JournalBatch(chain_id=CHAIN, first_seq=9, records=(b"record" * 50, b"record" * 60)),
    State(presence=Presence.LOST, since_ms=0),
    State(presence=Presence.ONLINE, since_ms=1, report=REPORT),
    State(presence=Presence.ONLINE, since_ms=1, report=Report(software="1")),
    Alarm(code="forced-open", at_ms=3),
    Alarm(code="answer-refused", at_ms=3, source="stale", count=4, detail="见日志"),
]
ANSWERS: list[Answer] = [
    Ack(terminal="gate-7", chain_id=CHAIN, nonce=NONCE, issued_ms=1, seq=3, hash=HASH),
    Expect(terminal="gate-7", chain_id=CHAIN, nonce=NONCE, issued_ms=1, seq=1),
    Expect(terminal="gate-7", chain_id=CHAIN, nonce=NONCE, issued_ms=1, seq=2, prev_hash=HASH),
    Fork(terminal="gate-7", chain_id=CHAIN, nonce=NONCE, issued_ms=1, seq=3, hash=HASH),
]
INTENT = b"i" * 16
QUESTIONS: list[Question] = [
    Authorise(
        nonce=NONCE,
        asked_ms=5,
        expires_ms=2005,
        intent_id=INTENT,
        amount_fen=1250,
        merchant="canteen-1",
        business_date="20240501",
        medium=b"m" * 16,
        subject=("city", b"s" * 16),
        account="purse",
        funds=(("subsidy", 1000), ("account", 250)),
        accounts=(("medical", 200), ("wallet", 100_000_000)),
        evidence=(b"k" * 8, b"e" * 8192),
    ),
    Authorise(
        nonce=NONCE, asked_ms=5, expires_ms=9, intent_id=INTENT, amount_fen=1, merchant="m", business_date="20240501"
    ),
    QueryBalance(nonce=NONCE, asked_ms=5, expires_ms=6, subject=("city", b"s" * 16)),
    QueryBalance(nonce=NONCE, asked_ms=5, expires_ms=6, medium=b"m" * 16, evidence=(b"k" * 8, b"e")),
    Renew(nonce=NONCE, asked_ms=5, expires_ms=60_005, loan="31234000123456", medium=b"m" * 16),
    Resolve(nonce=NONCE, asked_ms=5, expires_ms=60_005, kid=b"k" * 8, sealed=b"x" * 8192),
    ClaimReturn(
        nonce=NONCE,
        asked_ms=5,
        expires_ms=60_005,
        return_id=b"r" * 16,
        number=10_000_000,
        merchant="m",
        business_date="20240501",
        subject=("city", b"s" * 16),
    ),
    QueryTravel(nonce=NONCE, asked_ms=5, expires_ms=60_005, line="metro", subject=("city", b"s" * 16)),
    QuerySubsidies(nonce=NONCE, asked_ms=5, expires_ms=60_005, kid=b"k" * 8, sealed=b"x", reply_key=b"p" * 65),
    QuerySubsidies(
        nonce=NONCE,
        asked_ms=5,
        expires_ms=6,
        kid=b"k" * 8,
        sealed=b"x" * 8192,
        reply_key=b"p" * 65,
        medium=b"m" * 16,
        subject=("city", b"s" * 16),
    ),
]
_BOUND: Any = {"terminal": "gate-7", "nonce": NONCE, "question": HASH, "issued_ms": 6, "expires_ms": 2005}
REPLIES: list[Reply] = [
    Authorised(**_BOUND, intent_id=INTENT, amount_fen=1250, until_ms=900_000, balance_fen=-3),
    Authorised(**_BOUND, intent_id=INTENT, amount_fen=1250, until_ms=900_000),
    Authorised(**_BOUND, intent_id=INTENT, amount_fen=1250, until_ms=9, accounts=(("medical", 200), ("wallet", 50))),
    Declined(**_BOUND, code="insufficient-funds"),
    Balance(**_BOUND, balance_fen=0),
    Renewed(**_BOUND, due_ms=2**52),
    Resolved(**_BOUND, subject=("city", b"s" * 16)),
    Travelled(**_BOUND),
    ReturnClaimed(**_BOUND, return_id=b"r" * 16, funds=(("account", 5),)),
    Travelled(**_BOUND, station="s" * 64, entered_ms=5, last_ms=2**52, spent_fen=800, spent_date="20240501"),
    Subsidies(**_BOUND, sealed=b"x" * 3584),
]
DOWNLOADS: list[Message] = [
    Offer(envelopes=(b"e",)),
    Offer(envelopes=(b"e" * 1280,) * 8),
    Want(name="status-1", bundle_version=7, body_sha256=HASH, first=0, count=16),
    Chunk(body_sha256=HASH, number=32767, data=b"d" * CHUNK_BYTES),
    Chunk(body_sha256=HASH, number=32767, data=b"d" * CHUNK_BYTES, path=(HASH,) * 15),
]
MESSAGES = [*UPLINKS, *ANSWERS, *QUESTIONS, *REPLIES, *DOWNLOADS, *ENROLLING, *PERMITTING, *COMMANDING]
SIGNER = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
KEYS = cose.keyring([cose.VerifyKey.of(SIGNER.key.public_key())])


def encoded(fields: Mapping[Any, object]) -> bytes:
    return cbor2.dumps(fields, canonical=True)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_comes_back_as_it_went(message: Message) -> None:
    assert type(message).decode(message.encode()) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_is_what_the_cddl_says(message: Message) -> None:
    assert told("message", message.encode()) == ""


def test_every_answer_in_its_envelope_is_what_the_cddl_says() -> None:
    for answer in ANSWERS:
        assert told("signed-answer", sign_answer(answer, SIGNER)) == ""
    assert told("signed-answer", cose.sign1(HELLO.encode(), SIGNER))


def test_the_cddl_refuses_what_the_reader_refuses() -> None:
    fields = cbor2.loads(HELLO.encode())
    for spoiled in ({**fields, 9: 1}, {**fields, 2: b"short"}, {**fields, 5: 0}, {k: fields[k] for k in (0, 1, 2)}):
        assert told("hello", encoded(spoiled))
        with pytest.raises(ContractError):
            Hello.decode(encoded(spoiled))


def records() -> list[Record]:
    """One record of each form: the first of a chain, a bare one, and one with every field."""
    draw = Seeded(3).randbytes
    common = {"time_ms": 1, "time_quality": "synchronised", "monotonic_ms": 5}
    genesis = Entry(id=new_id(1, draw(10)), kind=GENESIS, public=Genesis(CHAIN).to_public(), **common)  # type: ignore[arg-type]
    bare = Entry(id=new_id(2, draw(10)), kind="passage", **common)  # type: ignore[arg-type]
    money = Money(
        amount_fen=-1250,
        intent_id=draw(16),
        merchant="canteen-1",
        business_date="20240501",
        operator="o1",
        shift="noon",
        account="a1",
        funds={"subsidy": -250, "purse": -1000},
    )
    full = Entry(
        id=new_id(3, draw(10)),
        kind="payment",
        lane="north",
        profile="canteen",
        reason="granted",
        medium=draw(16),
        subject=("city", draw(16)),
        refers_to=draw(16),
        money=money,
        public={"rule": "meal", "rules": b"\x01\x82", "n": [1, None, True, {"x": b"y"}]},  # type: ignore[dict-item]
        sealed=bytes(45),
        **common,  # type: ignore[arg-type]
    )
    return [Record(entry, seq, draw(16), HASH) for seq, entry in enumerate((genesis, bare, full), 1)]


def test_every_form_of_record_is_what_the_cddl_says() -> None:
    for record in records():
        assert told("record", record.to_bytes()) == ""
    fields = cbor2.loads(records()[1].to_bytes())
    wrong: list[dict[int, object]] = [{17: b"short"}, {18: 1}, {8: ""}]
    wrong += [{15: public} for public in ({"n": 1.5}, {"rules": b""}, {"rules": bytes(33)}, {"rules": "assurance"})]
    for spoiled in ({**fields, **change} for change in wrong):
        assert told("record", encoded(spoiled))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({0: 2}, "version"),
        ({0: True}, "version"),
        ({1: "journal"}, "kind"),
        ({7: 1}, "unknown key"),
        ({"chain_id": CHAIN}, "narrow form"),
        ({2: "c" * 16}, "chain_id"),
        ({3: b""}, "nonce"),
        ({4: 0}, "first_retained"),
        ({5: 1.0}, "narrow form"),
        ({5: True}, "head"),
        ({5: 2**63}, "head"),
        ({4: 9, 5: 7}, "beyond"),
        ({6: None}, "head_hash"),
    ],
)
def test_a_field_that_does_not_fit_is_named(change: dict[object, object], reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        Hello.decode(encoded({**cbor2.loads(HELLO.encode()), **change}))


@pytest.mark.parametrize("missing", range(7))
def test_no_field_may_be_missing(missing: int) -> None:
    fields = cbor2.loads(HELLO.encode())
    del fields[missing]
    with pytest.raises(ContractError, match="is missing"):
        Hello.decode(encoded(fields))


def test_an_absent_field_is_left_out_and_not_null() -> None:
    with pytest.raises(ContractError, match="left out"):
        State.decode(encoded({0: 1, 1: "state", 2: "lost", 3: 1, 4: None}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xa0",
        b"\x80",
        b"\xf6",
        HELLO.encode() + b"\x00",
        HELLO.encode()[:-1],
        b"\xbf\xff",
        b"\xa2\x00\x01\x00\x01",
        b"\xa1\x18\x00\x01",
        b"\xa2\x01\x01\x00\x01",
        b"\xc5\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x03",
        b"\xc2\x58\xff",
        b"\x9b\x00\x00\xff\xff\xff\xff\xff\xff",
        b"\x5b\x00\x00\xff\xff\xff\xff\xff\xff",
        b"\xa1\x00" * 500,
        b"\x81" * 10_000,
        b"\xd8\x1c\x81\xd8\x1d\x00",
        b"\xa1\xf9\x7e\x00\x01",
        bytes(20_000),
    ],
)
def test_hostile_bytes_are_a_contract_error(data: bytes) -> None:
    for message in (Hello, JournalBatch, State, Alarm, Ack):
        with pytest.raises(ContractError):
            message.decode(data)
    with pytest.raises(ContractError):
        decode_answer(data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MESSAGES), st.data())
def test_no_altered_payload_is_anything_but_a_message_or_a_contract_error(
    message: Message, data: st.DataObject
) -> None:
    payload = bytearray(message.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = type(message).decode(bytes(payload))
    except ContractError:
        return
    if not isinstance(read, JournalBatch):
        assert read.encode() == bytes(payload)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise_anything_else(data: bytes) -> None:
    reads = (decode_question, decode_reply, kind_of)
    for read in (Hello.decode, JournalBatch.decode, State.decode, Alarm.decode, decode_answer, *reads):
        with contextlib.suppress(ContractError):
            read(data)


def test_a_batch_is_compressed_where_that_is_smaller() -> None:
    alike = JournalBatch(chain_id=CHAIN, first_seq=1, records=(b"record " * 40,) * 10)
    random = JournalBatch(chain_id=CHAIN, first_seq=1, records=(Seeded(1).randbytes(300),))
    assert len(alike.encode()) < 200
    assert random.records[0] in random.encode()
    assert alike.last_seq == 10


def test_a_batch_keeps_its_bounds() -> None:
    for batch in ((), (b"",), (b"r",) * (MAX_BATCH_RECORDS + 1), (bytes(MAX_RECORD_BYTES + 1),)):
        with pytest.raises(ValueError, match="records"):
            JournalBatch(chain_id=CHAIN, first_seq=1, records=batch)
    full = MAX_BATCH_BYTES // MAX_RECORD_BYTES
    assert JournalBatch(chain_id=CHAIN, first_seq=1, records=(bytes(MAX_RECORD_BYTES),) * full).encode()
    with pytest.raises(ValueError, match="bytes of records"):
        JournalBatch(chain_id=CHAIN, first_seq=1, records=(bytes(MAX_RECORD_BYTES),) * full + (b"r",))


def packed_batch(packed: object, **more: object) -> bytes:
    return encoded({0: 1, 1: "journal", 2: CHAIN, 3: 1, 5: packed})


def test_a_compressed_batch_is_inflated_only_to_the_bound() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(200 * 1024 * 1024))
    unstated = zstandard.ZstdCompressor(write_content_size=False).compress(cbor.encode([b"r"]))
    good = zstandard.ZstdCompressor().compress(cbor.encode([b"r"]))
    assert len(bomb) < 64 * 1024
    for packed in (bomb, unstated, good + b"\x00", good + good, good[:-1], b"", b"no zstd at all"):
        with pytest.raises(ContractError, match="zstd"):
            JournalBatch.decode(packed_batch(packed))
    assert JournalBatch.decode(packed_batch(good)).records == (b"r",)


def test_a_batch_holds_one_list_and_only_bytes() -> None:
    with pytest.raises(ContractError, match="exactly one"):
        JournalBatch.decode(encoded({0: 1, 1: "journal", 2: CHAIN, 3: 1}))
    with pytest.raises(ContractError, match="exactly one"):
        JournalBatch.decode(encoded({0: 1, 1: "journal", 2: CHAIN, 3: 1, 4: [b"r"], 5: b"r"}))
    for inside in ([1], ["r"], [[b"r"]], {1: b"r"}, []):
        with pytest.raises(ContractError):
            JournalBatch.decode(packed_batch(zstandard.ZstdCompressor().compress(cbor.encode(inside))))


def test_a_message_never_shows_its_records() -> None:
    assert "secret" not in repr(JournalBatch(chain_id=CHAIN, first_seq=1, records=(b"secret",)))
    with pytest.raises(ContractError) as caught:
        Alarm.decode(encoded({0: 1, 1: "alarm", 2: "Secret!", 3: 1, 5: 1}))
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_a_signed_answer_opens_for_its_terminal_only(answer: Ack | Expect | Fork) -> None:
    payload = sign_answer(answer, SIGNER)
    assert open_answer(payload, KEYS, "gate-7") == answer
    with pytest.raises(ContractError, match="signature is wrong"):
        open_answer(payload, KEYS, "gate-8")
    with pytest.raises(ContractError, match="not trusted"):
        open_answer(payload, {}, "gate-7")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: type(question).__name__)
def test_a_question_is_read_by_its_kind(question: Question) -> None:
    payload = question.encode()
    assert kind_of(payload) == question.kind
    assert decode_question(payload) == question


def test_what_is_no_question_of_this_version_is_refused() -> None:
    for payload in (HELLO.encode(), encoded({0: 1}), encoded({0: 1, 1: 2}), encoded({0: 1, 1: "chunk"}), b""):
        with pytest.raises(ContractError):
            decode_question(payload)
    with pytest.raises(ContractError, match="kind"):
        kind_of(encoded({0: 1, 1: 2}))


@pytest.mark.parametrize("change", [{4: 5}, {4: 4}, {4: 60_006}, {6: 0}, {6: -1}, {6: 100_000_001}, {8: "2024051"}])
def test_a_question_ends_soon_and_asks_for_a_sound_amount(change: dict[object, object]) -> None:
    with pytest.raises(ContractError):
        decode_question(encoded({**cbor2.loads(QUESTIONS[0].encode()), **change}))


def test_a_message_never_shows_whom_it_is_about() -> None:
    shown = repr(QUESTIONS) + repr(REPLIES)
    for secret in ("ssss", "mmmm", "xxxx", "31234000123456"):
        assert secret not in shown


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: type(reply).__name__)
def test_a_signed_reply_is_what_the_cddl_says_and_opens_for_its_terminal_and_topic_only(reply: Reply) -> None:
    payload = sign_reply(reply, SIGNER)
    assert told("signed-reply", payload) == ""
    assert open_reply(payload, KEYS, "gate-7") == reply
    with pytest.raises(ContractError, match="signature is wrong"):
        open_reply(payload, KEYS, "gate-8")
    with pytest.raises(ContractError, match="not trusted"):
        open_reply(payload, {}, "gate-7")
    on_another_topic = cose.sign1(reply.encode(), SIGNER, Address("gate-7").topic(Channel.ACK).encode())
    with pytest.raises(ContractError, match="signature is wrong"):
        open_reply(on_another_topic, KEYS, "gate-7")


def test_a_question_that_is_altered_in_any_bit_has_another_hash() -> None:
    payload = QUESTIONS[0].encode()
    altered = {question_hash(bytes([*payload[:at], payload[at] ^ 1, *payload[at + 1 :]])) for at in range(len(payload))}
    assert question_hash(payload) not in altered
    assert len(altered) == len(payload)


@pytest.mark.parametrize("word", ["a\0b", "\n", "", "w" * 65])
def test_words_of_questions_are_printable_and_bounded(word: str) -> None:
    plain = QueryBalance(nonce=NONCE, asked_ms=5, expires_ms=6, subject=("city", b"s" * 16))
    hostile = plain.model_copy(update={"subject": (word, b"s" * 16)})
    with pytest.raises(ContractError):
        decode_question(hostile.encode())
