"""The file key store: what it gives, what it refuses, and what it never shows."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from agent import cose, sealing
from agent.keys import FileKeyStore, KeyStore, KeyStoreError, Own, Role
from agent.signatures import Algorithm

MEDIUM_KEY = bytes(range(32))


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def store(directory: Path) -> FileKeyStore:
    store = FileKeyStore.create(directory)
    store.install("medium-1.key", MEDIUM_KEY)
    for name in ("ca.pem", "tls.pem", "tls-key.pem"):
        store.install(name, b"PEM")
    return store


def test_a_created_store_is_private_and_has_a_checkpoint_key(store: FileKeyStore, directory: Path) -> None:
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    signer: cose.Signer = store.checkpoint_signer()
    assert signer.algorithm is Algorithm.ES256
    as_protocol: KeyStore = store
    assert as_protocol.checkpoint_signer().kid == signer.kid


def test_what_is_made_above_a_store_is_private_too(tmp_path: Path) -> None:
    FileKeyStore.create(tmp_path / "state" / "gate-7" / "keys")
    made = [tmp_path / "state", tmp_path / "state" / "gate-7"]
    assert [path.stat().st_mode & 0o777 for path in made] == [0o700, 0o700]


def test_creating_again_keeps_the_checkpoint_key(store: FileKeyStore, directory: Path) -> None:
    assert FileKeyStore.create(directory).checkpoint_signer().kid == store.checkpoint_signer().kid


def test_a_mac_is_by_the_epochs_key(store: FileKeyStore) -> None:
    assert store.mac("medium-1", b"card") == hmac.digest(MEDIUM_KEY, b"card", "sha256")
    with pytest.raises(KeyStoreError, match=r"medium-2\.key is missing"):
        store.mac("medium-2", b"card")


def test_a_medium_key_of_another_length_is_refused(store: FileKeyStore) -> None:
    store.install("medium-1.key", MEDIUM_KEY[:-1])
    with pytest.raises(KeyStoreError, match="exactly 32 bytes"):
        store.mac("medium-1", b"card")


def test_a_rotation_that_was_cut_short_and_is_done_again_keeps_the_key_before(
    store: FileKeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = sealing.seal(b"of before", store.sealing_public(), b"info")
    following = store.next_public(Own.SEALING)

    def power_cut(_: Path) -> None:
        raise KeyStoreError("", "")

    with monkeypatch.context() as cut:
        cut.setattr("agent.private_files.remove", power_cut)
        with pytest.raises(KeyStoreError):
            store.adopt(b"PEM")
    assert store.sealing_public() == following
    store.adopt(b"PEM")
    assert store.unseal(sealed, b"info") == b"of before"


def test_the_platforms_keys_may_overlap_while_they_rotate(store: FileKeyStore) -> None:
    old, new = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    store.install("platform-acknowledgement.pem", public_pem(old) + public_pem(new))
    keys = store.platform_keys(Role.ACKNOWLEDGEMENT)
    assert set(keys) == {cose.Es256Signer(old).kid, cose.Es256Signer(new).kid}


@pytest.mark.parametrize("content", [b"", b"nonsense", public_pem(ec.generate_private_key(ec.SECP256R1())) * 9])
def test_a_role_file_without_keys_or_with_too_many_is_refused(store: FileKeyStore, content: bytes) -> None:
    store.install("platform-acknowledgement.pem", content)
    with pytest.raises(KeyStoreError, match="1 to 8 PEM public keys"):
        store.platform_keys(Role.ACKNOWLEDGEMENT)


def test_a_platform_key_of_another_algorithm_is_refused(store: FileKeyStore) -> None:
    store.install("platform-acknowledgement.pem", public_pem(ec.generate_private_key(ec.SECP384R1())))
    with pytest.raises(KeyStoreError, match="P-256"):
        store.platform_keys(Role.ACKNOWLEDGEMENT)


def test_the_tls_files_are_named(store: FileKeyStore, directory: Path) -> None:
    assert store.tls_files().key == directory / "tls-key.pem"
    (directory / "tls-key.pem").unlink()
    with pytest.raises(KeyStoreError, match=r"tls-key\.pem is missing; enrol the terminal"):
        store.tls_files()


USES: list[Callable[[FileKeyStore], object]] = [
    FileKeyStore.checkpoint_signer,
    FileKeyStore.tls_files,
    lambda store: store.mac("medium-1", b""),
    lambda store: store.install("ca.pem", b""),
]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_directory_open_to_others_is_refused_with_the_remedy(
    store: FileKeyStore, directory: Path, use: Callable[[FileKeyStore], object], mode: int
) -> None:
    directory.chmod(mode)
    with pytest.raises(KeyStoreError, match=f"run: chmod 700 {directory}"):
        use(store)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_open_to_others_is_refused_with_the_remedy(store: FileKeyStore, directory: Path, mode: int) -> None:
    path = directory / "medium-1.key"
    path.chmod(mode)
    with pytest.raises(KeyStoreError, match=f"run: chmod 600 {path}"):
        store.mac("medium-1", b"card")


def test_a_link_to_a_key_elsewhere_is_refused(store: FileKeyStore, directory: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(MEDIUM_KEY)
    (directory / "medium-3.key").symlink_to(elsewhere)
    with pytest.raises(KeyStoreError, match="not a plain file"):
        store.mac("medium-3", b"card")


@pytest.mark.parametrize("name", ["../medium-1", "", "a/b", ".hidden", "A", "x" * 80, "a\n"])
def test_a_key_name_never_leaves_the_directory(store: FileKeyStore, name: str) -> None:
    with pytest.raises(KeyStoreError):
        store.mac(name, b"card")
    with pytest.raises(KeyStoreError, match="name is made of"):
        store.install(name, b"")


def test_what_a_power_cut_left_is_cleared_away_and_a_directory_of_such_a_name_stops_nothing(
    store: FileKeyStore, directory: Path
) -> None:
    (directory / ".tls.pem.0123").write_bytes(b"half")
    (directory / ".tls.pem.dir").mkdir()
    store.protect()
    assert sorted(path.name for path in directory.glob(".*")) == [".tls.pem.dir"]


def test_a_failed_write_leaves_the_old_key_and_no_draft(
    store: FileKeyStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    before = sorted(path.name for path in directory.iterdir())
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(KeyStoreError, match="cannot be written: No space left"):
        store.install("medium-1.key", bytes(32))
    assert sorted(path.name for path in directory.iterdir()) == before
    assert store.mac("medium-1", b"card") == hmac.digest(MEDIUM_KEY, b"card", "sha256")


@pytest.mark.parametrize("content", [b"", b"nonsense", bytes(70_000)])
def test_a_broken_checkpoint_key_is_a_sentence(store: FileKeyStore, content: bytes) -> None:
    store.install("checkpoint.pem", content)
    with pytest.raises(KeyStoreError, match=r"checkpoint\.pem is"):
        store.checkpoint_signer()


def test_a_checkpoint_key_of_another_algorithm_is_refused(store: FileKeyStore) -> None:
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    store.install("checkpoint.pem", pem)
    with pytest.raises(KeyStoreError, match="P-256"):
        store.checkpoint_signer()


def test_nothing_secret_is_in_a_repr_or_an_error(store: FileKeyStore, directory: Path) -> None:
    store.install("checkpoint.pem", b"-----BEGIN PRIVATE KEY-----\nU0VDUkVU\n-----END PRIVATE KEY-----\n")
    with pytest.raises(KeyStoreError) as caught:
        store.checkpoint_signer()
    assert "U0VDUkVU" not in str(caught.value)
    assert repr(store) == f"FileKeyStore({str(directory)!r})"
