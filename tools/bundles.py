"""The platform's side of bundles: make contents, sign full bundles and deltas. docs/bundles.md.

The platform keeps the full bundle of every version that terminals may still have; a delta is made from two of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cbor, cose, sealing
from agent.bundles import bitmap, calendars, envelope, priced, signer_list, table, trust_list
from agent.bundles.chunk_tree import ChunkTree
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import MAX_CONTENT_BYTES, MAX_MANIFEST_BYTES, Kind, Manifest
from agent.bundles.people import ID_BYTES, MediumState, register_row, register_shape, roster_rows
from agent.bundles.roles import RoleKey, RoleKeys
from agent.bundles.table import Shape
from agent.bundles.trust_list import Entitlement, Row, Seal, TrustContent
from agent.credentials.trust import TrustRow
from agent.keys import KeyStoreError, Role
from agent.sync.contract.downloads import CHUNK_BYTES
from agent.sync.contract.errors import ContractError
from profiles.person import Person
from profiles.reasons import Sentence
from profiles.school_calendar import SchoolCalendar
from tools.small_files import read_small

ENTITLEMENTS = ("elder", "student", "disabled", "veteran", "talent", "staff", "resident", "minor")
"""The usual names of a code's entitlement bits, from bit 0."""
_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Issue:
    """What the platform decides about one issue of a bundle; see :class:`agent.bundles.manifest.Manifest`."""

    kind: Kind
    name: str
    version: int
    issued_ms: int
    expires_ms: int
    grace_ms: int
    audience: str


@dataclass(frozen=True, slots=True)
class Full:
    """A full bundle as its file says; nothing is verified: the platform reads what it made itself."""

    manifest: Manifest
    content: bytes


def full_bundle(issue: Issue, content: bytes, signer: cose.Signer) -> bytes:
    """The file of a full bundle."""
    return signed(issue, content, content, None, signer)


def delta_bundle(old: Full, new: Full, signer: cose.Signer) -> bytes:
    """The file of the delta that leads from one full bundle to the next of its name."""
    to = new.manifest
    if old.manifest.name != to.name:
        raise BundleError(BundleFault.WRONG_BASE, f"{old.manifest.name}, {to.name}")
    if old.manifest.bundle_version >= to.bundle_version:
        raise BundleError(BundleFault.WRONG_BASE, f"{old.manifest.bundle_version} → {to.bundle_version}")
    issue = Issue(to.kind, to.name, to.bundle_version, to.issued_ms, to.expires_ms, to.grace_ms, audience=to.audience)
    return signed(issue, new.content, _difference(to.kind, old.content, new.content), old.manifest, signer)


def signed(issue: Issue, content: bytes, plain: bytes, base: Manifest | None, signer: cose.Signer) -> bytes:
    """The file of a bundle whose body inflates to ``plain``: the content, or what leads to it from ``base``."""
    body = zstandard.ZstdCompressor(level=_LEVEL).compress(plain)
    chunks = (body[first : first + CHUNK_BYTES] for first in range(0, len(body), CHUNK_BYTES))
    manifest = Manifest(
        kind=issue.kind,
        name=issue.name,
        bundle_version=issue.version,
        previous_version=None if base is None else base.bundle_version,
        issued_ms=issue.issued_ms,
        expires_ms=issue.expires_ms,
        grace_ms=issue.grace_ms,
        audience=issue.audience,
        body_sha256=hashlib.sha256(body).digest(),
        body_bytes=len(body),
        content_sha256=hashlib.sha256(content).digest(),
        content_bytes=len(content),
        chunk_root=ChunkTree(chunks).root,
    )
    return envelope.head(envelope.seal(manifest.encode(), signer)) + body


def read_full(path: Path) -> Full:
    """A full bundle that the platform made. Raises :class:`BundleError` and ``OSError``."""
    with path.open("rb") as file:
        manifest = manifest_of(envelope.read_envelope(file))
        if manifest.previous_version is not None:
            raise BundleError(
                BundleFault.CONTENT,
                Sentence("这是增量包，请给出该版本的完整包", "this is a delta; name the full bundle of its version"),
            )
        try:
            reader = zstandard.ZstdDecompressor().stream_reader(file, closefd=False)
            content = reader.read(min(manifest.content_bytes, MAX_CONTENT_BYTES) + 1)
        except zstandard.ZstdError as error:
            raise BundleError(
                BundleFault.CONTENT, Sentence("正文不是一个完整的 zstd 帧", "the body is not one zstd frame")
            ) from error
    if hashlib.sha256(content).digest() != manifest.content_sha256:
        raise BundleError(BundleFault.ALTERED)
    return Full(manifest, content)


def manifest_of(signed: bytes) -> Manifest:
    """The manifest inside an envelope, whoever signed it. Raises :class:`BundleError`."""
    try:
        parts = cbor.decode(signed[1:], max_bytes=MAX_MANIFEST_BYTES + 256, max_depth=2)
    except cbor.CborError as error:
        raise BundleError(BundleFault.NOT_A_BUNDLE, error) from error
    match parts:
        case (_, _, bytes() as payload, _):
            try:
                return Manifest.decode(payload)
            except ContractError as error:
                raise BundleError(BundleFault.MANIFEST, error) from error
    raise BundleError(BundleFault.NOT_A_BUNDLE)


