"""The content of a ``trust`` bundle: its rows as they travel, deltas between two lists, and the list in force.

A reading key is sealed once for each terminal that the list is for (:mod:`agent.sealing`); a bundle for one terminal
holds one seal a row, one for a site as many as the site has terminals. The seal is bound to the row's issuer and kid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Annotated, ClassVar, TypeVar

from pydantic import Field, model_validator

from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Manifest
from agent.credentials.trust import READING_KEY_BYTES, TrustList, TrustRow
from agent.sealing import OVERHEAD_BYTES, SealBroken
from agent.signatures import Algorithm, KeyInvalid, load_public
from agent.sync.contract.errors import ContractError
from agent.sync.contract.messages import TimeMs
from agent.sync.contract.wire import Key, Message, Wire
from profiles.purpose import Purpose
from profiles.reasons import Sentence

MAX_ROWS = 4_096
MAX_SEALS = 1_024
MAX_SITES = 256
MAX_TRUST_BYTES = 8 * 1024 * 1024
RECIPIENT_BYTES = 8
_ENTITLEMENT_BITS = 32
_ALGORITHMS = {algorithm.cose: algorithm for algorithm in Algorithm}

_U16 = Annotated[int, Field(ge=0, le=0xFFFF)]
_Place = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}\z")]
_Entitlement = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}\z")]
_SEALED_BYTES = READING_KEY_BYTES + OVERHEAD_BYTES

Unseal = Callable[[bytes, bytes], bytes]
"""``(sealed, info) -> secret``; raises :class:`agent.sealing.SealBroken`."""


_T = TypeVar("_T", int, str, bytes, tuple[int, int])


def _is_set(items: Sequence[_T]) -> bool:
    return list(items) == sorted(set(items))


class Seal(Wire):
    """The reading key for one terminal."""

    recipient: Annotated[bytes, Field(min_length=RECIPIENT_BYTES, max_length=RECIPIENT_BYTES), Key(1)]
    """The ``kid`` of the terminal's sealing key (:func:`agent.cose.key_id`)."""
    sealed: Annotated[bytes, Field(min_length=_SEALED_BYTES, max_length=_SEALED_BYTES), Key(2)]


class Row(Wire):
    """A :class:`~agent.credentials.trust.TrustRow` as it travels; sets stand sorted, each member once."""

    issuer: Annotated[_U16, Key(1)]
    kid: Annotated[_U16, Key(2)]
    algorithm: Annotated[int, Key(3)]
    """The COSE number, out of :class:`agent.signatures.Algorithm`."""
    public: Annotated[bytes, Field(min_length=32, max_length=33), Key(4)]
    valid_from_ms: Annotated[TimeMs, Key(5)]
    valid_until_ms: Annotated[TimeMs, Key(6)]
    namespace: Annotated[str, Field(min_length=1, max_length=64), Key(7)]
    entitlements: Annotated[int, Field(ge=0, le=0xFFFF_FFFF), Key(8)]
    purposes: Annotated[tuple[int, ...], Field(min_length=1, max_length=len(Purpose)), Key(9)]
    max_ttl_hours: Annotated[_U16, Key(10)]
    static_allowed: Annotated[bool, Key(11)]
    sites: Annotated[tuple[_Place, ...], Field(max_length=MAX_SITES), Key(12)]
    seals: Annotated[tuple[Seal, ...], Field(max_length=MAX_SEALS), Key(13)]

    @model_validator(mode="after")
    def _is_sound(self) -> Row:
        recipients = tuple(seal.recipient for seal in self.seals)
        if not (_is_set(self.purposes) and _is_set(self.sites) and _is_set(recipients)):
            raise ValueError("a set stands sorted, each member once")
        if not set(self.purposes) <= set(Purpose) or self.algorithm not in _ALGORITHMS:
            raise ValueError("a purpose or an algorithm that is not in the tables")
        return self

    @property
    def place(self) -> tuple[int, int]:
        """Issuer and kid: where the row stands in the list."""
        return self.issuer, self.kid


class Entitlement(Wire):
    """One name of the registry."""

    bit: Annotated[int, Field(ge=0, lt=_ENTITLEMENT_BITS), Key(1)]
    name: Annotated[_Entitlement, Key(2)]


class TrustContent(Message):
    """What stands on the terminal: rows sorted by issuer and kid, the registry sorted by bit."""

    MAX_BYTES: ClassVar[int] = MAX_TRUST_BYTES
    rows: Annotated[tuple[Row, ...], Field(max_length=MAX_ROWS), Key(1)]
    entitlements: Annotated[tuple[Entitlement, ...], Field(max_length=_ENTITLEMENT_BITS), Key(2)]

    @model_validator(mode="after")
    def _is_sorted(self) -> TrustContent:
        if not (_is_set([row.place for row in self.rows]) and _is_set([one.bit for one in self.entitlements])):
            raise ValueError("rows stand sorted, each once")
        return self


