"""``onecard code``: from a key to a verdict by hand, and an expansion that a stranger's library verifies."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.credentials import ec1
from tests.house import ROOT
from tools.cli.main import cli

AT = "2026-03-01T12:00:00+00:00"
LATER = "2026-03-01T12:00:30+00:00"
ALGORITHMS = ("es256", "ed25519", "sm2")
every_mix = pytest.mark.parametrize(("issuer", "phone"), [(a, b) for a in ALGORITHMS for b in ALGORITHMS])

Onecard = Callable[..., Result]


@pytest.fixture
def onecard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Onecard:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONECARD_LANG", "en")

    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(cli, ["code", *arguments], input=stdin)

    return run


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout.rstrip("\n")


def shown(onecard: Onecard, issuer: str, phone: str, *, at: str | None = AT, purpose: str = "pass") -> str:
    """A code; its keys stay in ``city.key``, ``city.row`` and ``phone.key``."""
    when = () if at is None else ("--at", at)
    done(onecard("keygen", "city.key", "--row", "city.row", "--algorithm", issuer, *when))
    done(onecard("keygen", "phone.key", "--algorithm", phone))
    credential = done(onecard("issue", "--by", "city.key", "--device", "phone.key", "--entitlement", "3", *when))
    return done(onecard("show", credential, "--device", "phone.key", "--purpose", purpose, *when))


@every_mix
def test_a_code_of_every_mix_is_accepted(onecard: Onecard, issuer: str, phone: str) -> None:
    text = shown(onecard, issuer, phone)
    verdict = json.loads(done(onecard("verify", "-", "--row", "city.row", "--at", LATER, "--json", stdin=text + "\n")))
    assert verdict["accepted"]
    assert (verdict["reason"], verdict["purpose"], verdict["assurance"]) == ("granted", "pass", "dynamic-code")
    assert verdict["entitlements"] == ["bit-3"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--at", "2026-03-01T12:05:00+00:00"), "code-stale"),
        (("--at", "2026-03-01T11:59:00+00:00"), "code-not-yet-valid"),
        (("--at", "2026-03-03T12:00:00+00:00"), "code-expired"),
        (("--at", LATER, "--purpose", "pay"), "code-wrong-purpose"),
        (("--at", LATER, "--revoked", "0"), "code-revoked"),
    ],
)
def test_a_refusal_says_why_and_exits_with_one(onecard: Onecard, options: tuple[str, ...], reason: str) -> None:
    text = shown(onecard, "es256", "es256")
    refused = onecard("verify", text, "--row", "city.row", "--json", *options)
    assert refused.exit_code == 1
    facts = json.loads(refused.stdout)
    assert (facts["accepted"], facts["reason"]) == (False, reason)
    assert facts["citizen"].keys() == {"zh", "en"}
    plain = onecard("verify", text, "--row", "city.row", *options)
    assert plain.stdout.startswith("refused: ")


def test_a_static_code_is_printed_whole_and_accepted_where_it_may_be(onecard: Onecard) -> None:
    done(onecard("keygen", "city.key", "--row", "city.row", "--static", "--at", AT))
    text = done(onecard("issue", "--by", "city.key", "--at", AT))
    assert text.startswith(ec1.PREFIX)
    assert onecard("verify", text, "--row", "city.row", "--at", LATER).exit_code == 1
    verdict = json.loads(done(onecard("verify", text, "--row", "city.row", "--at", LATER, "--static", "--json")))
    assert verdict["assurance"] == "static-code"


def test_the_pictures_hold_the_code_in_a_symbol_of_version_ten_at_level_m(onecard: Onecard) -> None:
    import cv2

    text = shown(onecard, "es256", "sm2")
    drawn = onecard("show", text, "--png", "code.png", "--svg", "code.svg", "--terminal", "--json")
    facts = json.loads(done(drawn).splitlines()[-1])
    assert facts == {"text": text, "characters": 310, "symbol": "10-M"}
    assert "█" in drawn.stdout
    assert Path("code.svg").read_text().startswith("<?xml")
    (read,) = zxingcpp.read_barcodes(cv2.imread("code.png", cv2.IMREAD_GRAYSCALE))
    assert (read.text, read.ec_level) == (text, "M")


def test_keys_and_rows_are_their_owners_alone_and_never_overwritten(onecard: Onecard) -> None:
    shown(onecard, "es256", "es256")
    for name in ("city.key", "city.row", "phone.key"):
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
    before = Path("phone.key").read_bytes()
    again = onecard("keygen", "phone.key")
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    assert Path("phone.key").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "00"), "name the phone's key"),
        (("show", "zz", "--device", "phone.key"), "not a credential"),
        (("show", "EC1:lower case", "--png", "x.png"), "does not fit"),
        (("issue", "--by", "none.key"), "No such file"),
        (("issue", "--by", "phone.key"), "this is a phone's key; an issuer's key is wanted here"),
        (("issue", "--by", "city.key", "--token", "12"), "32 hexadecimal digits"),
        (("issue", "--by", "city.key", "--at", "noon"), "give Unix seconds"),
        (("expand", "EC1:", "--row", "city.row"), "EC1: wrong length"),
        (("verify", "EC1:", "--row", "phone.key"), "a row of the trust list is wanted here"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(onecard: Onecard, arguments: tuple[str, ...], words: str) -> None:
    shown(onecard, "es256", "es256")
    result = onecard(*arguments)
    assert result.exit_code in (1, 2)
    assert words in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_credential_is_shown_by_its_own_phone_alone(onecard: Onecard) -> None:
    done(onecard("keygen", "city.key", "--row", "city.row"))
    done(onecard("keygen", "phone.key"))
    done(onecard("keygen", "other.key"))
    credential = done(onecard("issue", "--by", "city.key", "--device", "phone.key"))
    refused = onecard("show", credential, "--device", "other.key")
    assert refused.exit_code == 1
    assert "another phone's key" in refused.stderr


def test_a_code_of_an_issuer_without_a_row_is_not_expanded(onecard: Onecard) -> None:
    text = shown(onecard, "es256", "es256")
    done(onecard("keygen", "else.key", "--row", "else.row", "--issuer", "2"))
    assert "no row given" in onecard("expand", text, "--row", "else.row").stderr


@pytest.mark.parametrize(("issuer", "phone"), [("es256", "ed25519"), ("ed25519", "es256")])
def test_a_third_party_library_verifies_the_expansion(onecard: Onecard, issuer: str, phone: str) -> None:
    """python-cwt judges by this machine's clock, so this code is issued now. SM2 has no COSE number: it knows none."""
    text = shown(onecard, issuer, phone, at=None)
    expanded = json.loads(done(onecard("expand", text, "--row", "city.row", "--json")))
    assert done(onecard("expand", text, "--row", "city.row")) == expanded["cwt"]
    parsed = ec1.parse(text)
    row = json.loads(Path("city.row").read_text())
    asked = expanded | {"key": pem(issuer, bytes.fromhex(row["public"])), "kid": "00010001"}
    answer = third_party(asked | {"device_key": pem(phone, parsed.issued.device_key)})
    claims = answer["claims"]
    assert (claims["1"], claims["4"], claims["-70003"]) == ("city", parsed.issued.exp_s, 1 << 3)
    assert parsed.shown is not None
    assert answer["shown"] == parsed.shown.payload.hex()


