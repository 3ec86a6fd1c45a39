"""Questions in simulated time: answered once, in time, by the platform alone, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cbor, cose, sealing
from agent.credentials.evidence import CodeEvidence
from agent.question_forms import code_sealer, unseal, unseal_code
from agent.questions import MAX_OPEN, MAX_PAST, Questions
from agent.sealing import SealBroken
from agent.sync.contract import Address, Alarm, Channel, decode_question, question_hash, sign_reply
from agent.sync.contract import questions as wire
from profiles.api import Ask, Subject
from profiles.questions import (
    Answer,
    Answered,
    AnsweredLate,
    Authorise,
    Authorised,
    Balance,
    ClaimReturn,
    Declined,
    Money,
    QueryBalance,
    QueryTravel,
    Renew,
    Renewed,
    Resolve,
    Resolved,
    ReturnClaimed,
    Travelled,
    Unanswered,
)
from tests.agent.seeded import SeededRandom
from tests.agent.simulated import SimulatedClock, run_simulated

TERMINAL = "till-1"
INTENT, ABOUT = b"i" * 16, b"a" * 16
MONEY = Money(1250, INTENT, "canteen-1", "20261123")
PAYING = Authorise(MONEY)
DEADLINE_MS = 2_000
SIGNER = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
STRANGER = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
KEYS = cose.keyring([cose.VerifyKey.of(SIGNER.key.public_key())])
SEALING = ec.generate_private_key(ec.SECP256R1())
SEALING_KEYS = cose.keyring([cose.VerifyKey.of(SEALING.public_key())])


class Desk:
    """Questions over a link that is up or down, the platform that sees them, and what the lane heard."""

    def __init__(self) -> None:
        self.up = True
        self.sent: list[bytes] = []
        self.heard: list[object] = []
        self.alarms: list[Alarm] = []
        self.clock = SimulatedClock()
        self.sealing_keys = SEALING_KEYS
        self.questions = Questions(
            TERMINAL,
            self._send,
            lambda: KEYS,
            code_sealer(TERMINAL, lambda: self.sealing_keys),
            self.alarms.append,
            self.clock,
            SeededRandom(),
        )

    def _send(self, payload: bytes) -> bool:
        if self.up:
            self.sent.append(payload)
        return self.up

    def ask(self, question: Any = PAYING, about: bytes = ABOUT, deadline_ms: int = DEADLINE_MS) -> None:
        ask = Ask(question, deadline_ms, about, medium=b"m" * 16, subject=Subject("city", b"s" * 16))
        self.questions.ask(ask, self.heard.append)

    def bound(self, sent: int = -1, **changes: object) -> dict[str, Any]:
        """What binds a reply to a question."""
        payload = self.sent[sent]
        question = decode_question(payload)
        return {
            "terminal": TERMINAL,
            "nonce": question.nonce,
            "question": question_hash(payload),
            "issued_ms": question.asked_ms + 1,
            "expires_ms": question.expires_ms,
        } | changes

    def yes(self, sent: int = -1, **changes: object) -> wire.Authorised:
        fields = self.bound(sent) | {"intent_id": INTENT, "amount_fen": 1250, "until_ms": 2**52} | changes
        return wire.Authorised(**fields)

    def reply(self, reply: wire.Reply, signer: cose.Es256Signer = SIGNER) -> None:
        self.questions.answered(sign_reply(reply, signer))

    def refused(self) -> list[str | None]:
        assert all(alarm.code == "answer-refused" for alarm in self.alarms)
        return [alarm.source for alarm in self.alarms]


def simulated(test: Callable[[Desk], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test on a desk in simulated time."""

    async def main() -> None:
        await test(Desk())

    def wrapper() -> None:
        run_simulated(main())

    wrapper.__name__ = test.__name__
    return wrapper


async def until_the_end() -> None:
    await asyncio.sleep(DEADLINE_MS / 1000 + 0.001)


@simulated
async def test_an_answer_in_time_is_told_once_and_the_deadline_after_it_says_nothing(desk: Desk) -> None:
    desk.ask()
    desk.reply(desk.yes(balance_fen=7))
    desk.reply(desk.yes(balance_fen=7))
    await until_the_end()
    desk.reply(desk.yes(balance_fen=7))
    assert desk.heard == [Answered(ABOUT, Authorised(INTENT, 1250, 7))]
    assert desk.questions.counters["repeated"] == 2
    assert desk.alarms == []


