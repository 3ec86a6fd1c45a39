"""The file key store's encryption: what a copy is worth, what a power cut leaves, and how keys follow each other."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from agent import machine_secret, private_files, sealing
from agent.keys import FileKeyStore, KeyStoreError, Own

MEDIUM_KEY = bytes(range(32))
SECRETS = ("checkpoint.pem", "sealing.pem", "tls-key.pem", "medium-1.key")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose identity is a file of the test's."""
    identity = tmp_path / "machine-id"
    identity.write_text("0123456789abcdef0123456789abcdef\n")
    monkeypatch.setattr(machine_secret, "sources", lambda: {"board": tmp_path / "none", "machine-id": identity})
    return identity


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def certified(store: FileKeyStore, authority: ec.EllipticCurvePrivateKey) -> bytes:
    """The certificate that a platform would give for what the store asks."""
    request = x509.load_der_x509_csr(store.certificate_request("gate-1"))
    assert request.is_signature_valid
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(request.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    return builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture
def authority() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def store(directory: Path, authority: ec.EllipticCurvePrivateKey) -> FileKeyStore:
    store = FileKeyStore.create(directory)
    store.install("medium-1.key", MEDIUM_KEY)
    store.adopt(certified(store, authority))
    store.install("ca.pem", (directory / "tls.pem").read_bytes())
    return store


def loads(store: FileKeyStore) -> None:
    """Whether TLS takes the pair; OpenSSL refuses a key that is not the certificate's."""
    store.tls_files().load_into(ssl.create_default_context())


def test_no_secret_lies_plain_on_the_disk(store: FileKeyStore, directory: Path) -> None:
    for name in SECRETS:
        content = (directory / name).read_bytes()
        assert b"PRIVATE" not in content
        assert MEDIUM_KEY not in content
    assert store.bound_to() == ("machine-id",)
    loads(store)


def test_a_copy_opens_nothing_on_another_machine(
    store: FileKeyStore, directory: Path, machine: Path, tmp_path: Path
) -> None:
    shutil.copytree(directory, tmp_path / "copy")
    machine.write_text("another")
    copy = FileKeyStore(tmp_path / "copy")
    with pytest.raises(KeyStoreError, match=r"checkpoint\.pem was encrypted on another machine"):
        copy.checkpoint_signer()
    with pytest.raises(KeyStoreError, match="enrol the terminal anew"):
        copy.mac("medium-1", b"")
    with pytest.raises(KeyStoreError, match="another machine"):
        loads(copy)
    assert store.mac("medium-1", b"") is not None  # what is open stays open


def test_what_the_keys_are_bound_to_is_named_when_it_is_gone(
    store: FileKeyStore, directory: Path, machine: Path
) -> None:
    machine.unlink()
    with pytest.raises(KeyStoreError, match="bound to this machine's machine-id"):
        FileKeyStore(directory).checkpoint_signer()


def test_one_key_never_stands_in_for_another(store: FileKeyStore, directory: Path) -> None:
    shutil.copy(directory / "sealing.pem", directory / "checkpoint.pem")
    with pytest.raises(KeyStoreError, match=r"checkpoint\.pem was encrypted on another machine, or is damaged"):
        FileKeyStore(directory).checkpoint_signer()


USES: Mapping[str, Callable[[FileKeyStore], object]] = {
    "checkpoint.pem": FileKeyStore.checkpoint_signer,
    "sealing.pem": FileKeyStore.sealing_public,
    "tls-key.pem": loads,
    "medium-1.key": lambda store: store.mac("medium-1", b""),
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("keep", [0, 20, 40])
def test_a_torn_key_is_refused(store: FileKeyStore, directory: Path, name: str, keep: int) -> None:
    (directory / name).write_bytes((directory / name).read_bytes()[:keep])
    torn = FileKeyStore(directory)
    with pytest.raises((KeyStoreError, ssl.SSLError)) as caught:  # of an empty file OpenSSL itself says so
        USES[name](torn)
    assert name in str(caught.value) or (name, keep) == ("tls-key.pem", 0)


@pytest.mark.parametrize("content", [b"", b"nonsense", bytes(100)])
def test_a_damaged_salt_is_a_sentence(store: FileKeyStore, directory: Path, content: bytes) -> None:
    (directory / "machine.salt").write_bytes(content)
    with pytest.raises(KeyStoreError, match=r"machine\.salt is damaged"):
        FileKeyStore(directory).checkpoint_signer()


def test_plain_keys_of_before_are_read_and_encrypted(directory: Path, authority: ec.EllipticCurvePrivateKey) -> None:
    plain = FileKeyStore.create(directory, portable=True)
    plain.install("medium-1.key", MEDIUM_KEY)
    plain.adopt(certified(plain, authority))
    plain.install("ca.pem", (directory / "tls.pem").read_bytes())
    (directory / ".checkpoint.pem.0a1b2c3d").write_bytes(b"what a power cut left")
    assert b"PRIVATE" in (directory / "tls-key.pem").read_bytes()
    before = plain.checkpoint_signer().kid, plain.mac("medium-1", b"")

    arrived = FileKeyStore(directory)
    assert (arrived.checkpoint_signer().kid, arrived.mac("medium-1", b"")) == before
    arrived.protect()
    assert all(b"PRIVATE" not in (directory / name).read_bytes() for name in SECRETS)
    again = FileKeyStore(directory)
    again.protect()
    assert (again.checkpoint_signer().kid, again.mac("medium-1", b"")) == before
    assert not list(directory.glob(".*"))
    loads(again)


def test_keys_follow_when_they_are_certified_and_not_before(
    store: FileKeyStore, authority: ec.EllipticCurvePrivateKey
) -> None:
    sealed = sealing.seal(b"secret", store.sealing_public(), b"use")
    before = store.checkpoint_signer().kid
    following = store.next_public(Own.CHECKPOINT)
    store.next_public(Own.SEALING)
    certificate = certified(store, authority)
    assert store.next_public(Own.CHECKPOINT) == following
    assert store.checkpoint_signer().kid == before
    loads(store)

    for _ in range(2):  # a step that is repeated
        store.adopt(certificate)
        assert store.checkpoint_public() == following
        assert store.unseal(sealed, b"use") == b"secret"
        loads(store)


def test_a_power_cut_between_certificate_and_key_leaves_a_pair(
    store: FileKeyStore, directory: Path, authority: ec.EllipticCurvePrivateKey
) -> None:
    certificate = certified(store, authority)
    store.install("tls.pem", certificate)  # the last thing before the power cut
    assert (directory / "next-tls-key.pem").exists()
    loads(FileKeyStore(directory))
    assert not (directory / "next-tls-key.pem").exists()
    loads(FileKeyStore(directory))


def test_wiping_leaves_nothing_and_begins_with_what_encrypts_the_rest(
    store: FileKeyStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[str] = []
    unlink = os.unlink

    def noted(path: str, *, dir_fd: int) -> None:
        gone.append(path)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", noted)
    FileKeyStore(directory).wipe()
    assert gone[0] == "machine.salt"
    assert set(SECRETS) < set(gone)
    assert list(directory.iterdir()) == []


def test_of_two_who_make_the_salt_at_once_one_wins_and_both_can_read(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private_files.make_directory(directory)
    slow, fast = FileKeyStore(directory), FileKeyStore(directory)
    lexists = os.path.lexists

    def seen(path: Path) -> bool:
        """The slow one has seen no salt, and then the fast one does all of it."""
        there = lexists(path)
        monkeypatch.setattr(os.path, "lexists", lexists)
        fast.install("medium-1.key", MEDIUM_KEY)
        return there

    monkeypatch.setattr(os.path, "lexists", seen)
    slow.install("medium-2.key", MEDIUM_KEY)
    again = FileKeyStore(directory)
    assert again.mac("medium-1", b"") == again.mac("medium-2", b"")
    assert sorted(path.name for path in directory.iterdir()) == ["machine.salt", "medium-1.key", "medium-2.key"]


def test_wiping_follows_no_link_and_stops_at_no_directory(store: FileKeyStore, directory: Path, tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.write_bytes(b"not ours")
    (directory / "link.pem").symlink_to(others)
    (directory / "archive").mkdir()
    assert store.wipe() == ["archive"]
    assert [path.name for path in directory.iterdir()] == ["archive"]
    assert others.read_bytes() == b"not ours"


def test_a_directory_behind_a_link_or_open_to_others_is_not_wiped(
    store: FileKeyStore, directory: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(directory)
    with pytest.raises(KeyStoreError, match="is not a plain directory"):
        FileKeyStore(tmp_path / "link").wipe()
    directory.chmod(0o755)
    with pytest.raises(KeyStoreError, match="chmod 700"):
        store.wipe()
    directory.chmod(0o700)
    assert store.mac("medium-1", b"")
