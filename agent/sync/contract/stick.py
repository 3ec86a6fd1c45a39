"""What travels on a stick: parts of the journal, signed and sealed, and the acknowledgement that returns.

Both are COSE_Sign1, each with an ``external_aad`` of its own, so that nothing that was signed for the link is good on a
stick, or the other way round. A part is signed by the terminal, since on a stick no certificate says whose it is, and
sealed for the platform (HPKE, :mod:`agent.sealing`), since sticks are lost. The acknowledgement is bound to terminal,
chain, record and hash; it bears no nonce, and needs none: an old one says what the terminal knows already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field

from agent import cbor, cose, sealing
from agent.sync.contract.errors import ContractError
from agent.sync.contract.messages import ChainId, Hash, JournalBatch, Seq, TerminalId, TimeMs
from agent.sync.contract.wire import Key, Message

MAX_ACKNOWLEDGEMENT_BYTES = 512
MAX_ACKNOWLEDGEMENT_FILE_BYTES = 1024
_PART_CONTEXT = b"onecard stick part 1"
_ACK_CONTEXT = b"onecard stick acknowledgement 1"
_SEAL_CONTEXT = "onecard stick part 1"
_SIGN1_TAG = 0xD2
_OVERHEAD_BYTES = 256
_BATCH = b"\x01\x67journal"
_BEGINNING_BYTES = 16


class StickPart(Message):
    """Up by stick: consecutive records from ``first_seq`` on; ``sealed`` holds one ``journal`` message."""

    MAX_BYTES: ClassVar[int] = JournalBatch.MAX_BYTES + sealing.OVERHEAD_BYTES + _OVERHEAD_BYTES
    kind: Annotated[Literal["stick-part"], Key(1)] = "stick-part"
    terminal: Annotated[TerminalId, Key(2)]
    chain_id: Annotated[ChainId, Key(3)]
    first_seq: Annotated[Seq, Key(4)]
    last_seq: Annotated[Seq, Key(5)]
    kid: Annotated[bytes, Field(min_length=8, max_length=8), Key(6)]
    sealed: Annotated[bytes, Field(min_length=sealing.OVERHEAD_BYTES + 1, repr=False), Key(7)]


MAX_PART_BYTES = StickPart.MAX_BYTES + _OVERHEAD_BYTES


class StickAcknowledgement(Message):
    """Down by stick: every record of the chain up to ``seq``, whose hash is ``hash``, is committed by the platform."""

    MAX_BYTES: ClassVar[int] = MAX_ACKNOWLEDGEMENT_BYTES
    kind: Annotated[Literal["stick-ack"], Key(1)] = "stick-ack"
    terminal: Annotated[TerminalId, Key(2)]
    chain_id: Annotated[ChainId, Key(3)]
    issued_ms: Annotated[TimeMs, Key(4)]
    seq: Annotated[Seq, Key(5)]
    hash: Annotated[Hash, Key(6)]


_Own = TypeVar("_Own", StickPart, StickAcknowledgement)


@dataclass(frozen=True)
class PartMaker:
    """The terminal's side: signs with its checkpoint key, seals for one key of the platform's role ``sealing``."""

    terminal: str
    signer: cose.Signer = field(repr=False)
    recipient: cose.VerifyKey

    def part(self, batch: JournalBatch) -> bytes:
        """One part of an export."""
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.recipient.key.encoded)
        sealed = sealing.seal(batch.encode(), public, _info(self.terminal, batch.chain_id, batch.first_seq))
        part = StickPart(
            terminal=self.terminal,
            chain_id=batch.chain_id,
            first_seq=batch.first_seq,
            last_seq=batch.last_seq,
            kid=self.recipient.kid,
            sealed=sealed,
        )
        return cose.sign1(part.encode(), self.signer, _PART_CONTEXT)


def is_part(payload: bytes) -> bool:
    """Whether bytes begin as a signed part does, and not as a bare ``journal`` message."""
    return payload[:1] == bytes([_SIGN1_TAG])


def is_batch(payload: bytes) -> bool:
    """Whether bytes begin as a bare ``journal`` message does: a map whose first entries are version and kind."""
    return payload[:1] >= b"\xa0" and _BATCH in payload[:_BEGINNING_BYTES]


def check_part(payload: bytes, keys: Mapping[bytes, cose.VerifyKey], terminal: str) -> StickPart:
    """A part that one of the ``keys`` of ``terminal`` signed; still sealed. Raises :class:`ContractError`."""
    try:
        signed = cose.verify1(payload, keys, _PART_CONTEXT, max_payload_bytes=StickPart.MAX_BYTES)
    except cose.CoseError as error:
        raise ContractError(str(error)) from error
    return _of(StickPart.decode(signed.payload), terminal)


def open_part(part: StickPart, private: ec.EllipticCurvePrivateKey) -> bytes:
    """The ``journal`` message in a part that was checked. Raises :class:`ContractError`."""
    if part.kid != cose.key_id(private.public_key()):
        raise ContractError("sealed for another key of the platform")
    try:
        return sealing.unseal(part.sealed, private, _info(part.terminal, part.chain_id, part.first_seq))
    except sealing.SealBroken as error:
        raise ContractError(str(error)) from error


def sign_acknowledgement(acknowledgement: StickAcknowledgement, signer: cose.Signer) -> bytes:
    """The content of the file that goes back."""
    return cose.sign1(acknowledgement.encode(), signer, _ACK_CONTEXT)


def open_acknowledgement(payload: bytes, keys: Mapping[bytes, cose.VerifyKey], terminal: str) -> StickAcknowledgement:
    """An acknowledgement that one of the platform's ``keys`` signed for ``terminal``. Raises :class:`ContractError`."""
    try:
        signed = cose.verify1(payload, keys, _ACK_CONTEXT, max_payload_bytes=MAX_ACKNOWLEDGEMENT_BYTES)
    except cose.CoseError as error:
        raise ContractError(str(error)) from error
    return _of(StickAcknowledgement.decode(signed.payload), terminal)


def _of(message: _Own, terminal: str) -> _Own:
    if message.terminal != terminal:
        raise ContractError(f"it names the terminal {message.terminal}, and not {terminal}")
    return message


def _info(terminal: str, chain_id: bytes, first_seq: int) -> bytes:
    return cbor.encode([_SEAL_CONTEXT, terminal, chain_id, first_seq])
