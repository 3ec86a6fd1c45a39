"""The keys that seal what only the platform may read: one for each start of the agent and each day (UTC).

A key lies in memory only. Before its first use a record hands it to the platform, sealed for every key of the role
``sealing`` that is in force (HPKE: :mod:`agent.sealing`). So the terminal writes what it cannot read any more after a
restart, and whoever takes its disk reads nothing. The form of a sealed field is told in
:mod:`offline_store.sealing`, which declares what the journal asks of this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent import cbor, cose, sealing
from agent.clock import Random
from offline_store.errors import CannotSeal
from offline_store.record import ID_BYTES, Value
from offline_store.sealing import NONCE_BYTES, OVERHEAD_BYTES

KEY_BYTES = 32
DAY_MS = 86_400_000
_KEY_CONTEXT = "onecard day key 1"
_FIELD_CONTEXT = "onecard sealed field 1"

Recipients = Callable[[], Mapping[bytes, cose.VerifyKey]]
"""The platform's public keys of the role ``sealing``, by ``kid``, as they are in force at this moment."""


class DayKey:
    """One key and its counter. Raises :class:`~offline_store.errors.CannotSeal` where nobody could open it."""

    def __init__(self, record_id: bytes, terminal: str, key: bytes, recipients: Mapping[bytes, cose.VerifyKey]) -> None:
        if not recipients:
            raise CannotSeal
        self.id = record_id
        self._terminal = terminal
        self._cipher = AESGCM(key)
        self._used = 0
        info = _key_info(terminal, record_id)
        wrapped = tuple((kid, sealing.seal(key, _point(public), info)) for kid, public in sorted(recipients.items()))
        self.public: Mapping[str, Value] = {"terminal": terminal, "for": wrapped}

    def seal(self, secret: bytes, record_id: bytes) -> bytes:
        """See :mod:`offline_store.sealing`."""
        self._used += 1
        nonce = self._used.to_bytes(NONCE_BYTES, "big")
        return self.id + nonce + self._cipher.encrypt(nonce, secret, _field_aad(self._terminal, self.id, record_id))


@dataclass(slots=True)
class DayKeys:
    """The journal's sealer. ``new_id`` draws the ids of the records that hand keys over."""

    terminal: str
    recipients: Recipients
    new_id: Callable[[], bytes]
    random: Random
    _key: DayKey | None = field(default=None, repr=False)
    _made_for: tuple[int, tuple[bytes, ...]] = (-1, ())

    def ready(self) -> bool:
        """Whether the platform has told a key of its own."""
        return bool(self.recipients())

    def key(self, now_ms: int) -> DayKey:
        """The key of this day and these recipients. Raises :class:`~offline_store.errors.CannotSeal`."""
        recipients = self.recipients()
        wanted = now_ms // DAY_MS, tuple(sorted(recipients))
        if self._key is None or wanted != self._made_for:
            self._key = DayKey(self.new_id(), self.terminal, self.random.token(KEY_BYTES), recipients)
            self._made_for = wanted
        return self._key


def open_day_key(wrapped: bytes, private: ec.EllipticCurvePrivateKey, terminal: str, key_id: bytes) -> bytes:
    """The platform's side: the key that a ``sealing-key`` record hands over. Raises ``sealing.SealBroken``."""
    key = sealing.unseal(wrapped, private, _key_info(terminal, key_id))
    if len(key) != KEY_BYTES:
        raise sealing.SealBroken("a day key has 32 bytes")
    return key


def key_of_field(sealed: bytes) -> bytes:
    """The id of the record that hands over a field's key. Raises ``sealing.SealBroken``."""
    if len(sealed) <= OVERHEAD_BYTES:
        raise sealing.SealBroken("a sealed field is longer")
    return sealed[:ID_BYTES]


def open_field(sealed: bytes, key: bytes, terminal: str, record_id: bytes) -> bytes:
    """The secret of one record's sealed field. Raises ``sealing.SealBroken``."""
    key_id = key_of_field(sealed)
    nonce = sealed[ID_BYTES : ID_BYTES + NONCE_BYTES]
    try:
        ciphertext = sealed[ID_BYTES + NONCE_BYTES :]
        return AESGCM(key).decrypt(nonce, ciphertext, _field_aad(terminal, key_id, record_id))
    except InvalidTag as error:
        raise sealing.SealBroken("not sealed by this key for this record") from error


def _key_info(terminal: str, key_id: bytes) -> bytes:
    return cbor.encode([_KEY_CONTEXT, terminal, key_id])


def _field_aad(terminal: str, key_id: bytes, record_id: bytes) -> bytes:
    return cbor.encode_ordered([_FIELD_CONTEXT, terminal, key_id, record_id])


def _point(public: cose.VerifyKey) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public.key.encoded)
