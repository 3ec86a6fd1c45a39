"""Which keys may sign what: one ring a role, and the ``keys`` bundle that rotates them.

A new terminal gets its first keys at enrolment (``platform-<role>.pem`` in its key store). From then on a ``keys``
bundle, signed by a root key that is in force, replaces all rings at once. Rotation is overlap: one bundle names the
old and the new key, a later one the new key only. The root rotates in the same way, signed by the old root.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from agent import cose
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Kind
from agent.keys import KeyStore, KeyStoreError, Role
from agent.sync.contract.errors import ContractError
from agent.sync.contract.wire import Key, Message, Wire
from profiles.reasons import Sentence

MAX_KEYS = 32
MAX_PEM_BYTES = 1024
Rings = Mapping[Role, Mapping[bytes, cose.VerifyKey]]

SIGNER_OF: Mapping[Kind, Role] = {
    Kind.KEYS: Role.ROOT,
    Kind.TRUST: Role.ROOT,
    Kind.STATUS: Role.BUNDLE,
    Kind.EMERGENCY: Role.BUNDLE,
    Kind.REGISTER: Role.BUNDLE,
    Kind.ROSTER: Role.BUNDLE,
    Kind.HCERT: Role.ROOT,
    Kind.PRICES: Role.BUNDLE,
    Kind.TARIFF: Role.BUNDLE,
    Kind.CALENDAR: Role.BUNDLE,
    Kind.CONFIGURATION: Role.BUNDLE,
    Kind.LEASE: Role.BUNDLE,
}


class RoleKey(Wire):
    """One public key and the one role it has: PEM ``SubjectPublicKeyInfo`` (RFC 7468 §13)."""

    role: Annotated[Annotated[Role, Field(strict=False)], Key(1)]
    pem: Annotated[bytes, Field(min_length=1, max_length=MAX_PEM_BYTES), Key(2)]


class RoleKeys(Message):
    """The content of a ``keys`` bundle: every key that is valid from now on."""

    MAX_BYTES: ClassVar[int] = MAX_KEYS * (MAX_PEM_BYTES + 32)
    rows: Annotated[tuple[RoleKey, ...], Field(min_length=1, max_length=MAX_KEYS), Key(1)]


def rings_of(content: bytes) -> Rings:
    """The rings that a ``keys`` bundle holds. Raises :class:`BundleError`."""
    try:
        stated = [(row.role, cose.VerifyKey.from_pem(row.pem)) for row in RoleKeys.decode(content).rows]
    except (ContractError, cose.CoseError) as error:
        raise BundleError(BundleFault.CONTENT, error) from error
    if len({key.kid for _, key in stated}) != len(stated):
        raise BundleError(
            BundleFault.CONTENT, Sentence("一把密钥只有一种角色，且只出现一次", "a key has one role and stands once")
        )
    rings = {role: cose.keyring(key for of, key in stated if of is role) for role in Role}
    if not rings[Role.ROOT]:
        raise BundleError(
            BundleFault.CONTENT,
            Sentence(
                "没有 root 密钥的密钥包之后再无法更新",
                "a keys bundle without a root could never be followed by another",
            ),
        )
    return rings


def enrolled_rings(store: KeyStore) -> Rings:
    """The rings of the enrolment; a role without a key file has none, and nothing of it is believed."""
    return {role: _enrolled(store, role) for role in Role}


def _enrolled(store: KeyStore, role: Role) -> Mapping[bytes, cose.VerifyKey]:
    try:
        return store.platform_keys(role)
    except KeyStoreError:
        return {}


@dataclass(frozen=True)
class Signatory:
    """Who signed: the rings in force, asked as one for the signature and then for the role."""

    rings: Rings

    @property
    def all_keys(self) -> Mapping[bytes, cose.VerifyKey]:
        """Every key of every role, by ``kid``."""
        return {kid: key for ring in self.rings.values() for kid, key in ring.items()}

    def may_sign(self, kid: bytes, kind: Kind) -> bool:
        """Whether the key has the role that this kind asks for."""
        return kid in self.rings.get(SIGNER_OF[kind], {})
