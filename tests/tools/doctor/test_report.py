"""The file for support holds no personal data and no key, in whatever form: all of its bytes are searched."""

from __future__ import annotations

import base64
import json
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click import ClickException
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent import machine_secret
from agent.composition import keys_dir
from agent.config import ConfigError, load
from agent.keys import FileKeyStore
from offline_store.journal import Append
from tests.tools.doctor.parts import Ward, passage
from tools.doctor import installation, report

HOLDER = "张三丰"
NUMBER = "110101199003078812"
MEDIUM = bytes.fromhex("c0ffee0123456789abcdef0123456789")
SUBJECT = bytes.fromhex("5ab1ec7fedcba9876543210fedcba987")
PASSWORD = "hunter2-geheim"
PORTS = (
    f"socket://admin:{PASSWORD}@127.0.0.1:9",
    f"/dev/{PASSWORD}",
    f"/dev/serial/by-id/usb-{PASSWORD}",
    f"rfc2217://{NUMBER}@127.0.0.1:9",
)
SEALED = b"\x9e\x11\x77sealed evidence\x02\x03"


def seed(well: Ward) -> None:
    """Put everything that must not leave into every place that it could leave from."""
    holder = {"medium": MEDIUM.hex(), "subject": SUBJECT.hex(), "person": {"unit": "unit-zhang", "category": "retired"}}
    devices = well.document["devices"] | {
        "camera": {"driver": "camera", "source": f"rtsp://{PASSWORD}:{PASSWORD}@10.0.0.9/live"}
    }
    devices |= {f"other-{number}": {"driver": "scanner", "port": port} for number, port in enumerate(PORTS)}
    devices["card"] = {"driver": "pcsc", "reader": f"{HOLDER} {PASSWORD}"}
    lanes = well.document["lanes"]
    lanes["north"]["settings"]["admit"] = {"media": [MEDIUM.hex()]}
    lanes["north"]["readers"] = ["scanner", "camera", "card", *(name for name in devices if name.startswith("other-"))]
    library = {"address": f"{PASSWORD}:6001", "user": PASSWORD, "institution": HOLDER, "location": f"{HOLDER}-{NUMBER}"}
    well.configure(holders=[holder], devices=devices, lanes=lanes, library=library)
    entry = replace(
        passage(7), medium=MEDIUM, subject=("city", SUBJECT), sealed=SEALED, public={"item": NUMBER, "note": HOLDER}
    )
    well.append(Append((entry,), saves={"lane/north": HOLDER.encode() + MEDIUM}))
    incoming = well.state_dir / "bundles" / "incoming"
    incoming.mkdir(parents=True)
    for place in ("", "keys", "bundles", "bundles/incoming"):
        for name in (f"{HOLDER}-{NUMBER}.bundle", f"密码-{PASSWORD}.pem", f"medium-{NUMBER}.key", f"{PASSWORD}.1"):
            dropped = well.state_dir / place / name
            dropped.write_text(NUMBER)
            dropped.chmod(0o644)  # what is open to others is found, and named on the screen


