"""A profile's question as a message of the contract, a reply as a profile's answer, and whether the two fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from agent import cbor, cose, sealing
from agent.private_answers import ReplyKey, presence_of
from agent.sync.contract import questions as wire
from profiles import questions as asked
from profiles.api import Ask
from profiles.payers import own_share_fen
from profiles.rules.accounts import Offer, is_within
from profiles.subsidies import QuerySubsidies

Seal = Callable[[bytes, bytes], tuple[bytes, bytes] | None]
"""``(text or evidence, nonce)`` → the platform key's ``kid`` and what it seals; ``None`` where none was told."""

_CONTEXT = "onecard question 1"

_FITTING: Mapping[type[wire.Question], type[wire.Reply]] = {
    wire.Authorise: wire.Authorised,
    wire.QueryBalance: wire.Balance,
    wire.Renew: wire.Renewed,
    wire.Resolve: wire.Resolved,
    wire.QueryTravel: wire.Travelled,
    wire.QuerySubsidies: wire.Subsidies,
    wire.ClaimReturn: wire.ReturnClaimed,
}


def code_sealer(terminal: str, recipients: Callable[[], Mapping[bytes, cose.VerifyKey]]) -> Seal:
    """Seals for the first of the platform's keys of the role ``sealing`` (docs/contract.md).

    A code's text is UTF-8, and no evidence is: a CBOR map begins with a byte that begins no UTF-8. So neither can be
    taken for the other.
    """

    def seal(text: bytes, nonce: bytes) -> tuple[bytes, bytes] | None:
        keys = recipients()
        if not keys or len(text) + sealing.OVERHEAD_BYTES > wire.MAX_SEALED_BYTES:
            return None
        kid = min(keys)
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), keys[kid].key.encoded)
        return kid, sealing.seal(text, public, cbor.encode([_CONTEXT, terminal, nonce]))

    return seal


def unseal_code(sealed: bytes, private: ec.EllipticCurvePrivateKey, terminal: str, nonce: bytes) -> str:
    """The platform's side of :func:`code_sealer`. Raises :class:`agent.sealing.SealBroken`."""
    try:
        return unseal(sealed, private, terminal, nonce).decode()
    except UnicodeDecodeError as error:
        raise sealing.SealBroken("what was sealed is no text") from error


def unseal(sealed: bytes, private: ec.EllipticCurvePrivateKey, terminal: str, nonce: bytes) -> bytes:
    """What a terminal sealed for one question. Raises :class:`agent.sealing.SealBroken`."""
    return sealing.unseal(sealed, private, cbor.encode([_CONTEXT, terminal, nonce]))


class _Life(TypedDict):
    nonce: bytes
    asked_ms: int
    expires_ms: int


def wire_question(
    ask: Ask, nonce: bytes, now_ms: int, seal: Seal, reply_key: ReplyKey | None = None
) -> wire.Question | None:
    """The message for ``up/ask``; ``None`` for what cannot be sealed, and for what no message carries, such as a sum
    beyond the contract's. The deadline is cut to the contract's."""
    try:
        return _message(ask, nonce, now_ms, seal, reply_key)
    except ValidationError:
        return None


