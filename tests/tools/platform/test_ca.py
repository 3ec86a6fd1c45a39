"""The platform's keys as files."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from cryptography import x509

from agent.keys import FileKeyStore, Role
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError
from tools.platform.key_files import write_private


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def names_of(certificate: Path) -> list[str]:
    parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
    return [str(name.value) for name in parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value]


def test_a_second_init_changes_nothing(tmp_path: Path) -> None:
    Authority.init(tmp_path / "keys")
    before = contents(tmp_path / "keys")
    Authority.init(tmp_path / "keys")
    assert contents(tmp_path / "keys") == before


def test_nobody_else_can_read_the_keys(authority: Authority) -> None:
    directory = authority.ca.key.parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


def test_a_key_is_durable_by_its_name_and_a_draft_of_another_process_stays(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = authority.ca.key.parent
    (directory / ".revoked.crl.new").write_bytes(b"another's draft")
    synced: list[bool] = []
    fsync = os.fsync

    def seen(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    write_private(authority.revoked_list, b"list")
    assert synced == [False, True]
    assert (directory / ".revoked.crl.new").read_bytes() == b"another's draft"


def test_a_new_host_name_renews_the_server_certificate_alone(authority: Authority) -> None:
    directory = authority.ca.key.parent
    before = contents(directory)
    renewed = Authority.init(directory, ["city.example", "192.0.2.7"])
    after = contents(directory)
    assert {name for name in after if after[name] != before[name]} == {"server.pem", "server-key.pem"}
    assert set(names_of(renewed.server.certificate)) == {"localhost", "127.0.0.1", "city.example", "192.0.2.7"}


def test_an_init_that_was_cut_between_key_and_certificate_is_completed(authority: Authority) -> None:
    authority.client.certificate.unlink()
    completed = Authority.init(authority.ca.key.parent)
    certificate = x509.load_pem_x509_certificate(completed.client.certificate.read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(completed.ca.certificate.read_bytes()))


@pytest.mark.parametrize("role", ["ack", "root", "bundle", "sealing", "technician", "command"])
def test_no_private_key_is_made_beside_a_public_half(authority: Authority, role: str) -> None:
    directory = authority.ca.key.parent
    (directory / f"{role}-key.pem").unlink()
    before = contents(directory)
    Authority.at(directory)
    assert contents(directory) == before


def test_a_root_whose_public_half_went_too_is_not_made_anew(authority: Authority) -> None:
    root, public = authority.role_keys[Role.ROOT]
    root.unlink()
    public.unlink()
    with pytest.raises(PlatformError, match=re.escape(f"{public} is missing")):
        Authority.at(root.parent)
    assert not root.exists()


def test_where_there_are_terminals_no_other_medium_key_is_made(authority: Authority, tmp_path: Path) -> None:
    """Cards would have two ids, and a card that was reported lost would open at the next terminal."""
    directory = authority.medium_key.parent
    authority.medium_key.unlink()
    assert Authority.at(directory).medium_key.exists(), "nobody has it yet"
    authority.provision("gate-1", tmp_path / "gate-1")
    authority.medium_key.unlink()
    for begin in (Authority.at, Authority.init):
        with pytest.raises(PlatformError, match=re.escape(f"{authority.medium_key} is missing")):
            begin(directory)
    assert not authority.medium_key.exists()


def test_it_is_said_once_that_the_codes_of_a_lost_key_count_no_more(
    authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    assert capsys.readouterr().err == "", "the first of all is nobody's loss"
    authority.enrol_key.unlink()
    Authority.at(authority.enrol_key.parent)
    assert "codes that were given out and not used count no more" in capsys.readouterr().err
    Authority.at(authority.enrol_key.parent)
    assert capsys.readouterr().err == ""


def test_a_key_of_which_no_public_half_was_written_yet_is_kept(authority: Authority) -> None:
    key, public = authority.role_keys[Role.COMMAND]
    before, half = key.read_bytes(), public.read_bytes()
    public.unlink()
    Authority.at(key.parent)
    assert (key.read_bytes(), public.read_bytes()) == (before, half)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN ENCRYPTED PRIVATE KEY-----"], ids=["empty", "encrypted"])
def test_what_is_no_root_key_is_refused_by_its_name(authority: Authority, content: bytes) -> None:
    root, _ = authority.role_keys[Role.ROOT]
    root.write_bytes(content)
    with pytest.raises(PlatformError, match=re.escape(str(root))):
        authority.load_root()


def test_a_provisioned_terminal_trusts_the_platform_and_nothing_secret_of_it_leaves(
    authority: Authority, tmp_path: Path
) -> None:
    authority.provision("gate-1", tmp_path / "gate-1")
    keys = FileKeyStore(tmp_path / "gate-1")
    certificate = x509.load_pem_x509_certificate(keys.tls_files().certificate.read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=gate-1"
    rings = [keys.platform_keys(role) for role in (Role.ACKNOWLEDGEMENT, Role.ROOT, Role.BUNDLE)]
    assert len({kid for ring in rings for kid in ring}) == 3
    assert len(keys.mac("medium-1", b"card")) == 32
    secrets_of_platform = {authority.ca.key.read_bytes(), authority.ack_key.read_bytes()}
    secrets_of_platform |= {key.read_bytes() for key, _ in authority.role_keys.values()}
    assert secrets_of_platform.isdisjoint(contents(tmp_path / "gate-1").values())


def test_provisioning_again_renews_the_certificate_and_keeps_the_checkpoint_key(
    authority: Authority, tmp_path: Path
) -> None:
    first = authority.provision("gate-1", tmp_path / "gate-1").checkpoint_signer().kid
    certificate = (tmp_path / "gate-1" / "tls.pem").read_bytes()
    assert authority.provision("gate-1", tmp_path / "gate-1").checkpoint_signer().kid == first
    assert (tmp_path / "gate-1" / "tls.pem").read_bytes() != certificate


@pytest.mark.parametrize("terminal", ["platform", "Gate", "a/b", "+", "#", "", "a" * 33])
def test_a_name_that_is_no_terminals_gets_no_certificate(authority: Authority, tmp_path: Path, terminal: str) -> None:
    with pytest.raises(PlatformError):
        authority.provision(terminal, tmp_path / "keys-of-it")
    assert not (tmp_path / "keys-of-it").exists()
