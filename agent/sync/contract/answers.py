"""The signed answers on ``down/ack``: COSE_Sign1 around one of :class:`Ack`, :class:`Expect`, :class:`Fork`.

The topic is the ``external_aad``, so that an answer is good for one terminal and one channel only.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent import cose
from agent.sync.contract.errors import ContractError
from agent.sync.contract.messages import Ack, Expect, Fork
from agent.sync.contract.topics import Address, Channel
from agent.sync.contract.wire import decode_map

Answer = Ack | Expect | Fork
MAX_ANSWER_BYTES = 512

_KINDS: Mapping[object, type[Ack | Expect | Fork]] = {"ack": Ack, "expect": Expect, "fork": Fork}
_KIND_KEY = 1


def sign_answer(answer: Answer, signer: cose.Signer) -> bytes:
    """The payload for the terminal that ``answer`` names."""
    return cose.sign1(answer.encode(), signer, _context(answer.terminal))


def open_answer(payload: bytes, keys: Mapping[bytes, cose.VerifyKey], terminal: str) -> Answer:
    """The answer, if one of ``keys`` signed it for ``terminal``. Raises :class:`ContractError`."""
    try:
        signed = cose.verify1(payload, keys, _context(terminal), max_payload_bytes=MAX_ANSWER_BYTES)
    except cose.CoseError as error:
        raise ContractError(str(error)) from error
    return decode_answer(signed.payload)


def decode_answer(payload: bytes) -> Answer:
    """An answer out of its verified payload. Raises :class:`ContractError`."""
    value = decode_map(payload, MAX_ANSWER_BYTES)
    kind = value.get(_KIND_KEY)
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise ContractError("neither ack nor expect nor fork")
    return model.from_value(value)


def _context(terminal: str) -> bytes:
    return Address(terminal).topic(Channel.ACK).encode()
