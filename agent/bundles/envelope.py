"""The bundle file: ``OCB1``, the length of the envelope (2 bytes, big-endian), the envelope, the body to the end.

The envelope is a COSE_Sign1 around the manifest (RFC 9052 §4.2); over MQTT it travels alone, and the body in chunks.
``external_aad`` keeps what any other part of the system signed from being taken for a manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from agent import cose
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import MAX_MANIFEST_BYTES
from profiles.reasons import Sentence

MAGIC = b"OCB1"
CONTEXT = b"onecard bundle 1"
MAX_ENVELOPE_BYTES = MAX_MANIFEST_BYTES + 256
_LENGTH_BYTES = 2


def seal(manifest: bytes, signer: cose.Signer) -> bytes:
    """The envelope around an encoded manifest."""
    return cose.sign1(manifest, signer, CONTEXT)


def unseal(envelope: bytes, keys: Mapping[bytes, cose.VerifyKey]) -> cose.Signed:
    """The manifest's bytes and the ``kid`` that signed them. Raises :class:`BundleError`."""
    try:
        return cose.verify1(envelope, keys, CONTEXT, max_payload_bytes=MAX_MANIFEST_BYTES)
    except cose.CoseError as error:
        raise BundleError(BundleFault.SIGNATURE, error) from error


def head(envelope: bytes) -> bytes:
    """What stands in a bundle file before its body."""
    return MAGIC + len(envelope).to_bytes(_LENGTH_BYTES, "big") + envelope


def read_envelope(file: BinaryIO) -> bytes:
    """The envelope; ``file`` then stands at the body. Raises :class:`BundleError` and ``OSError``."""
    start = file.read(len(MAGIC) + _LENGTH_BYTES)
    if len(start) != len(MAGIC) + _LENGTH_BYTES or not start.startswith(MAGIC):
        raise BundleError(BundleFault.NOT_A_BUNDLE)
    size_bytes = int.from_bytes(start[len(MAGIC) :], "big")
    envelope = file.read(size_bytes) if size_bytes <= MAX_ENVELOPE_BYTES else b""
    if not size_bytes or len(envelope) != size_bytes:
        raise BundleError(
            BundleFault.NOT_A_BUNDLE,
            Sentence("签名部分缺失、不完整或过长", "the envelope is missing, cut short or too long"),
        )
    return envelope
