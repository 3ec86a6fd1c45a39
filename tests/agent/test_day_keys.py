"""Day keys: what a terminal seals, the platform opens, and nobody else, not for another record or terminal."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from agent import cose
from agent.day_keys import DAY_MS, DayKeys, key_of_field, open_day_key, open_field
from agent.sealing import SealBroken
from offline_store.errors import CannotSeal
from offline_store.record import Value, new_id
from tests.offline_store.parts import START_MS, SeededRandom

TERMINAL = "till-1"
PLATFORM = ec.derive_private_key(7, ec.SECP256R1())
NEXT = ec.derive_private_key(8, ec.SECP256R1())
RECORD = new_id(START_MS, bytes(10))
SECRET = b"the text of a code"


def ring(*keys: ec.EllipticCurvePrivateKey) -> dict[bytes, cose.VerifyKey]:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pems = [key.public_key().public_bytes(serialization.Encoding.PEM, form) for key in keys]
    return dict(cose.keyring(cose.VerifyKey.from_pem(pem) for pem in pems))


def day_keys(recipients: dict[bytes, cose.VerifyKey]) -> DayKeys:
    dice = random.Random(1)
    return DayKeys(TERMINAL, lambda: recipients, lambda: new_id(START_MS, dice.randbytes(10)), SeededRandom(2))


def wrapped_for(public: Value, key: ec.EllipticCurvePrivateKey) -> bytes:
    assert isinstance(public, tuple)
    rows = [tuple(row) for row in public if isinstance(row, tuple)]
    [wrapped] = [wrapped for kid, wrapped in rows if kid == cose.key_id(key.public_key())]
    assert isinstance(wrapped, bytes)
    return wrapped


def test_the_platform_opens_what_the_terminal_sealed() -> None:
    key = day_keys(ring(PLATFORM)).key(START_MS)
    sealed = key.seal(SECRET, RECORD)
    assert SECRET not in sealed
    day_key = open_day_key(wrapped_for(key.public["for"], PLATFORM), PLATFORM, TERMINAL, key.id)
    assert key_of_field(sealed) == key.id
    assert open_field(sealed, day_key, TERMINAL, RECORD) == SECRET


@given(st.integers(0, 200), st.integers(0, 7))
def test_a_field_in_which_any_bit_was_changed_does_not_open(place: int, bit: int) -> None:
    key = day_keys(ring(PLATFORM)).key(START_MS)
    sealed = bytearray(key.seal(SECRET, RECORD))
    sealed[place % len(sealed)] ^= 1 << bit
    day_key = open_day_key(wrapped_for(key.public["for"], PLATFORM), PLATFORM, TERMINAL, key.id)
    with pytest.raises(SealBroken):
        open_field(bytes(sealed), day_key, TERMINAL, RECORD)


def test_a_field_opens_for_its_own_record_and_terminal_only() -> None:
    key = day_keys(ring(PLATFORM)).key(START_MS)
    sealed, wrapped = key.seal(SECRET, RECORD), wrapped_for(key.public["for"], PLATFORM)
    day_key = open_day_key(wrapped, PLATFORM, TERMINAL, key.id)
    with pytest.raises(SealBroken):
        open_field(sealed, day_key, TERMINAL, new_id(START_MS + 1, bytes(10)))
    with pytest.raises(SealBroken):
        open_field(sealed, day_key, "till-2", RECORD)
    with pytest.raises(SealBroken):
        open_day_key(wrapped, PLATFORM, "till-2", key.id)
    with pytest.raises(SealBroken):
        open_day_key(wrapped, NEXT, TERMINAL, key.id)
    with pytest.raises(SealBroken):
        key_of_field(sealed[:44])


def test_no_nonce_comes_twice() -> None:
    keys = day_keys(ring(PLATFORM))
    fields = [keys.key(START_MS).seal(SECRET, RECORD) for _ in range(100)]
    assert len({sealed[16:28] for sealed in fields}) == 100


def test_a_key_serves_one_day_and_one_set_of_recipients() -> None:
    recipients = ring(PLATFORM)
    keys = day_keys(recipients)
    first = keys.key(START_MS)
    assert keys.key(START_MS + DAY_MS - 1) is first
    assert keys.key(START_MS + DAY_MS).id != first.id
    recipients |= ring(NEXT)
    rotated = keys.key(START_MS + DAY_MS)
    opened = {
        open_day_key(wrapped_for(rotated.public["for"], key), key, TERMINAL, rotated.id) for key in (PLATFORM, NEXT)
    }
    assert len(opened) == 1


def test_without_a_key_of_the_platform_nothing_is_sealed() -> None:
    keys = day_keys({})
    assert not keys.ready()
    with pytest.raises(CannotSeal):
        keys.key(START_MS)