@pytest.mark.parametrize("part", ["cwt", "cose_sign1", "external_aad"])
def test_the_third_party_refuses_what_was_altered(onecard: Onecard, part: str) -> None:
    """So that the test above shows something: the library does look at each of the three."""
    text = shown(onecard, "es256", "es256", at=None)
    expanded = json.loads(done(onecard("expand", text, "--row", "city.row", "--json")))
    place = expanded if part == "cwt" else expanded["showing"]
    place[part] = place[part][:-2] + f"{int(place[part][-2:], 16) ^ 1:02x}"
    row = json.loads(Path("city.row").read_text())
    asked = expanded | {"key": pem("es256", bytes.fromhex(row["public"])), "kid": "00010001"}
    with pytest.raises(subprocess.CalledProcessError) as failed:
        third_party(asked | {"device_key": pem("es256", ec1.parse(text).issued.device_key)})
    assert "Failed to verify" in failed.value.stderr


def third_party(asked: dict[str, object]) -> dict[str, Any]:
    """Ask python-cwt, in its own environment, made by ``make .venv/cwt/.tools``."""
    command = [str(ROOT / ".venv/cwt/bin/python"), "-P", str(ROOT / "tests/tools/cli/third_party_cwt.py")]
    run = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=60)
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def pem(algorithm: str, encoded: bytes) -> str:
    public: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    if algorithm == "es256":
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), encoded)
    else:
        public = ed25519.Ed25519PublicKey.from_public_bytes(encoded)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