@simulated
async def test_the_question_says_what_is_asked_for_how_long_and_about_whom(desk: Desk) -> None:
    desk.ask()
    question = decode_question(desk.sent[0])
    assert isinstance(question, wire.Authorise)
    assert (question.intent_id, question.amount_fen, question.merchant) == (INTENT, 1250, "canteen-1")
    assert (question.medium, question.subject) == (b"m" * 16, ("city", b"s" * 16))
    assert question.expires_ms - question.asked_ms == DEADLINE_MS


@simulated
async def test_without_an_answer_the_deadline_is_told_once_and_a_late_yes_once_after_it(desk: Desk) -> None:
    desk.ask()
    await until_the_end()
    assert desk.heard == [Unanswered(ABOUT)]
    for _ in range(3):
        desk.reply(desk.yes())
    assert desk.heard == [Unanswered(ABOUT), AnsweredLate(ABOUT, Authorised(INTENT, 1250))]
    assert desk.alarms == []


@simulated
async def test_a_late_no_holds_nothing_and_is_only_counted(desk: Desk) -> None:
    desk.ask()
    await until_the_end()
    desk.reply(wire.Declined(**desk.bound(), code="insufficient-funds"))
    assert desk.heard == [Unanswered(ABOUT)]
    assert desk.questions.counters["late"] == 1


@simulated
async def test_an_answer_that_the_loop_takes_up_after_the_deadline_is_late(desk: Desk) -> None:
    desk.ask()
    asyncio.get_running_loop()._jumping.now_s += 3  # type: ignore[attr-defined]  # busy, no timer ran
    desk.reply(desk.yes())
    assert desk.heard == [Unanswered(ABOUT), AnsweredLate(ABOUT, Authorised(INTENT, 1250))]
    await until_the_end()
    assert len(desk.heard) == 2


@simulated
async def test_where_the_link_is_down_or_goes_down_nobody_waits(desk: Desk) -> None:
    desk.up = False
    desk.ask()
    assert desk.heard == [Unanswered(ABOUT)]
    desk.up = True
    desk.ask(about=b"b" * 16)
    desk.questions.disconnected()
    assert desk.heard == [Unanswered(ABOUT), Unanswered(b"b" * 16)]
    desk.reply(desk.yes())
    assert desk.heard[2:] == [AnsweredLate(b"b" * 16, Authorised(INTENT, 1250))]
    await until_the_end()
    assert len(desk.heard) == 3


@simulated
async def test_a_forged_reply_and_one_for_another_topic_change_nothing(desk: Desk) -> None:
    desk.ask()
    desk.reply(desk.yes(), STRANGER)
    acknowledged = cose.sign1(desk.yes().encode(), SIGNER, Address(TERMINAL).topic(Channel.ACK).encode())
    for payload in (acknowledged, b"", b"\xd2", bytes(300), desk.yes().encode()):
        desk.questions.answered(payload)
    assert desk.heard == []
    assert desk.refused() == ["unverified"]
    desk.reply(desk.yes())
    assert len(desk.heard) == 1


@simulated
async def test_the_reply_to_another_terminal_is_refused_however_it_is_signed(desk: Desk) -> None:
    desk.ask()
    foreign = cose.sign1(desk.yes(terminal="till-2").encode(), SIGNER, Address(TERMINAL).topic(Channel.ANSWER).encode())
    desk.questions.answered(foreign)
    desk.reply(desk.yes(terminal="till-2"))
    assert desk.heard == []
    assert desk.refused() == ["foreign", "unverified"]


@simulated
async def test_a_reply_to_no_question_of_this_run_is_stale(desk: Desk) -> None:
    desk.ask()
    desk.reply(desk.yes(nonce=b"n" * 16))
    assert desk.heard == []
    assert desk.refused() == ["stale"]


