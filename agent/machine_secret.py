"""What only this machine knows: the key under which the key store's files are encrypted.

It is drawn from a salt beside the keys and from what identifies the machine, whichever of these there was when the
store was made; their names stand beside the salt, so that one which vanished later can be named:

``credential``   ``$CREDENTIALS_DIRECTORY/onecard-machine`` (systemd.exec(5) ``LoadCredentialEncrypted=``): a TPM's, if
                 the machine has one. The only one that somebody with the whole disk cannot read.
``board``        the serial number in the device tree, which stays when the disk is moved to another board.
``machine-id``   machine-id(5).

So a copy of the state directory, a backup or a stick, opens nothing. Whoever takes the whole disk has ``machine-id``
too, and whoever runs code as the terminal's user on the machine has all of it: a file key store can be cloned.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agent import cbor, private_files
from agent.private_files import KeyStoreError

SALT_FILE = "machine.salt"
_SALT_BYTES = 32
_MAX_SALT_FILE_BYTES = 256
_MAX_SOURCE_BYTES = 4_096
_MAGIC = b"onecard key 1\n"
_NONCE_BYTES = 12
_CREDENTIAL = "onecard-machine"


def sources() -> Mapping[str, Path]:
    """Where this machine may say what it is."""
    files = {"board": Path("/proc/device-tree/serial-number"), "machine-id": Path("/etc/machine-id")}
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    return {"credential": Path(credentials) / _CREDENTIAL, **files} if credentials else files


class MachineBox:
    """Encrypts and opens the files of one directory: AES-256-GCM (NIST SP 800-38D) under HKDF-SHA256 (RFC 5869).

    A file's name is its additional data: one key never stands in for another. Every call may raise
    :class:`~agent.private_files.KeyStoreError`.
    """

    def __init__(self, directory: Path) -> None:
        self._salt_file = directory / SALT_FILE
        self._cipher: AESGCM | None = None

    @staticmethod
    def is_sealed(content: bytes) -> bool:
        """Whether :meth:`seal` made it."""
        return content.startswith(_MAGIC)

    def seal(self, name: str, secret: bytes) -> bytes:
        """The bytes of a file ``name``; makes the salt where there is none, unless another process is first."""
        if not os.path.lexists(self._salt_file):
            known = sorted(name for name, path in sources().items() if _said(path))
            private_files.create(self._salt_file, cbor.encode({1: secrets.token_bytes(_SALT_BYTES), 2: known}))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _MAGIC + nonce + self._key().encrypt(nonce, secret, _MAGIC + name.encode())

    def open(self, name: str, sealed: bytes) -> bytes:
        """What :meth:`seal` was given."""
        nonce, ciphertext = sealed[len(_MAGIC) :][:_NONCE_BYTES], sealed[len(_MAGIC) + _NONCE_BYTES :]
        path = self._salt_file.parent / name
        try:
            return self._key().decrypt(nonce, ciphertext, _MAGIC + name.encode())
        except (InvalidTag, ValueError) as error:
            raise KeyStoreError(
                f"{path} 是在另一台机器上加密的，或已损坏；请为终端重新注册",
                f"{path} was encrypted on another machine, or is damaged; enrol the terminal anew",
            ) from error

    def bound_to(self) -> tuple[str, ...]:
        """The names of what the salt was joined with; none: a copy of the directory opens everywhere."""
        return self._salt()[1]

    def _key(self) -> AESGCM:
        if self._cipher is None:
            salt, names = self._salt()
            parts = [(name, self._source(name)) for name in names]
            derive = HKDF(hashes.SHA256(), 32, salt, b"onecard key files 1")
            self._cipher = AESGCM(derive.derive(cbor.encode(parts)))
        return self._cipher

    def _source(self, name: str) -> bytes:
        path = sources().get(name)
        said = b"" if path is None else _said(path)
        if not said:
            raise KeyStoreError(
                f"密钥与本机的 {name} 绑定，现在读不到它；请恢复它，或为终端重新注册",
                f"the keys are bound to this machine's {name}, which cannot be read now; restore it, or enrol anew",
            )
        return said

    def _salt(self) -> tuple[bytes, tuple[str, ...]]:
        content = private_files.read(self._salt_file)
        try:
            match cbor.decode(content, max_bytes=_MAX_SALT_FILE_BYTES, max_depth=2):
                case {1: bytes() as salt, 2: tuple() as names} if len(salt) == _SALT_BYTES:
                    return salt, tuple(map(str, names))
        except cbor.CborError:
            pass
        raise KeyStoreError(
            f"{self._salt_file} 已损坏，密钥打不开；请为终端重新注册",
            f"{self._salt_file} is damaged and the keys cannot be opened; enrol the terminal anew",
        )


def _said(path: Path) -> bytes:
    """What a source says; nothing where it is missing, empty or not to be read."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_SOURCE_BYTES).strip(b"\0\n ")
    except OSError:
        return b""
