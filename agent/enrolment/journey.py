"""How far an enrolment has come, on the disk, so that whatever interrupts it, it is taken up again.

1. The code and the exact bytes of what is asked are written before anything is sent: whoever asks again, asks the same,
   and the platform gives the same certificate for it.
2. What is given is installed file by file, each safe to write twice; the certificate is the last.
3. Then the notes of the journey go, the code's secret with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from agent import private_files, sealing
from agent.bundles.errors import BundleError
from agent.bundles.roles import RoleKeys, rings_of
from agent.clock import Random
from agent.enrolment import code as enrol_code
from agent.enrolment import note
from agent.enrolment.errors import EnrolError, EnrolFault
from agent.keys import FileKeyStore, KeyStoreError, Role
from agent.sync.contract.enrol import EnrolAsked, EnrolCode, EnrolGranted, Enrolment, seal_info
from agent.sync.contract.errors import ContractError

_CODE = "enrol-code.key"
_ASKED = "enrol-asked.cbor"
_NONCE_BYTES = 16


@dataclass(frozen=True)
class Pending:
    """A journey that has begun: its code, and what is asked."""

    code: EnrolCode
    asked: EnrolAsked


class Journey:
    """One box's enrolment, in its key directory. Every call may raise :class:`~agent.keys.KeyStoreError`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.store = FileKeyStore(directory)

    def pending(self) -> Pending | None:
        """What an earlier run began and did not end; ``None`` where it never came so far."""
        try:
            code = enrol_code.read(self.store.secret(_CODE).decode())
            asked = EnrolAsked.decode(private_files.read(self._directory / _ASKED))
        except (KeyStoreError, EnrolError, ContractError, UnicodeDecodeError):
            return None
        return Pending(code, asked) if asked.id == code.id else None

    def roots(self) -> frozenset[bytes]:
        """The roots that the box trusts already, by ``kid``: of a terminal that is enrolled anew."""
        try:
            return frozenset(self.store.platform_keys(Role.ROOT))
        except KeyStoreError:
            return frozenset()

    def begin(self, text: str, code: EnrolCode, random: Random) -> Pending:
        """Make the keys and note what is asked; again with the same code, nothing is made twice."""
        pending = self.pending()
        if pending is not None and pending.code == code:
            return pending
        self.store = FileKeyStore.create(self._directory)
        asked = EnrolAsked(
            id=code.id,
            nonce=random.token(_NONCE_BYTES),
            request=self.store.certificate_request(code.terminal),
            checkpoint=_point(self.store.checkpoint_public()),
            sealing=_point(self.store.sealing_public()),
        )
        self.store.install(_CODE, text.strip().encode())
        self.store.install(_ASKED, asked.encode())
        return Pending(code, asked)

    def open(self, pending: Pending, granted: EnrolGranted) -> Enrolment:
        """What was granted, if all of it fits what was asked and what the code pins. Raises :class:`EnrolError`."""
        info = seal_info(pending.code.id, pending.asked.encode())
        try:
            enrolment = Enrolment.decode(self.store.unseal(granted.sealed, info))
            _check(enrolment, pending)
        except (sealing.SealBroken, ContractError, BundleError, InvalidSignature, ValueError) as error:
            raise EnrolError(EnrolFault.CONTENT, type(error).__name__) from error
        return enrolment

    def code_text(self) -> str:
        """The text of the code that was noted."""
        return self.store.secret(_CODE).decode()

    def install(self, enrolment: Enrolment, issued_ms: int, code_id: str) -> None:
        """Put keys and certificate in force; the certificate comes last."""
        rows = RoleKeys.decode(enrolment.role_keys).rows
        for role in {row.role for row in rows}:
            self.store.install(f"platform-{role}.pem", b"".join(row.pem for row in rows if row.role is role))
        self.store.install("ca.pem", _pem(enrolment.authority))
        for epoch, key in enrolment.medium_keys:
            self.store.install(f"medium-{epoch}.key", key)
        self.store.install(note.NAME, note.Enrolled(issued_ms, code_id).encode())
        self.store.adopt(_pem(enrolment.certificate))

    def end(self) -> None:
        """Forget code and question: the rest of the way needs neither."""
        for name in (_CODE, _ASKED):
            private_files.remove(self._directory / name)


def _check(enrolment: Enrolment, pending: Pending) -> None:
    """Raises ``ValueError`` and its kin."""
    code = pending.code
    certificate = x509.load_der_x509_certificate(enrolment.certificate)
    authority = x509.load_der_x509_certificate(enrolment.authority)
    certificate.verify_directly_issued_by(authority)
    names = [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if enrolment.terminal != code.terminal or names != [code.terminal]:
        raise ValueError("the certificate is another terminal's")
    if certificate.public_key() != x509.load_der_x509_csr(pending.asked.request).public_key():
        raise ValueError("the certificate is for another key")
    if _point(authority.public_key()) != code.authority:
        raise ValueError("the authority is not the code's")
    rings = rings_of(enrolment.role_keys)
    if not {enrol_code.key_of(code.root).kid} <= set(rings[Role.ROOT]):
        raise ValueError("the root is not the code's")


def _point(public: object) -> bytes:
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise ValueError("not a key on a curve")
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def _pem(certificate: bytes) -> bytes:
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
