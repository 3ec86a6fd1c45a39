"""The platform's files that nobody else may read, and how keys stand in them: unencrypted PEM, each written whole."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from offline_store.durable import sync_directory
from offline_store.whole_file import replace_whole
from tools.cli.words import say, why_zh
from tools.platform.errors import PlatformError


def make_private_directory(directory: Path) -> None:
    """Make `directory` (0700) with its parents, durable by its name; one that is there is closed to others."""
    try:
        is_new = not directory.is_dir()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        if is_new:
            sync_directory(directory.parent)
    except OSError as error:
        raise PlatformError(
            say(
                f"无法使用目录 {directory}：{why_zh(error)}。",
                f"Cannot use the directory {directory}: {error.strerror}.",
            )
        ) from error


def write_private(path: Path, content: bytes) -> None:
    """Write `content` to `path` (0600), durable on return; a power cut leaves the old file or the new one whole."""
    replace_whole(path, content)


def copy_private(source: Path, path: Path) -> None:
    """The same of another file's content, however large."""
    with source.open("rb") as content:
        replace_whole(path, content)


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A private key, unencrypted PEM. Raises `PlatformError`."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise PlatformError(
            say(
                f"缺少私钥 {path}：保存在别处的，请在使用时放回；不会另造一把。",
                f"The private key {path} is missing: bring it from where it is kept, for as long as it is needed. "
                "None is made in its place.",
            )
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PlatformError(
            say(f"{path} 不是未加密的 PEM 私钥。", f"{path} is no unencrypted PEM private key.")
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PlatformError(say(f"{path} 不是椭圆曲线私钥。", f"{path} is not an elliptic-curve private key."))
    return key


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #8, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """``SubjectPublicKeyInfo``."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