@pytest.mark.parametrize(
    ("accounts", "fits"),
    [
        ((("medical", 800), ("wallet", 200)), True),
        ((("wallet", 1000),), True),
        ((("medical", 801), ("wallet", 199)), False),
        ((("medical", 800), ("wallet", 450)), False),
        ((("medical", 500), ("medical", 500)), False),
        ((("bank", 1000),), False),
        (None, False),
    ],
)
def test_a_division_among_accounts_counts_only_as_it_was_offered(
    accounts: tuple[tuple[str, int], ...] | None, fits: bool
) -> None:
    async def main() -> None:
        desk = Desk()
        money = MONEY._replace(funds={"subsidy": 250, "account": 1000})
        desk.ask(Authorise(money, (("medical", 800), ("wallet", 5000))))
        desk.reply(desk.yes(accounts=accounts))
        assert desk.heard == ([Answered(ABOUT, Authorised(INTENT, 1250, None, dict(accounts or ())))] if fits else [])
        assert desk.refused() == ([] if fits else ["wrong-question"])

    run_simulated(main())


@pytest.mark.parametrize(
    "change",
    [
        {"question": b"h" * 32},
        {"amount_fen": 1},
        {"intent_id": b"j" * 16},
        {"expires_ms": 1},
        {"issued_ms": 2**52},
        {"until_ms": 5},
        {"accounts": (("wallet", 1250),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_reply_that_does_not_fit_its_question_is_refused(change: dict[str, Any]) -> None:
    async def main() -> None:
        desk = Desk()
        desk.ask()
        desk.reply(desk.yes(**change))
        assert desk.heard == []
        assert desk.refused() == ["wrong-question"]
        desk.reply(desk.yes())
        assert desk.heard == [Answered(ABOUT, Authorised(INTENT, 1250))]

    run_simulated(main())


@simulated
async def test_a_reply_of_another_kind_does_not_fit(desk: Desk) -> None:
    desk.ask()
    desk.reply(wire.Balance(**desk.bound(), balance_fen=1))
    desk.ask(QueryBalance())
    desk.reply(desk.yes())
    assert desk.heard == []
    assert desk.refused() == ["wrong-question"]
    assert desk.questions.counters["refused-wrong-question"] == 2


@simulated
async def test_alarms_about_a_broker_that_forges_at_speed_are_one_a_minute_with_their_number(desk: Desk) -> None:
    for _ in range(500):
        desk.questions.answered(b"forged")
    await asyncio.sleep(61)
    desk.questions.answered(b"forged")
    assert [alarm.count for alarm in desk.alarms] == [1, 500]


@simulated
async def test_open_questions_are_bounded_and_what_is_beyond_is_decided_at_once(desk: Desk) -> None:
    for number in range(MAX_OPEN + 1):
        desk.ask(about=number.to_bytes(16, "big"))
    assert desk.heard == [Unanswered(MAX_OPEN.to_bytes(16, "big"))]
    assert len(desk.sent) == MAX_OPEN
    await until_the_end()
    assert len(desk.heard) == MAX_OPEN + 1


@simulated
async def test_what_no_message_carries_is_not_asked_and_decided_at_once(desk: Desk) -> None:
    desk.ask(Authorise(Money(100_000_001, INTENT, "canteen-1", "20270115")))
    assert desk.heard == [Unanswered(ABOUT)]
    assert (desk.sent, desk.questions.counters["unsent"]) == ([], 1)


@simulated
async def test_only_so_many_ended_questions_are_remembered(desk: Desk) -> None:
    for number in range(MAX_PAST + 1):
        desk.ask(about=number.to_bytes(16, "big"))
        desk.questions.disconnected()
    desk.reply(desk.yes(0))
    assert desk.refused() == ["stale"]
    desk.reply(desk.yes(1))
    assert desk.heard[-1] == AnsweredLate((1).to_bytes(16, "big"), Authorised(INTENT, 1250))


@simulated
async def test_evidence_goes_with_what_asks_about_money_sealed_for_the_platform_and_this_question(desk: Desk) -> None:
    evidence = CodeEvidence("EC1:the whole text").encode()
    for question in (PAYING, QueryBalance()):
        desk.questions.ask(Ask(question, DEADLINE_MS, ABOUT, evidence=evidence), desk.heard.append)
        sent = decode_question(desk.sent[-1])
        assert isinstance(sent, wire.Authorise | wire.QueryBalance)
        assert sent.evidence is not None
        kid, sealed = sent.evidence
        assert kid in SEALING_KEYS
        assert unseal(sealed, SEALING, TERMINAL, sent.nonce) == evidence
        with pytest.raises(SealBroken):
            unseal(sealed, SEALING, TERMINAL, b"another-nonce-16")
        with pytest.raises(SealBroken):
            unseal_code(sealed, SEALING, TERMINAL, sent.nonce)
    desk.sealing_keys = {}
    desk.questions.ask(Ask(PAYING, DEADLINE_MS, ABOUT, evidence=evidence), desk.heard.append)
    without = decode_question(desk.sent[-1])
    assert isinstance(without, wire.Authorise)
    assert without.evidence is None, "asked all the same: the platform decides what it believes"


@simulated
async def test_every_kind_of_question_has_its_answer(desk: Desk) -> None:
    answers: list[Answer] = []
    desk.ask(QueryBalance("subsidy"))
    desk.reply(wire.Balance(**desk.bound(), balance_fen=300))
    answers.append(Balance(300))
    desk.ask(Renew("loan-1"))
    desk.reply(wire.Renewed(**desk.bound(), due_ms=5))
    answers.append(Renewed(5))
    desk.ask(Resolve("https://pay.example/1"))
    desk.reply(wire.Resolved(**desk.bound(), subject=("city", b"s" * 16)))
    answers.append(Resolved("city", b"s" * 16))
    desk.ask(QueryTravel("metro"))
    desk.reply(wire.Travelled(**desk.bound(), station="lake", entered_ms=7, spent_fen=300, spent_date="20240501"))
    answers.append(Travelled("lake", 7, None, 300, "20240501"))
    desk.ask(Renew("loan-1"))
    desk.reply(wire.Declined(**desk.bound(), code="unsupported"))
    answers.append(Declined("unsupported"))
    assert desk.heard == [Answered(ABOUT, answer) for answer in answers]


@simulated
async def test_a_claim_is_asked_in_the_cashiers_name_and_answered_for_what_was_asked(desk: Desk) -> None:
    claim, cashier = ClaimReturn(b"r" * 16, 12_345_678, 500, "shop-1", "20240501"), Subject("city", b"o" * 16)
    desk.questions.ask(Ask(claim, DEADLINE_MS, ABOUT, subject=cashier), desk.heard.append)
    sent = decode_question(desk.sent[-1])
    assert isinstance(sent, wire.ClaimReturn)
    assert (sent.number, sent.amount_fen, sent.subject) == (12_345_678, 500, ("city", b"o" * 16))
    for wrong in ((("account", 499),), (("account", 250), ("account", 250))):
        desk.reply(wire.ReturnClaimed(**desk.bound(), return_id=b"r" * 16, funds=wrong))
    desk.reply(wire.ReturnClaimed(**desk.bound(), return_id=b"x" * 16, funds=(("account", 500),)))
    assert desk.heard == []
    desk.reply(wire.ReturnClaimed(**desk.bound(), return_id=b"r" * 16, funds=(("account", 200), ("subsidy", 300))))
    assert desk.heard == [Answered(ABOUT, ReturnClaimed(b"r" * 16, {"account": 200, "subsidy": 300}))]


@simulated
async def test_a_code_is_sealed_for_the_platform_and_not_asked_about_without_its_key(desk: Desk) -> None:
    desk.ask(Resolve("https://pay.example/secret"))
    question = decode_question(desk.sent[0])
    assert isinstance(question, wire.Resolve)
    assert b"secret" not in desk.sent[0]
    info = cbor.encode(["onecard question 1", TERMINAL, question.nonce])
    assert sealing.unseal(question.sealed, SEALING, info) == b"https://pay.example/secret"
    desk.sealing_keys = {}
    desk.ask(Resolve("https://pay.example/secret"))
    assert desk.heard == [Unanswered(ABOUT)]
    desk.sealing_keys = SEALING_KEYS
    desk.ask(Resolve("码" * 4096))
    assert desk.heard == [Unanswered(ABOUT), Unanswered(ABOUT)]
