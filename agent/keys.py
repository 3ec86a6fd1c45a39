"""The terminal's keys: what it signs and authenticates with, and whom it trusts.

``FileKeyStore`` keeps one directory (mode 0700, files 0600):

=================================  ===============================================================================
file                               content
=================================  ===============================================================================
``checkpoint.pem``                 the terminal's ES256 key, PKCS #8
``sealing.pem``                    the terminal's P-256 key that secrets are sealed for, PKCS #8
``tls-key.pem``, ``tls.pem``       the TLS client key and its certificate (its common name is the terminal id)
``ca.pem``                         the authority of the platform's broker
``medium-<epoch>.key``             a medium key, 32 bytes
``platform-<role>.pem``            the platform's public keys of one role, one PEM block or more (rotation)
=================================  ===============================================================================

A hardware module can stand behind the same protocol: no private key or medium key ever leaves it.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose, sealing
from agent.words import why_en, why_zh
from offline_store.durable import sync_directory

MEDIUM_KEY_BYTES = 32
_MAX_FILE_BYTES = 64 * 1024
_MAX_KEYS_PER_ROLE = 8
_CHECKPOINT = "checkpoint.pem"
_SEALING = "sealing.pem"
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_PEM_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


class KeyStoreError(Exception):
    """A key is missing, unreadable, or not kept privately.

    ``zh`` and ``en`` say which file, and what to do; ``str()`` is English.
    """

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


class Role(StrEnum):
    """What a key of the platform may do; each role has keys of its own. ``sealing`` signs nothing: it is sealed for."""

    ROOT = "root"
    BUNDLE = "bundle"
    COMMAND = "command"
    ACKNOWLEDGEMENT = "acknowledgement"
    SOFTWARE = "software"
    SEALING = "sealing"


@dataclass(frozen=True)
class TlsFiles:
    """Where TLS finds its credentials, all PEM."""

    ca: Path
    certificate: Path
    key: Path


class KeyStore(Protocol):
    """What the agent asks of its keys. Every call may raise :class:`KeyStoreError`."""

    def checkpoint_signer(self) -> cose.Signer:
        """The terminal's own signing key."""

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


class FileKeyStore:
    """Keys as files. Only medium keys are kept: their name is their epoch, and an epoch's key never changes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._medium_keys: dict[str, hmac.HMAC] = {}

    @classmethod
    def create(cls, directory: Path) -> FileKeyStore:
        """Make the directory and the terminal's own keys where they are missing. Raises :class:`KeyStoreError`."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise KeyStoreError(
                f"密钥目录 {directory} 无法建立：{why_zh(error)}",
                f"the key directory {directory} cannot be made: {why_en(error)}",
            ) from error
        store = cls(directory)
        for name in (_CHECKPOINT, _SEALING):
            if not (directory / name).exists():
                key = ec.generate_private_key(ec.SECP256R1())
                pem = key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
                store.install(name, pem)
        return store

    def __repr__(self) -> str:
        return f"FileKeyStore({str(self._directory)!r})"

    def checkpoint_signer(self) -> cose.Es256Signer:
        return cose.Es256Signer(self._private(_CHECKPOINT))

    def checkpoint_public(self) -> ec.EllipticCurvePublicKey:
        """What proves the terminal's checkpoints; the platform learns it when the terminal is enrolled."""
        return self._private(_CHECKPOINT).public_key()

    def sealing_public(self) -> ec.EllipticCurvePublicKey:
        return self._private(_SEALING).public_key()

    def unseal(self, sealed: bytes, info: bytes) -> bytes:
        return sealing.unseal(sealed, self._private(_SEALING), info)

    def tls_files(self) -> TlsFiles:
        ca, certificate, key = (self._checked(name) for name in ("ca.pem", "tls.pem", "tls-key.pem"))
        return TlsFiles(ca=ca, certificate=certificate, key=key)

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

    def install(self, name: str, content: bytes) -> None:
        """Write one file of the table so that a power cut leaves the old one or the new one."""
        self._check_directory()
        path = self._path(name)
        temporary = path.with_name(f".{name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_directory(self._directory)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise KeyStoreError(
                f"{path} 无法写入：{why_zh(error)}", f"{path} cannot be written: {why_en(error)}"
            ) from error

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
        path = self._checked(name)
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
        except OSError as error:
            raise KeyStoreError(
                f"{path} 无法读取：{why_zh(error)}", f"{path} cannot be read: {why_en(error)}"
            ) from error
        if len(content) > _MAX_FILE_BYTES:
            raise KeyStoreError(
                f"{path} 超过 {_MAX_FILE_BYTES} 字节，不会是密钥",
                f"{path} is larger than {_MAX_FILE_BYTES} bytes; no key is",
            )
        return content

    def _checked(self, name: str) -> Path:
        self._check_directory()
        path = self._path(name)
        _check_private(path, 0o600, stat.S_ISREG, "普通文件", "file")
        return path

    def _check_directory(self) -> None:
        _check_private(self._directory, 0o700, stat.S_ISDIR, "目录", "directory")

    def _path(self, name: str) -> Path:
        if not _FILE_NAME.fullmatch(name):
            raise KeyStoreError(
                "密钥名只能用 a-z、0-9、连字符和点", "a key's name is made of a-z, 0-9, hyphens and dots"
            )
        return self._directory / name


class _Kind(Protocol):
    def __call__(self, mode: int, /) -> bool: ...


def _check_private(path: Path, mode: int, is_kind: _Kind, kind_zh: str, kind_en: str) -> None:
    """Refuse what another user could have read or replaced."""
    try:
        status = path.lstat()
    except FileNotFoundError as error:
        raise KeyStoreError(
            f"缺少 {path}；请为终端注册，或把密钥放到那里",
            f"{path} is missing; enrol the terminal, or put the key there",
        ) from error
    except OSError as error:
        raise KeyStoreError(
            f"{path} 无法查看：{why_zh(error)}", f"{path} cannot be examined: {why_en(error)}"
        ) from error
    if not is_kind(status.st_mode):
        raise KeyStoreError(f"{path} 不是{kind_zh}", f"{path} is not a plain {kind_en}")
    if status.st_uid != os.geteuid():
        raise KeyStoreError(
            f"{path} 属于其他用户；应属于运行终端的用户",
            f"{path} belongs to another user; it must belong to the one the agent runs as",
        )
    if stat.S_IMODE(status.st_mode) & ~mode:
        raise KeyStoreError(
            f"{path} 对其他用户开放；请运行：chmod {mode:o} {path}",
            f"{path} is open to other users; run: chmod {mode:o} {path}",
        )