def _message(
    ask: Ask, nonce: bytes, now_ms: int, seal: Seal, reply_key: ReplyKey | None = None
) -> wire.Question | None:
    expires_ms = now_ms + max(1, min(ask.deadline_ms, wire.MAX_QUESTION_LIFE_MS))
    life = _Life(nonce=nonce, asked_ms=now_ms, expires_ms=expires_ms)
    subject = None if ask.subject is None else (ask.subject.namespace, ask.subject.id)
    match ask.question:
        case asked.Authorise(money, accounts):
            return wire.Authorise(
                **life,
                intent_id=money.intent_id,
                amount_fen=money.amount_fen,
                merchant=money.merchant,
                business_date=money.business_date,
                medium=ask.medium,
                subject=subject,
                account=money.account,
                funds=tuple(money.funds.items()) or None,
                accounts=accounts or None,
                evidence=_sealed_evidence(ask, nonce, seal),
            )
        case asked.QueryBalance(account):
            return wire.QueryBalance(
                **life,
                medium=ask.medium,
                subject=subject,
                account=account,
                evidence=_sealed_evidence(ask, nonce, seal),
            )
        case asked.Renew(loan):
            return wire.Renew(**life, loan=loan, medium=ask.medium, subject=subject)
        case asked.QueryTravel(line):
            return wire.QueryTravel(**life, line=line, medium=ask.medium, subject=subject)
        case asked.ClaimReturn(return_id, number, amount_fen, merchant, date) if subject is not None:
            return wire.ClaimReturn(
                **life,
                return_id=return_id,
                number=number,
                amount_fen=amount_fen,
                merchant=merchant,
                business_date=date,
                subject=subject,
            )
        case asked.ClaimReturn():
            return None  # nobody gives anything back in nobody's name
        case asked.Resolve(text):
            sealed = seal(text.encode(), nonce)
            return None if sealed is None else wire.Resolve(**life, kid=sealed[0], sealed=sealed[1])
        case QuerySubsidies():
            sealed = seal(presence_of(ask.question), nonce)
            if sealed is None or reply_key is None:
                return None
            return wire.QuerySubsidies(
                **life,
                kid=sealed[0],
                sealed=sealed[1],
                reply_key=reply_key.public,
                medium=ask.medium,
                subject=subject,
            )


def _sealed_evidence(ask: Ask, nonce: bytes, seal: Seal) -> tuple[bytes, bytes] | None:
    """The journal seals it too, for good; this one is for the answer, which is given before any record arrives."""
    return None if ask.evidence is None else seal(ask.evidence, nonce)


def fits(reply: wire.Reply, question: wire.Question, question_hash: bytes) -> bool:
    """Whether this is a reply to this question's exact bytes, and says what may be said to it."""
    if reply.question != question_hash or reply.expires_ms != question.expires_ms:
        return False
    if isinstance(reply, wire.Declined):
        return True
    if not isinstance(reply, _FITTING[type(question)]) or reply.issued_ms > reply.expires_ms:
        return False
    match question, reply:
        case wire.Authorise(), wire.Authorised():
            same = reply.intent_id == question.intent_id and reply.amount_fen == question.amount_fen
            return same and reply.until_ms > reply.issued_ms and _divides(reply.accounts, question)
        case wire.ClaimReturn(), wire.ReturnClaimed():
            back_fen = sum(fen for _, fen in reply.funds)
            wanted = question.amount_fen in (None, back_fen)
            return wanted and reply.return_id == question.return_id and len(dict(reply.funds)) == len(reply.funds)
    return True


def _divides(accounts: tuple[tuple[str, int], ...] | None, question: wire.Authorise) -> bool:
    """Whether a reply divides the person's share among the accounts that were offered, and no more."""
    if question.accounts is None or accounts is None:
        return accounts is question.accounts
    own_fen = own_share_fen(question.amount_fen, dict(question.funds or ()))
    offers = [Offer(*offer) for offer in question.accounts]
    return len(dict(accounts)) == len(accounts) and is_within(dict(accounts), own_fen, offers)


def answer_of(reply: wire.Reply, reply_key: ReplyKey | None = None) -> asked.Answer:
    """What the profile hears of it. Raises :class:`agent.sealing.SealBroken` for what is not sealed for this key."""
    match reply:
        case wire.Authorised():
            accounts = None if reply.accounts is None else dict(reply.accounts)
            return asked.Authorised(reply.intent_id, reply.amount_fen, reply.balance_fen, accounts)
        case wire.Declined():
            return asked.Declined(reply.code)
        case wire.Balance():
            return asked.Balance(reply.balance_fen)
        case wire.Renewed():
            return asked.Renewed(reply.due_ms)
        case wire.Resolved():
            return asked.Resolved(*reply.subject)
        case wire.ReturnClaimed():
            return asked.ReturnClaimed(reply.return_id, dict(reply.funds))
        case wire.Travelled():
            return asked.Travelled(reply.station, reply.entered_ms, reply.last_ms, reply.spent_fen, reply.spent_date)
        case wire.Subsidies():
            if reply_key is None:  # it came too late: the key is gone
                raise sealing.SealBroken("the question is over")
            return reply_key.open(reply.sealed, reply.terminal, reply.nonce)
