"""The table of algorithms: each behind the same form, none taken for another."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import signatures
from agent.signatures import Algorithm, KeyInvalid, generate, load_public

KEYS = {algorithm: signatures.generate(algorithm) for algorithm in Algorithm}
every_algorithm = pytest.mark.parametrize("algorithm", Algorithm)


def test_the_table_is_the_one_of_the_code_format() -> None:
    assert [(row.name, row.nibble, row.cose) for row in Algorithm] == [
        ("ES256", 1, -7),
        ("ED25519", 2, -8),
        ("SM2", 3, -65537),
    ]


@every_algorithm
def test_a_signature_verifies_under_its_key_and_no_other(algorithm: Algorithm) -> None:
    private = KEYS[algorithm]
    signature = private.sign(b"data")
    assert len(signature) == signatures.SIGNATURE_BYTES
    assert private.public.verify(signature, b"data")
    assert not private.public.verify(signature, b"date")
    assert not private.public.verify(signature[:-1], b"data")
    assert not private.public.verify(signature + b"\0", b"data")
    for other in (*KEYS.values(), signatures.generate(algorithm)):
        if other is not private:
            assert not other.public.verify(signature, b"data")


@every_algorithm
def test_keys_go_out_and_come_back(algorithm: Algorithm) -> None:
    private = KEYS[algorithm]
    public = signatures.load_public(algorithm, private.public.encoded)
    assert public == private.public
    assert len(public.encoded) == algorithm.key_bytes
    again = signatures.load_private(algorithm, private.raw)
    assert again.public == public
    assert public.verify(again.sign(b""), b"")


@every_algorithm
def test_no_flipped_bit_of_a_signature_verifies(algorithm: Algorithm) -> None:
    signature = KEYS[algorithm].sign(b"data")
    for place in range(8 * len(signature)):
        altered = bytearray(signature)
        altered[place // 8] ^= 1 << place % 8
        assert not KEYS[algorithm].public.verify(bytes(altered), b"data")


@every_algorithm
@settings(deadline=None)
@given(signature=st.binary(max_size=80), data=st.binary(max_size=80))
def test_no_bytes_at_all_raise(algorithm: Algorithm, signature: bytes, data: bytes) -> None:
    assert not KEYS[algorithm].public.verify(signature, data)


@every_algorithm
@settings(deadline=None)
@given(
    encoded=st.one_of(st.binary(max_size=40), st.binary(min_size=33, max_size=33), st.binary(min_size=32, max_size=32))
)
def test_no_bytes_make_a_key_that_is_something_else(algorithm: Algorithm, encoded: bytes) -> None:
    try:
        key = signatures.load_public(algorithm, encoded)
    except KeyInvalid:
        return
    assert (key.algorithm, key.encoded) == (algorithm, encoded)


@pytest.mark.parametrize("encoded", [b"", bytes(33), b"\x04" + bytes(32), b"\x02" + b"\xff" * 32, bytes(65)])
@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.SM2])
def test_what_is_no_compressed_point_is_no_key(algorithm: Algorithm, encoded: bytes) -> None:
    with pytest.raises(KeyInvalid, match=algorithm.name):
        signatures.load_public(algorithm, encoded)


@every_algorithm
@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33)])
def test_a_private_key_has_32_bytes(algorithm: Algorithm, raw: bytes) -> None:
    with pytest.raises(KeyInvalid, match="32 bytes"):
        signatures.load_private(algorithm, raw)


@pytest.mark.parametrize("raw", [bytes(32), b"\xff" * 32])
@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.SM2])
def test_a_number_outside_the_group_is_no_private_key(algorithm: Algorithm, raw: bytes) -> None:
    with pytest.raises(KeyInvalid, match=algorithm.name):
        signatures.load_private(algorithm, raw)


def test_ed25519_verifies_the_example_of_rfc_8032() -> None:
    """RFC 8032 §7.1, TEST 2."""
    private = signatures.load_private(
        Algorithm.ED25519, bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    )
    assert private.public.encoded.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert private.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_es256_takes_what_another_signer_made() -> None:
    """RFC 9052 appendix C.2.1 is verified in test_cose; here a key of the library goes through our form."""
    key = ec.generate_private_key(ec.SECP256R1())
    raw = key.private_numbers().private_value.to_bytes(32, "big")
    numbers = key.public_key().public_numbers()
    encoded = signatures.load_private(Algorithm.ES256, raw).public.encoded
    assert encoded == bytes([2 + (numbers.y & 1)]) + numbers.x.to_bytes(32, "big")


@every_algorithm
def test_a_key_shows_nothing_of_its_secret(algorithm: Algorithm) -> None:
    private = KEYS[algorithm]
    assert private.raw.hex() not in repr(private)
    assert repr(private.raw) not in repr(private)


@pytest.mark.parametrize(
    "y",
    [
        0,
        1,
        2**255 - 20,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        2**255 - 19,  # a second spelling of 0
        2**255 - 18,
    ],
)
@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_a_key_for_which_a_constant_signature_holds_is_no_key(y: int, sign: int) -> None:
    with pytest.raises(KeyInvalid):
        load_public(Algorithm.ED25519, (y | sign).to_bytes(32, "little"))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_signature_with_a_byte_more_is_no_signature(algorithm: Algorithm) -> None:
    key = generate(algorithm)
    signature = key.sign(b"data")
    assert key.public.verify(signature, b"data")
    for longer in (signature[:32] + b"\0" + signature[32:], signature + b"\0", signature[:-1]):
        assert not key.public.verify(longer, b"data")
