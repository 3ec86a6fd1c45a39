"""COSE_Sign1: what is signed is what is read, and nothing else opens."""

from __future__ import annotations

from random import Random as Seeded

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from agent import cbor, cose

KEY = ec.generate_private_key(ec.SECP256R1())
SIGNER = cose.Es256Signer(KEY)
KEYS = cose.keyring([cose.VerifyKey.of(KEY.public_key())])


def rebuilt(*, protected: object = None, unprotected: object = None, **parts: object) -> bytes:
    """A message signed over the given protected header, with its other parts replaced."""
    header = protected if isinstance(protected, bytes) else cbor.encode(protected or {1: -7, 4: SIGNER.kid})
    signature = SIGNER.sign(cbor.encode(["Signature1", header, b"", b"payload"]))
    body = [header, unprotected or {}, parts.get("payload", b"payload"), parts.get("signature", signature)]
    return b"\xd2" + cbor.encode(body)


def verify(message: bytes, aad: bytes = b"", limit: int = 1000) -> cose.Signed:
    return cose.verify1(message, KEYS, aad, max_payload_bytes=limit)


def test_a_signed_payload_comes_back_with_its_key() -> None:
    assert verify(cose.sign1(b"payload", SIGNER, b"aad"), b"aad") == cose.Signed(b"payload", SIGNER.kid)
    assert verify(rebuilt()).payload == b"payload"


def test_the_signature_is_over_the_sig_structure_of_rfc_9052() -> None:
    """RFC 9052 §4.4, rebuilt here by hand and verified by the library alone."""
    protected, unprotected, _, signature = cbor2.loads(cose.sign1(b"payload", SIGNER, b"aad")).value
    assert unprotected == {}
    structure = b"\x84\x6aSignature1" + bytes([0x40 + len(protected)]) + protected + b"\x43aad" + b"\x47payload"
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    KEY.public_key().verify(encode_dss_signature(r, s), structure, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(encode_dss_signature(r, s), structure + b"x", ec.ECDSA(hashes.SHA256()))


def test_the_example_of_the_rfc_verifies() -> None:
    """RFC 9052 appendix C.2.1, with the public key of kid ``11`` (appendix C.7.1)."""
    x = 0xBAC5B11CAD8F99F9C72B05CF4B9E26D244DC189F745228255A219A86D6A09EFF
    y = 0x20138BF82DC1B6D562BE0FA54AB7804A3A64B6D72CCFED6B6FB6ED28BBFC117E
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    payload = b"This is the content."
    signature = bytes.fromhex(
        "8eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e"
        "2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36"
    )
    structure = cbor.encode(["Signature1", bytes.fromhex("a10126"), b"", payload])
    assert cose.VerifyKey.of(public).verify(signature, structure)
    assert not cose.VerifyKey.of(public).verify(signature, structure + b"\x00")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (rebuilt()[1:], "tagged"),
        (b"", "tagged"),
        (b"\xd2", "COSE_Sign1"),
        (rebuilt() + b"\x00", "trailing"),
        (rebuilt(unprotected={4: b"kid"}), "unprotected header must be empty"),
        (rebuilt(payload=None), "array of protected"),
        (b"\xd2" + cbor.encode([b"", {}, b""]), "array of protected"),
        (rebuilt(protected=b""), "protected header"),
        (rebuilt(protected=b"\xa0"), "alg and kid"),
        (rebuilt(protected={1: -7}), "alg and kid"),
        (rebuilt(protected={4: SIGNER.kid}), "alg and kid"),
        (rebuilt(protected={1: -7, 2: [9], 4: SIGNER.kid}), "protected header"),
        (rebuilt(protected={1: -7, 2: b"", 4: SIGNER.kid}), "alg and kid"),
        (rebuilt(protected={1: "ES256", 4: SIGNER.kid}), "alg and kid"),
        (rebuilt(protected=b"\xa2\x01\x26\x01\x26"), "protected header"),
        (rebuilt(protected={1: -8, 4: SIGNER.kid}), "not the key's"),
        (rebuilt(protected={1: 0, 4: SIGNER.kid}), "not the key's"),
        (rebuilt(protected={1: -7, 4: b"another!"}), "not trusted"),
        (rebuilt(payload=b"PAYLOAD"), "signature is wrong"),
        (rebuilt(signature=b""), "signature is wrong"),
        (rebuilt(signature=bytes(64)), "signature is wrong"),
        (rebuilt(signature=b"\xff" * 64), "signature is wrong"),
        (rebuilt(signature=encode_dss_signature(5, 7)), "signature is wrong"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_by_the_rules_is_refused_with_its_reason(message: bytes, reason: str) -> None:
    with pytest.raises(cose.CoseError, match=reason):
        verify(message)


def test_the_external_data_counts() -> None:
    with pytest.raises(cose.CoseError, match="signature is wrong"):
        verify(cose.sign1(b"payload", SIGNER, b"topic/a"), b"topic/b")


def test_the_size_is_bounded_before_anything_is_read() -> None:
    with pytest.raises(cose.CoseError, match="are allowed"):
        verify(cose.sign1(bytes(5000), SIGNER), limit=1000)


def test_no_single_flipped_bit_opens() -> None:
    message = cose.sign1(b"payload", SIGNER)
    for place in range(len(message) * 8):
        altered = bytearray(message)
        altered[place // 8] ^= 1 << place % 8
        with pytest.raises(cose.CoseError):
            verify(bytes(altered))


def test_no_random_bytes_open() -> None:
    dice = Seeded(5)
    for size in range(300):
        with pytest.raises(cose.CoseError):
            verify(b"\xd2" + dice.randbytes(size))


def test_only_keys_of_the_table_are_taken() -> None:
    for stranger in (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        with pytest.raises(cose.CoseError, match="P-256"):
            cose.VerifyKey.of(stranger.public_key())
    with pytest.raises(cose.CoseError, match="PEM"):
        cose.VerifyKey.from_pem(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----")


def test_a_public_key_is_read_from_pem_and_named_by_its_content() -> None:
    pem = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert cose.VerifyKey.from_pem(pem).kid == SIGNER.kid
    assert len(SIGNER.kid) == 8


def test_a_signer_shows_nothing_of_its_key() -> None:
    assert "key" not in repr(SIGNER)