def trust_content(
    rows: Iterable[TrustRow], names: dict[int, str], terminals: Sequence[ec.EllipticCurvePublicKey]
) -> bytes:
    """The content of a trust list whose reading keys these terminals can open."""
    ordered = sorted(rows, key=lambda row: (row.issuer, row.kid))
    return TrustContent(
        rows=tuple(_row(row, terminals) for row in ordered),
        entitlements=tuple(Entitlement(bit=bit, name=name) for bit, name in sorted(names.items())),
    ).encode()


def status_content(entries: int, revoked: Iterable[int]) -> bytes:
    """The bitmap of a status list with at least so many entries. Raises ``IndexError`` beyond them."""
    bits = bytearray((entries + 7) // 8)
    for entry in revoked:
        bits[entry >> 3] |= 1 << (entry & 7)
    return bytes(bits)


def register_content(namespace: str, rows: Iterable[tuple[bytes, bytes, int, MediumState]]) -> bytes:
    """The content of a card register: medium, subject (16 bytes each), entitlement bits and state of each medium."""
    shape = register_shape(namespace)
    return table.encode(shape, (register_row(*row) for row in rows))


def roster_content(namespace: str, people: Sequence[tuple[bytes, Person]], row_bytes: int = 0) -> bytes:
    """The content of a site's roster: what it says of each subject (16 bytes) of this namespace.

    ``row_bytes`` is what a row takes at least. Raises :class:`BundleError`.
    """
    size_bytes, rows = roster_rows(people, row_bytes)
    return table.encode(Shape(ID_BYTES, size_bytes, namespace), rows)


def calendar_content(calendar: SchoolCalendar) -> bytes:
    """The content of a school's calendar."""
    return table.encode(calendars.SHAPE, calendars.rows_of(calendar))


def emergency_content(denied: Iterable[bytes]) -> bytes:
    """The content of the emergency list: tokens and media, 16 bytes each."""
    return table.encode(Shape(ID_BYTES, ID_BYTES), denied)


def keys_content(keys: Iterable[tuple[Role, bytes]]) -> bytes:
    """The content of a ``keys`` bundle: public keys as PEM, each with its role."""
    return RoleKeys(rows=tuple(RoleKey(role=role, pem=pem) for role, pem in keys)).encode()


def signer_of(path: Path) -> cose.Es256Signer:
    """The private key in a PEM file. Raises :class:`agent.keys.KeyStoreError`."""
    try:
        key = serialization.load_pem_private_key(read_small(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyStoreError(f"{path} 不是未加密的 PEM 私钥", f"{path} is no unencrypted PEM private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyStoreError(f"{path} 应为 P-256 曲线上的密钥", f"{path} must be a key on P-256")
    return cose.Es256Signer(key)


def _difference(kind: Kind, old: bytes, new: bytes) -> bytes:
    match kind:
        case Kind.KEYS:
            raise BundleError(BundleFault.CONTENT, Sentence("密钥包只能是完整包", "a keys bundle is always a full one"))
        case Kind.TRUST:
            return trust_list.delta(trust_list.decode(old), trust_list.decode(new)).encode()
        case Kind.STATUS:
            return _status_difference(old, new)
        case Kind.EMERGENCY | Kind.REGISTER | Kind.ROSTER | Kind.CALENDAR:
            before, after = table.Table.open(old), table.Table.open(new)
            if before.shape != after.shape:
                raise BundleError(
                    BundleFault.CONTENT,
                    Sentence("行格式不同，请发完整包", "the rows have another shape; send the full bundle"),
                )
            return table.delta(before, after)
        case Kind.HCERT:
            return signer_list.delta(old, new).encode()
        case Kind.PRICES | Kind.TARIFF | Kind.CONFIGURATION | Kind.LEASE:
            raise priced.always_full()


def _status_difference(old: bytes, new: bytes) -> bytes:
    if len(old) != len(new):
        raise BundleError(
            BundleFault.CONTENT, Sentence("名单大小不同，请发完整包", "the list has another size; send the full bundle")
        )
    changed = [place for place, (was, now) in enumerate(zip(old, new, strict=True)) if was != now]
    revoked = (entry for place in changed for entry in _bits(new[place] & ~old[place], place))
    restored = (entry for place in changed for entry in _bits(old[place] & ~new[place], place))
    return bitmap.encode_delta(revoked, restored)


def _bits(byte: int, place: int) -> Iterable[int]:
    return (8 * place + bit for bit in range(8) if byte >> bit & 1)


def _row(row: TrustRow, terminals: Sequence[ec.EllipticCurvePublicKey]) -> Row:
    info = trust_list.seal_info(row.issuer, row.kid)
    seals = (
        Seal(recipient=cose.key_id(public), sealed=sealing.seal(row.reading_key, public, info)) for public in terminals
    )
    return Row(
        issuer=row.issuer,
        kid=row.kid,
        algorithm=row.key.algorithm.cose,
        public=row.key.encoded,
        valid_from_ms=row.valid_from_ms,
        valid_until_ms=row.valid_until_ms,
        namespace=row.namespace,
        entitlements=row.entitlements,
        purposes=tuple(sorted(int(purpose) for purpose in row.purposes)),
        max_ttl_hours=row.max_ttl_hours,
        static_allowed=row.static_allowed,
        sites=tuple(sorted(row.sites)),
        seals=tuple(sorted(seals, key=lambda seal: seal.recipient)),
    )
