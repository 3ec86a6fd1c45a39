"""The terminal's keys: what it signs and authenticates with, and whom it trusts.

``FileKeyStore`` keeps one directory (mode 0700, files 0600):

=================================  ===============================================================================
file                               content
=================================  ===============================================================================
``checkpoint.pem``                 the terminal's ES256 key, PKCS #8, encrypted
``sealing.pem``                    the terminal's P-256 key that secrets are sealed for, PKCS #8, encrypted
``sealing-former.pem``             the one before it, after a rotation: what was sealed for it still opens
``tls-key.pem``                    the TLS client key, PKCS #8, encrypted
``tls.pem``                        its certificate (its common name is the terminal id)
``next-….pem``                     a key that the platform has not certified yet; the certificate says when it has
``ca.pem``                         the authority of the platform's broker
``medium-<epoch>.key``             a medium key, 32 bytes, encrypted
``platform-<role>.pem``            the platform's public keys of one role, one PEM block or more (rotation)
``machine.salt``                   what the encryption is bound to: :mod:`agent.machine_secret`
=================================  ===============================================================================

A plain file in the place of an encrypted one is read too, and encrypted by :meth:`FileKeyStore.protect`: so keys that
the platform made (``onecard platform terminal add``) arrive.

A hardware module stands behind the same protocol in one file of its own, ``agent/pkcs11_keys.py`` or
``agent/tpm_keys.py``: no private key or medium key ever leaves it. TLS takes a module's key as a file that OpenSSL's
provider reads (a PEM of ``PKCS#11 PROVIDER URI`` or ``TSS2 PRIVATE KEY``): :attr:`TlsFiles.key` names it.
"""

from __future__ import annotations

import hmac
import os
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent import cose, private_files, sealing
from agent.machine_secret import SALT_FILE, MachineBox
from agent.private_files import KeyStoreError

__all__ = ["MEDIUM_KEY_BYTES", "FileKeyStore", "KeyStore", "KeyStoreError", "Own", "Role", "TlsFiles"]

MEDIUM_KEY_BYTES = 32
_MAX_KEYS_PER_ROLE = 8
_TLS = "tls.pem"
_FORMER_SEALING = "sealing-former.pem"
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_PEM_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


class Role(StrEnum):
    """What a key of the platform may do; each role has keys of its own. ``sealing`` signs nothing: it is sealed for."""

    ROOT = "root"
    BUNDLE = "bundle"
    COMMAND = "command"
    ACKNOWLEDGEMENT = "acknowledgement"
    SOFTWARE = "software"
    SEALING = "sealing"
    TECHNICIAN = "technician"
    """Signs technicians' permits: :mod:`agent.permits`."""


class Own(StrEnum):
    """The terminal's own private keys, each for one use; the value is the file's name."""

    CHECKPOINT = "checkpoint.pem"
    SEALING = "sealing.pem"
    TLS = "tls-key.pem"


@dataclass(frozen=True)
class TlsFiles:
    """Where TLS finds its credentials, all PEM."""

    ca: Path
    certificate: Path
    key: Path
    private: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)
    """The key's PEM where the file is encrypted; ``None`` where OpenSSL reads it as it stands."""

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let a context show this certificate. Raises ``OSError`` and :class:`KeyStoreError`."""
        if self.private is None:
            context.load_cert_chain(self.certificate, self.key)
            return
        # OpenSSL wants a file: this one is memory, has no name, and is gone when it is closed.
        with closing(os.fdopen(os.memfd_create("key", os.MFD_CLOEXEC), "wb")) as file:
            file.write(self.private())
            file.flush()
            context.load_cert_chain(self.certificate, f"/proc/self/fd/{file.fileno()}")


class KeyStore(Protocol):
    """What the agent asks of its keys. Every call may raise :class:`KeyStoreError`."""

    def checkpoint_signer(self) -> cose.Signer:
        """The terminal's own signing key."""

    def checkpoint_public(self) -> ec.EllipticCurvePublicKey:
        """What proves the terminal's checkpoints."""

    def tls_files(self) -> TlsFiles:
        """The credentials of the link."""

    def mac(self, name: str, data: bytes) -> bytes:
        """HMAC-SHA-256 of ``data``, 32 bytes, under the key ``name``, such as ``medium-1``."""

    def platform_keys(self, role: Role) -> Mapping[bytes, cose.VerifyKey]:
        """The platform's public keys of one role, by ``kid``."""

    def sealing_public(self) -> ec.EllipticCurvePublicKey:
        """What the platform seals secrets for this terminal with: see :mod:`agent.sealing`."""

    def unseal(self, sealed: bytes, info: bytes) -> bytes:
        """What was sealed for this terminal under ``info``. Raises :class:`agent.sealing.SealBroken`."""

    def next_public(self, own: Own) -> ec.EllipticCurvePublicKey:
        """The key that shall follow, for the platform to certify; made and durable when it is first asked for."""

    def certificate_request(self, terminal: str) -> bytes:
        """A PKCS #10 request (RFC 2986), DER, by the TLS key that shall follow, with ``terminal`` as common name."""

    def adopt(self, certificate: bytes) -> None:
        """The platform has certified: the keys that should follow are in force. Safe to repeat."""


