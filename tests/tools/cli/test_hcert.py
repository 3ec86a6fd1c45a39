"""``onecard hcert verify``: a certificate by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.agent.credentials import health_issuer
from tests.agent.credentials.health_issuer import Signer
from tools.cli.main import cli

SIGNER = Signer.make(ec.generate_private_key(ec.SECP256R1()))
STRANGER = Signer.make(ec.generate_private_key(ec.SECP256R1()))
TEXT = health_issuer.certificate(SIGNER, health_issuer.vaccination())
AT = str(health_issuer.NOW_S)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONECARD_LANG", "en")
    Path("signer.pem").write_bytes(SIGNER.certificate.public_bytes(Encoding.PEM))
    Path("stranger.der").write_bytes(STRANGER.der)


def verify(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, ["hcert", "verify", *arguments], input=stdin)


def test_a_certificate_is_accepted_with_its_colour() -> None:
    result = verify("-", "--cert", "stranger.der", "--cert", "signer.pem", "--at", AT, "--json", stdin=TEXT + "\n")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["entitlements"] == ["health-green"]
    assert "health-green" in verify(TEXT, "--cert", "signer.pem", "--at", AT).stdout


def test_a_refusal_exits_with_one() -> None:
    unknown = verify(TEXT, "--cert", "stranger.der", "--at", AT, "--json")
    assert unknown.exit_code == 1
    assert json.loads(unknown.stdout)["reason"] == "health-signer-unknown"
    expired = verify(TEXT, "--cert", "signer.pem", "--at", str(health_issuer.EXPIRES_S))
    assert expired.exit_code == 1
    assert "has expired" in expired.stdout


def test_a_file_that_is_no_certificate_is_one_sentence() -> None:
    Path("empty.pem").write_bytes(b"")
    assert "neither PEM nor DER" in verify(TEXT, "--cert", "empty.pem").stderr
    assert "No such file" in verify(TEXT, "--cert", "none.pem").stderr


def test_whose_signers_count_must_be_said() -> None:
    assert "one of the two" in verify(TEXT, "--at", AT).stderr
    assert "one of the two" in verify(TEXT, "--cert", "signer.pem", "--state-dir", ".").stderr


def test_a_certificate_that_terminals_cannot_use_is_not_signed() -> None:
    brief = ec.generate_private_key(ec.SECP384R1())
    Path("p384.der").write_bytes(Signer.make(brief).der)
    CliRunner().invoke(cli, ["trust", "keygen", "root.pem"])
    build = ["trust", "hcert", "--cert", "p384.der", "--key", "root.pem", "--version", "1", "--out", "hcert.bundle"]
    refused = CliRunner().invoke(cli, build)
    assert refused.exit_code == 1
    assert "P-256" in refused.stderr
