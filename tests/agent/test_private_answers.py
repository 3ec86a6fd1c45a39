"""What a person asks about themselves: sealed both ways, opened by the one question, and strict about what it holds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cbor, cose, sealing
from agent.private_answers import (
    MAX_ROWS,
    Presence,
    ReplyKey,
    _info,
    presence_of,
    read_presence,
    seal_answer,
)
from agent.sealing import SealBroken
from agent.sync.contract.questions import MAX_REPLY_BYTES, QuerySubsidies
from agent.sync.contract.questions import Subsidies as Reply
from profiles import subsidies as asked
from profiles.subsidies import Subsidies, SubsidyPaid
from tests.agent.test_questions import DEADLINE_MS, SEALING, TERMINAL, Desk, simulated

NONCE = b"n" * 16
ANSWER = Subsidies("张小三", "4321", (SubsidyPaid("耕地地力保护补贴", "20260618", 125_000),), 3)
QUESTION = asked.QuerySubsidies(evidence=b"the whole code")


def test_an_answer_is_opened_by_the_key_of_its_question_alone() -> None:
    key = ReplyKey()
    sealed = seal_answer(ANSWER, key.public, TERMINAL, NONCE)
    assert key.open(sealed, TERMINAL, NONCE) == ANSWER
    assert "张小三".encode() not in sealed
    for opener, terminal, nonce in ((ReplyKey(), TERMINAL, NONCE), (key, "other", NONCE), (key, TERMINAL, b"m" * 16)):
        with pytest.raises(SealBroken):
            opener.open(sealed, terminal, nonce)


def test_the_longest_answer_fits_into_a_reply() -> None:
    paid = tuple(SubsidyPaid("补" * 32, "20260618", -(2**53) + 1) for _ in range(MAX_ROWS))
    sealed = seal_answer(Subsidies("名" * 32, "4321", paid, 10_000), ReplyKey().public, TERMINAL, NONCE)
    life = {"terminal": "t" * 32, "nonce": NONCE, "question": b"h" * 32, "issued_ms": 2**52, "expires_ms": 2**52}
    assert len(Reply.model_validate({**life, "sealed": sealed}).encode()) <= MAX_REPLY_BYTES


ROW = ["补贴", "20260618", 1]


@pytest.mark.parametrize(
    "value",
    [
        [],
        {0: 1},
        {0: 2, 1: "a", 2: "1", 3: [], 4: 0},
        {0: 1, 1: "a", 2: "1", 3: [], 4: -1},
        {0: 1, 1: "a", 2: "1", 3: [], 4: 0, 5: 0},
        {0: 1, 1: "a\n", 2: "1", 3: [], 4: 0},
        {0: 1, 1: "a" * 33, 2: "1", 3: [], 4: 0},
        {0: 1, 1: "a", 2: "1", 3: [ROW] * (MAX_ROWS + 1), 4: 0},
        *({0: 1, 1: "a", 2: "1", 3: [row], 4: 0} for row in (
            [], ["补贴", "2026061", 1], ["补贴", "2026061x", 1], ["补贴", "２０２６０６１８", 1],
            ["补贴", "20260618", "1"], ["补贴", "20260618", True], ["补贴", "20260618", 2**53],
            ["a\x1b", "20260618", 1],
        )),
    ],
)  # fmt: skip
def test_an_answer_of_another_form_is_none(value: Any) -> None:
    key = ReplyKey()
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public)
    sealed = sealing.seal(cbor.encode(value), public, _info(TERMINAL, NONCE))
    with pytest.raises(SealBroken):
        key.open(sealed, TERMINAL, NONCE)


def test_presence_is_a_code_or_a_pin_and_nothing_else() -> None:
    assert read_presence(presence_of(QUESTION)) == Presence(b"the whole code", None)
    assert read_presence(presence_of(asked.QuerySubsidies(pin="123456"))) == Presence(None, "123456")
    for value in (
        {0: 1},
        {0: 1, 3: b"x", 4: "1234"},
        {0: 1, 4: "123"},
        {0: 1, 4: "12345x"},
        {0: 2, 3: b"x"},
        {0: 1, 3: "x"},
    ):
        with pytest.raises(SealBroken):
            read_presence(cbor.encode(value))
    with pytest.raises(SealBroken):
        read_presence(b"\xff")


def test_neither_question_nor_answer_shows_itself() -> None:
    shown = repr(
        (QUESTION, asked.QuerySubsidies(pin="123456"), ANSWER, Presence(None, "123456"), asked.PinEntered("123456"))
    )
    assert not any(secret in shown for secret in ("whole code", "123456", "张小三", "4321", "耕地"))


def sealed_for(desk: Desk, answer: Subsidies = ANSWER, key: bytes | None = None) -> Reply:
    """The platform's reply to the question that was sent last."""
    question = QuerySubsidies.decode(desk.sent[-1])
    return Reply(**desk.bound(), sealed=seal_answer(answer, key or question.reply_key, TERMINAL, question.nonce))


@simulated
async def test_the_lane_hears_what_the_platform_sealed_for_it_and_a_repetition_opens_nothing(desk: Desk) -> None:
    desk.ask(QUESTION)
    reply = sealed_for(desk)
    question = QuerySubsidies.decode(desk.sent[-1])
    assert question.kid == cose.key_id(SEALING.public_key())
    assert b"the whole code" not in desk.sent[-1]
    desk.reply(reply)
    desk.reply(reply)
    assert [getattr(event, "answer", None) for event in desk.heard] == [ANSWER]
    assert desk.questions.counters["repeated"] == 1
    assert not desk.alarms


@simulated
async def test_each_question_has_a_key_of_its_own(desk: Desk) -> None:
    desk.ask(QUESTION)
    desk.ask(QUESTION)
    first, second = (QuerySubsidies.decode(payload) for payload in desk.sent)
    assert first.reply_key != second.reply_key


@simulated
async def test_what_was_sealed_for_another_key_is_refused_and_the_question_stays_open(desk: Desk) -> None:
    desk.ask(QUESTION)
    desk.reply(sealed_for(desk, key=ReplyKey().public))
    assert desk.heard == []
    assert desk.refused() == ["unreadable"]
    desk.reply(sealed_for(desk))
    assert [getattr(event, "answer", None) for event in desk.heard] == [ANSWER]


@simulated
async def test_an_answer_after_the_end_can_be_opened_by_nobody(desk: Desk) -> None:
    desk.ask(QUESTION)
    reply = sealed_for(desk)
    await asyncio.sleep(DEADLINE_MS / 1000 + 1)
    desk.reply(reply)
    assert [type(event).__name__ for event in desk.heard] == ["Unanswered"]
    assert desk.questions.counters["late"] == 1
    assert all(past.reply_key is None for past in desk.questions._past.values())


@simulated
async def test_without_the_platforms_key_nothing_is_asked(desk: Desk) -> None:
    desk.sealing_keys = cose.keyring([])
    desk.ask(QUESTION)
    assert desk.sent == []
    assert [type(event).__name__ for event in desk.heard] == ["Unanswered"]