class FileKeyStore:
    """Keys as files. Only medium keys are kept: their name is their epoch, and an epoch's key never changes.

    ``portable``: what is written stays plain, for a directory that goes to another machine.
    """

    def __init__(self, directory: Path, *, portable: bool = False) -> None:
        self._directory = directory
        self._portable = portable
        self._box = MachineBox(directory)
        self._medium_keys: dict[str, hmac.HMAC] = {}

    @classmethod
    def create(cls, directory: Path, *, portable: bool = False) -> FileKeyStore:
        """Make the directory and the terminal's own keys where they are missing. Raises :class:`KeyStoreError`."""
        private_files.make_directory(directory)
        store = cls(directory, portable=portable)
        for own in (Own.CHECKPOINT, Own.SEALING):
            if not (directory / own).exists():
                store.install(own, _new_pem())
        return store

    def __repr__(self) -> str:
        return f"FileKeyStore({str(self._directory)!r})"

    def protect(self) -> None:
        """Encrypt what came plain, and clear away what a power cut left. For the one process that holds the store."""
        private_files.check_directory(self._directory)
        private_files.sweep(self._directory)
        for path in sorted(self._directory.iterdir()):
            if _FILE_NAME.fullmatch(path.name) and _is_secret(path.name):
                content = private_files.read(path)
                if not MachineBox.is_sealed(content):
                    self.install(path.name, content)

    def bound_to(self) -> tuple[str, ...]:
        """What of this machine the encryption is bound to: see :mod:`agent.machine_secret`."""
        return self._box.bound_to()

    def checkpoint_signer(self) -> cose.Es256Signer:
        return cose.Es256Signer(self._private(Own.CHECKPOINT))

    def checkpoint_public(self) -> ec.EllipticCurvePublicKey:
        """What proves the terminal's checkpoints; the platform learns it when the terminal is enrolled."""
        return self._private(Own.CHECKPOINT).public_key()

    def sealing_public(self) -> ec.EllipticCurvePublicKey:
        return self._private(Own.SEALING).public_key()

    def unseal(self, sealed: bytes, info: bytes) -> bytes:
        try:
            return sealing.unseal(sealed, self._private(Own.SEALING), info)
        except sealing.SealBroken:
            if not (self._directory / _FORMER_SEALING).exists():
                raise
            return sealing.unseal(sealed, self._private(_FORMER_SEALING), info)

    def tls_files(self) -> TlsFiles:
        ca, certificate = self._checked("ca.pem"), self._checked(_TLS)
        self._promote_tls(certificate)
        return TlsFiles(ca, certificate, self._checked(Own.TLS), lambda: self._read(Own.TLS))

    def mac(self, name: str, data: bytes) -> bytes:
        keyed = self._medium_keys.get(name)
        if keyed is None:
            key = self._read(f"{name}.key")
            if len(key) != MEDIUM_KEY_BYTES:
                path = self._directory / f"{name}.key"
                raise KeyStoreError(
                    f"{path} 应正好为 {MEDIUM_KEY_BYTES} 字节", f"{path} must hold exactly {MEDIUM_KEY_BYTES} bytes"
                )
            keyed = self._medium_keys[name] = hmac.new(key, digestmod="sha256")
        keyed = keyed.copy()
        keyed.update(data)
        return keyed.digest()

    def platform_keys(self, role: Role) -> Mapping[bytes, cose.VerifyKey]:
        path = self._directory / f"platform-{role.value}.pem"
        blocks = _PEM_BLOCK.findall(self._read(path.name))
        if not 0 < len(blocks) <= _MAX_KEYS_PER_ROLE:
            raise KeyStoreError(
                f"{path} 应有 1 至 {_MAX_KEYS_PER_ROLE} 个 PEM 公钥",
                f"{path} must hold 1 to {_MAX_KEYS_PER_ROLE} PEM public keys",
            )
        try:
            return cose.keyring(cose.VerifyKey.from_pem(block) for block in blocks)
        except cose.CoseError as error:
            raise KeyStoreError(
                f"{path} 中有无法使用的公钥，应为 P-256 曲线上的 PEM 公钥", f"{path}: {error}"
            ) from error

    def next_public(self, own: Own) -> ec.EllipticCurvePublicKey:
        if not (self._directory / _next(own)).exists():
            self.install(_next(own), _new_pem())
        return self._private(_next(own)).public_key()

    def certificate_request(self, terminal: str) -> bytes:
        self.next_public(Own.TLS)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, terminal)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        return builder.sign(self._private(_next(Own.TLS)), hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def adopt(self, certificate: bytes) -> None:
        """See :meth:`KeyStore.adopt`. The certificate's file is the moment at which its key counts."""
        if (self._directory / _next(Own.SEALING)).exists() and (self._directory / Own.SEALING).exists():
            present = self._read(Own.SEALING)
            if present != self._read(_next(Own.SEALING)):  # else a power cut came before the next one's file was gone
                self.install(_FORMER_SEALING, present)
        for own in (Own.SEALING, Own.CHECKPOINT):
            self._promote(own)
        self.install(_TLS, certificate)
        self._promote_tls(self._directory / _TLS)

    def secret(self, name: str) -> bytes:
        """What was installed as ``name``, decrypted: for notes such as an enrolment's code."""
        return self._read(name)

    def install(self, name: str, content: bytes) -> None:
        """Write one file of the table so that a power cut leaves the old one or the new one."""
        path = self._path(name)
        private_files.check_directory(self._directory)
        encrypted = _is_secret(name) and not self._portable
        private_files.write(path, self._box.seal(name, content) if encrypted else content)

    def wipe(self) -> list[str]:
        """Make all of it unreadable: the salt first, without which nothing opens; then every file.

        The names of what stays since it is no file. Raises :class:`KeyStoreError`.
        """
        return private_files.wipe(self._directory, first=SALT_FILE)

    def _promote_tls(self, certificate: Path) -> None:
        """A certificate puts the key that it names in force, also after a power cut between the two."""
        if (self._directory / _next(Own.TLS)).exists():
            try:
                public = x509.load_pem_x509_certificate(private_files.read(certificate)).public_key()
            except ValueError:
                return  # tls_files() is not the one who says that it cannot be used
            if public == self._private(_next(Own.TLS)).public_key():
                self._promote(Own.TLS)

    def _promote(self, own: Own) -> None:
        if (self._directory / _next(own)).exists():
            self.install(own, self._read(_next(own)))
            private_files.remove(self._directory / _next(own))

    def _private(self, name: str) -> ec.EllipticCurvePrivateKey:
        path = self._directory / name
        pem = self._read(name)
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyStoreError(f"{path} 不是未加密的 PEM 私钥", f"{path} is no unencrypted PEM private key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise KeyStoreError(f"{path} 应为 P-256 曲线上的 ECDSA 密钥", f"{path} must be an ECDSA key on P-256")
        return key

    def _read(self, name: str) -> bytes:
        content = private_files.read(self._path(name))
        return self._box.open(name, content) if MachineBox.is_sealed(content) else content

    def _checked(self, name: str) -> Path:
        path = self._path(name)
        private_files.check_file(path)
        return path

    def _path(self, name: str) -> Path:
        if not _FILE_NAME.fullmatch(name):
            raise KeyStoreError(
                "密钥名只能用 a-z、0-9、连字符和点", "a key's name is made of a-z, 0-9, hyphens and dots"
            )
        return self._directory / name


def _next(own: Own) -> str:
    return f"next-{own.value}"


def _is_secret(name: str) -> bool:
    """Whether a file of the table is encrypted: private keys and medium keys are."""
    return name.endswith(".key") or name.removeprefix("next-") in set(Own) or name == _FORMER_SEALING


def _new_pem() -> bytes:
    form = serialization.PrivateFormat.PKCS8
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
