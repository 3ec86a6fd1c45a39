"""Citizen codes at a gate, from the keys on a desk to the relay: lists are signed, dropped, and in force at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from drivers.virtual.bench import Scan
from tests.agent.credentials import health_issuer
from tests.agent.credentials.health_issuer import Signer
from tests.scenarios.site import Site, gate

ISSUER = ("--issuer", "7")
TIMEOUT_S = 60
STATUS_INDEX = 5


class Desk:
    """Who issues codes and signs lists: the command line in a directory of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def onecard(self, *arguments: str, stdin: str = "", exit_code: int = 0) -> str:
        """What the command prints; it must end like this."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "agent", *arguments],
            cwd=self._home,
            env={**os.environ, "ONECARD_LANG": "en"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == exit_code, done
        return done.stdout.strip()

    def enrol(self) -> None:
        """Make every key; the terminal in ``state`` believes the platform's."""
        (self._home / "state").mkdir()
        for role in ("root", "bundle"):
            self.onecard("trust", "keygen", f"{role}.pem")
            self.onecard("trust", "anchor", role, f"{role}.pem.pub", "--state-dir", "state")
        self.onecard("code", "keygen", "issuer.key", "--row", "row.json", *ISSUER, "--algorithm", "sm2")
        self.onecard("code", "keygen", "phone.key")

    def trust(self, terminal: str) -> None:
        """Sign the trust list for one terminal and bring it there."""
        (self._home / "gate.pub").write_text(self.onecard("trust", "seal-key", "--state-dir", "state"))
        self.onecard(
            *("trust", "build", "--row", "row.json", "--terminal-key", "gate.pub", "--key", "root.pem"),
            *("--version", "1", "--audience", f"terminal:{terminal}", "-o", "trust.bundle"),
        )
        self.install("trust.bundle")

    def deny(self, version: int, revoked: str) -> None:
        """Sign a deny list and bring it to the terminal."""
        file = f"status-{version}.bundle"
        self.onecard(
            *("status-list", "build", *ISSUER, "--entries", "1000", "--revoked", "-", "--version", str(version)),
            *("--key", "bundle.pem", "-o", file),
            stdin=revoked,
        )
        self.install(file)

    def install(self, file: str) -> None:
        self.onecard("trust", "install", file, "--state-dir", "state")

    def code(self) -> str:
        """A code as the phone shows it now."""
        credential = self.onecard(
            *("code", "issue", "--by", "issuer.key", "--device", "phone.key"), "--status-index", str(STATUS_INDEX)
        )
        return self.onecard("code", "show", credential, "--device", "phone.key", "--purpose", "pass")


@contextmanager
def gate_with_lists(directory: Path) -> Iterator[tuple[Site, Desk]]:
    desk = Desk(directory)
    desk.enrol()
    with gate(directory, codes={"untrusted_clock": "judge"}, open_pulse_ms=50) as site:
        desk.trust(site.terminal_id)
        desk.deny(1, "")
        yield site, desk


def show(site: Site, text: str) -> None:
    site.devices.ask(Scan(do="show", text=text))


def test_a_code_opens_once_and_not_after_its_holder_was_revoked(tmp_path: Path) -> None:
    with gate_with_lists(tmp_path) as (site, desk):
        first = desk.code()
        show(site, first)
        site.expect("decision", reason="granted")
        site.press("passage", active=True)
        site.expect("outcome", reason="passed")
        site.press("passage", active=False)
        show(site, first)
        site.expect("decision", reason="code-replayed")
        second = desk.code()
        assert "accepted" in desk.onecard("code", "verify", second, "--state-dir", "state")
        desk.deny(2, f"{STATUS_INDEX}\n")
        show(site, second)
        site.expect("decision", reason="code-revoked")
        assert "revoked" in desk.onecard("code", "verify", second, "--state-dir", "state", exit_code=1)
        assert [change.on for change in site.relay().history if change.on] == [True]


def test_without_a_trust_list_no_code_opens(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.enrol()
    with gate(tmp_path, codes={"untrusted_clock": "judge"}) as site:
        show(site, desk.code())
        site.expect("decision", reason="trust-expired")
        assert not any(change.on for change in site.relay().history)


def test_a_green_health_certificate_opens_by_the_signers_that_were_installed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.enrol()
    now = datetime.now(UTC)
    signer = Signer.make(ec.generate_private_key(ec.SECP256R1()), (), now - timedelta(days=9), now + timedelta(days=9))
    (tmp_path / "signer.der").write_bytes(signer.der)
    tested = health_issuer.tested(sc=now.isoformat(timespec="seconds"))
    text = health_issuer.certificate(signer, tested, int(now.timestamp()) - 60, int(now.timestamp()) + 3600)
    codes = {"untrusted_clock": "judge", "health": {}}
    with gate(tmp_path, codes=codes, admit={"entitlements": ["health-green"]}) as site:
        show(site, text)
        site.expect("decision", reason="health-signers-missing")
        desk.onecard(
            *("trust", "hcert", "--cert", "signer.der", "--key", "root.pem", "--version", "1", "-o", "hcert.bundle")
        )
        desk.install("hcert.bundle")
        assert "health-green" in desk.onecard("hcert", "verify", text, "--state-dir", "state")
        show(site, text)
        site.expect("decision", reason="granted")