def secrets_of(well: Ward) -> Iterator[bytes]:
    """All that is personal, and all that is secret."""
    yield from (HOLDER.encode(), NUMBER.encode(), MEDIUM, SUBJECT, PASSWORD.encode(), SEALED, b"unit-zhang")
    yield from (path.read_bytes().strip() for path in machine_secret.sources().values() if path.is_file())
    store = FileKeyStore(keys_dir(well.state_dir))
    names = sorted(path.name for path in keys_dir(well.state_dir).iterdir() if path.stat().st_mode & 0o077 == 0)
    assert {"checkpoint.pem", "sealing.pem", "tls-key.pem", "medium-1.key", "machine.salt"} <= set(names)
    for name in names:
        yield (keys_dir(well.state_dir) / name).read_bytes()
        content = store.secret(name)
        if b"PRIVATE KEY" not in content:
            yield from (content,) if name.endswith(".key") else ()
            continue
        key = serialization.load_pem_private_key(content, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        yield key.private_numbers().private_value.to_bytes(32, "big")
        yield from content.splitlines()[1:-1]


def forms(secret: bytes) -> set[bytes]:
    """The ways in which bytes are written: raw, reversed, hex, base64 at each of its three offsets, base32, escaped."""
    found = {secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode(), secret[::-1].hex().encode()}
    found.add(base64.b32encode(secret).rstrip(b"="))
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            inner = encode(b"\0" * offset + secret)
            found.add(inner[4 if offset else 0 : len(inner) - len(inner) % 4 - 4])
    if text := _text(secret):
        found |= {text.encode("utf-16-le"), text.encode("utf-16-be"), text.encode("gbk")}
        found |= {json.dumps(text).encode()[1:-1], text.encode("unicode_escape"), repr(secret).encode()[2:-1]}
    return {form for form in found if len(form) >= 6}


def _text(secret: bytes) -> str:
    try:
        return secret.decode()
    except UnicodeDecodeError:
        return ""


def found_in(path: Path, well: Ward) -> list[bytes]:
    """Secrets that are in the file, or in anything that is packed into it."""
    contents = [path.read_bytes()]
    with zipfile.ZipFile(path) as archive:
        contents += [archive.read(name) for name in archive.namelist()]
        contents += [name.encode() for name in archive.namelist()]
    return [
        secret
        for secret in secrets_of(well)
        if any(form in content or form.lower() in content.lower() for content in contents for form in forms(secret))
    ]


def test_it_holds_nothing_personal_and_no_key(well: Ward, tmp_path: Path) -> None:
    seed(well)
    path = tmp_path / "report.zip"
    report.store(path, report.pages(well.patient(), well.findings()))
    assert found_in(path, well) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as archive:
        pages = {name: json.loads(archive.read(name)) for name in archive.namelist()}
    assert {"chain", "device", "route.tls"} <= {each["check"] for each in pages["doctor.json"]}
    assert pages["journal.json"]["head"] == 22
    assert pages["configuration.json"]["holders"] == 1
    assert pages["configuration.json"]["devices"]["camera"]["source"] == "…"
    listed = {each["name"]: each for each in pages["files.json"]}
    assert {"keys/tls-key.pem", "journal.db", "bundles/trust.1"} <= listed.keys()
    assert [listed[place]["others"] for place in ("/", "keys/", "bundles/")] == [4, 4, 4]
    assert [each["about"] for each in pages["doctor.json"] if each["fault"] == "open"] == ["…"] * 4


@pytest.mark.parametrize("form", range(12))
def test_the_search_would_find_what_leaks(well: Ward, tmp_path: Path, form: int) -> None:
    known = list(secrets_of(well))
    secret = known[form * len(known) // 12]
    written = sorted(forms(secret))[form % len(forms(secret))]
    path = tmp_path / "report.zip"
    report.store(path, {"page.json": written.decode("latin-1")})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("planted", b"before" + written + b"after")
    assert secret in found_in(path, well)


def test_what_somebody_typed_by_mistake_is_not_quoted(well: Ward, tmp_path: Path) -> None:
    well.configure(holders=[{"medium": MEDIUM.hex(), HOLDER: NUMBER}], **{HOLDER: NUMBER})
    well.document["lanes"]["north"]["profile"] = PASSWORD
    well.configure()
    with pytest.raises(ConfigError) as caught:
        load(well.config)
    findings = list(installation.invalid(caught.value))
    assert any(HOLDER in each.about for each in findings)  # on the screen the technician needs it
    path = tmp_path / "report.zip"
    report.store(path, report.pages(None, findings))
    assert found_in(path, well) == []


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "report.zip"
    path.write_text("mine")
    with pytest.raises(ClickException):
        report.store(path, {})
    assert path.read_text() == "mine"