class TrustDelta(Message):
    """What leads from one list to the next: rows that go, rows that come or change, the registry as it then is."""

    MAX_BYTES: ClassVar[int] = MAX_TRUST_BYTES
    removed: Annotated[tuple[tuple[_U16, _U16], ...], Field(max_length=MAX_ROWS), Key(1)]
    changed: Annotated[tuple[Row, ...], Field(max_length=MAX_ROWS), Key(2)]
    entitlements: Annotated[tuple[Entitlement, ...], Field(max_length=_ENTITLEMENT_BITS), Key(3)]

    @model_validator(mode="after")
    def _is_sorted(self) -> TrustDelta:
        if not _is_set([one.bit for one in self.entitlements]):
            raise ValueError("the registry stands sorted, each bit once")
        return self


def decode(content: bytes) -> TrustContent:
    """Read a list strictly. Raises :class:`BundleError`."""
    try:
        return TrustContent.decode(content)
    except ContractError as error:
        raise BundleError(BundleFault.CONTENT, error) from error


def delta(old: TrustContent, new: TrustContent) -> TrustDelta:
    """What leads from ``old`` to ``new``."""
    before = {row.place: row for row in old.rows}
    after = {row.place: row for row in new.rows}
    return TrustDelta(
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(row for place, row in after.items() if before.get(place) != row),
        entitlements=new.entitlements,
    )


def apply(content: bytes, body: bytes) -> bytes:
    """The list that a delta leads to. Raises :class:`BundleError`."""
    old = decode(content)
    try:
        change = TrustDelta.decode(body)
    except ContractError as error:
        raise BundleError(BundleFault.CONTENT, error) from error
    removed = set(change.removed)
    rows = {row.place: row for row in old.rows}
    if not removed <= rows.keys():
        raise BundleError(
            BundleFault.CONTENT, Sentence("增量要删除的行不存在", "the delta removes a row that is not there")
        )
    rows = {place: row for place, row in rows.items() if place not in removed}
    rows |= {row.place: row for row in change.changed}
    if len(rows) > MAX_ROWS:
        raise BundleError(
            BundleFault.CONTENT, Sentence("增量后行数超过上限", "the delta leads to more rows than a list may hold")
        )
    return TrustContent(rows=tuple(rows[place] for place in sorted(rows)), entitlements=change.entitlements).encode()


def seal_info(issuer: int, kid: int) -> bytes:
    """The HPKE ``info`` of a reading key."""
    return b"onecard reading key" + issuer.to_bytes(2, "big") + kid.to_bytes(2, "big")


def in_force(content: bytes, manifest: Manifest, recipient: bytes, unseal: Unseal) -> TrustList:
    """The list as the terminal uses it. Raises :class:`BundleError`.

    A row that is not sealed for this terminal is left out. One whose seal does not open refuses the whole list:
    the platform meant it for us, and its codes must not fail one by one.
    """
    wire = decode(content)
    try:
        rows = [_row(row, unseal, recipient) for row in wire.rows]
    except (KeyInvalid, SealBroken) as error:
        raise BundleError(BundleFault.CONTENT, error) from error
    return TrustList(
        version=manifest.bundle_version,
        issued_ms=manifest.issued_ms,
        expires_ms=manifest.expires_ms,
        grace_ms=manifest.grace_ms,
        rows=MappingProxyType({(row.issuer, row.kid): row for row in rows if row is not None}),
        entitlements=MappingProxyType({one.bit: one.name for one in wire.entitlements}),
    )


def _row(row: Row, unseal: Unseal, recipient: bytes) -> TrustRow | None:
    sealed = next((seal.sealed for seal in row.seals if seal.recipient == recipient), None)
    if sealed is None:
        return None
    return TrustRow(
        issuer=row.issuer,
        kid=row.kid,
        key=load_public(_ALGORITHMS[row.algorithm], row.public),
        valid_from_ms=row.valid_from_ms,
        valid_until_ms=row.valid_until_ms,
        namespace=row.namespace,
        entitlements=row.entitlements,
        purposes=frozenset(Purpose(number) for number in row.purposes),
        max_ttl_hours=row.max_ttl_hours,
        static_allowed=row.static_allowed,
        reading_key=unseal(sealed, seal_info(row.issuer, row.kid)),
        sites=frozenset(row.sites),
    )
