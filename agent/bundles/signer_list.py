"""The content of an ``hcert`` bundle: certificates of the signers of health certificates, deltas, the list in force.

The certificates are those that the national back end publishes (document signer certificates, DSC), as X.509 in DER.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, TypeVar

from pydantic import Field, model_validator

from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Manifest
from agent.credentials.hcert_keys import SignerInvalid, SignerList, keyring, load_signers
from agent.sync.contract.errors import ContractError
from agent.sync.contract.wire import Key, Message
from profiles.reasons import Sentence

MAX_SIGNERS = 8_192
MAX_CERTIFICATE_BYTES = 4_096
MAX_SIGNERS_BYTES = 16 * 1024 * 1024
_DIGEST_BYTES = 32

_Der = Annotated[bytes, Field(min_length=1, max_length=MAX_CERTIFICATE_BYTES)]
_Digest = Annotated[bytes, Field(min_length=_DIGEST_BYTES, max_length=_DIGEST_BYTES)]
_M = TypeVar("_M", bound=Message)


def _is_set(items: Sequence[bytes]) -> bool:
    return list(items) == sorted(set(items))


class SignersContent(Message):
    """What stands on the terminal: certificates in DER, sorted by their bytes, each once."""

    MAX_BYTES: ClassVar[int] = MAX_SIGNERS_BYTES
    certificates: Annotated[tuple[_Der, ...], Field(max_length=MAX_SIGNERS), Key(1)]

    @model_validator(mode="after")
    def _is_sorted(self) -> SignersContent:
        if not _is_set(self.certificates):
            raise ValueError("certificates stand sorted, each once")
        return self


class SignersDelta(Message):
    """What leads from one list to the next: SHA-256 of the certificates that go, and those that come; both sorted."""

    MAX_BYTES: ClassVar[int] = MAX_SIGNERS_BYTES
    removed: Annotated[tuple[_Digest, ...], Field(max_length=MAX_SIGNERS), Key(1)]
    added: Annotated[tuple[_Der, ...], Field(max_length=MAX_SIGNERS), Key(2)]

    @model_validator(mode="after")
    def _is_sorted(self) -> SignersDelta:
        if not (_is_set(self.removed) and _is_set(self.added)):
            raise ValueError("both stand sorted, each member once")
        return self


def content(certificates: Iterable[bytes]) -> bytes:
    """The content that holds these certificates, in DER."""
    return SignersContent(certificates=tuple(sorted(set(certificates)))).encode()


def delta(old: bytes, new: bytes) -> SignersDelta:
    """What leads from one content to the next. Raises :class:`BundleError`."""
    before, after = (set(_read(SignersContent, side).certificates) for side in (old, new))
    return SignersDelta(
        removed=tuple(sorted(_digest(certificate) for certificate in before - after)),
        added=tuple(sorted(after - before)),
    )


def apply(base: bytes, body: bytes) -> bytes:
    """The content that a delta leads to. Raises :class:`BundleError`."""
    change = _read(SignersDelta, body)
    removed = set(change.removed)
    held = {_digest(certificate): certificate for certificate in _read(SignersContent, base).certificates}
    added = {_digest(certificate): certificate for certificate in change.added}
    if not removed <= held.keys() or added.keys() & held.keys():
        raise BundleError(BundleFault.CONTENT, Sentence("增量不是给这份名单的", "the delta is not for this list"))
    kept = (certificate for digest, certificate in held.items() if digest not in removed)
    after = sorted((*kept, *change.added))
    if len(after) > MAX_SIGNERS:
        raise BundleError(
            BundleFault.CONTENT,
            Sentence("增量后证书数量超过上限", "the delta leads to more certificates than a list may hold"),
        )
    return SignersContent(certificates=tuple(after)).encode()


def in_force(data: bytes, manifest: Manifest) -> SignerList:
    """The list as the terminal uses it. Raises :class:`BundleError`."""
    try:
        keys = [key for der in _read(SignersContent, data).certificates for key in load_signers(der)]
    except SignerInvalid as error:
        raise BundleError(BundleFault.CONTENT, Sentence(error.zh, error.en)) from error
    return SignerList(manifest.term, keyring(keys))


def _read(model: type[_M], data: bytes) -> _M:
    try:
        return model.decode(data)
    except ContractError as error:
        raise BundleError(BundleFault.CONTENT, error) from error


def _digest(certificate: bytes) -> bytes:
    return hashlib.sha256(certificate).digest()
