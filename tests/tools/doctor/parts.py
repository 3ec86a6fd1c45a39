"""A terminal that is well, for the doctor's tests to break: devices, a broker, certificates, a list and a journal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.bundles.install import Shelf
from agent.bundles.manifest import Kind, Manifest
from agent.clock import RecordIds, SystemClock, SystemRandom
from agent.composition import keys_dir, open_keys
from agent.config import load
from agent.kernel_time import boot_id
from agent.keys import FileKeyStore, TlsFiles
from drivers.virtual.relay import VirtualRelay
from drivers.virtual.scanner import VirtualScanner
from offline_store.bundles import InstalledBundle
from offline_store.journal import Append, Journal
from offline_store.record import Entry
from offline_store.reserve import Reserve
from tests.agent.sync.broker import Authority, Mosquitto
from tools.doctor.examine import examine
from tools.doctor.finding import Finding
from tools.doctor.patient import Patient, meet

NAME = "gate-7"
DAY_MS = 86_400_000
YEAR = timedelta(days=365)
RESERVE_MB = 1


@dataclass
class Ward:
    """One terminal that does not run. ``document`` is its configuration, written anew by :meth:`configure`."""

    directory: Path
    authority: Authority
    broker: Mosquitto
    relay: VirtualRelay
    scanner: VirtualScanner
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.directory / "gate.yaml"

    @property
    def state_dir(self) -> Path:
        return self.directory / "state"

    def configure(self, **sections: Any) -> None:
        """Change sections of the configuration."""
        self.document |= sections
        self.config.write_text(yaml.safe_dump(self.document), encoding="utf-8")
        self.config.chmod(0o600)

    def use_camera(self, source: str) -> None:
        """Put a camera in the scanner's place."""
        devices = self.document["devices"] | {"scanner": {"driver": "camera", "source": source}}
        self.configure(devices=devices)

    def install_driver(self, monkeypatch: pytest.MonkeyPatch, device: str, kind: str, source: str) -> None:
        """Drive a device by a class ``kind`` in this ``source``, as of a package that somebody installed."""
        module = f"a_{kind}"
        about = self.directory / f"{module}-1.dist-info"
        about.mkdir()
        (self.directory / f"{module}.py").write_text(source, encoding="utf-8")
        (about / "METADATA").write_text(f"Name: {module}\nVersion: 1\n", encoding="utf-8")
        (about / "entry_points.txt").write_text(f"[onecard.drivers]\n{kind} = {module}:{kind}\n", encoding="utf-8")
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(str(self.directory))
        devices = self.document["devices"]
        self.configure(devices=devices | {device: devices[device] | {"driver": kind}})

    def enrol(self, files: TlsFiles) -> None:
        """Give the terminal these credentials."""
        keys = FileKeyStore(keys_dir(self.state_dir))
        keys.install("ca.pem", (self.authority.directory / "ca.pem").read_bytes())
        keys.install("tls.pem", files.certificate.read_bytes())
        keys.install("tls-key.pem", files.key.read_bytes())

    def install_list(self, *, issued_ms: int, expires_ms: int) -> None:
        """A trust list that is installed."""
        content = b"content"
        digest = sha256(content).digest()
        manifest = Manifest(
            kind=Kind.TRUST,
            name="trust",
            bundle_version=1,
            issued_ms=issued_ms,
            expires_ms=expires_ms,
            grace_ms=0,
            audience="all",
            body_sha256=digest,
            body_bytes=len(content),
            content_sha256=digest,
            content_bytes=len(content),
        )
        shelf = Shelf(self.state_dir)
        shelf.make()
        shelf.path(manifest).write_bytes(content)
        self.append(Append(bundles=(InstalledBundle("trust", 1, manifest.encode()),)))

    def append(self, *appends: Append) -> None:
        """Write to the journal as the agent would."""
        journal = self.journal()
        journal.append(list(appends))
        journal.close()

    def journal(self) -> Journal:
        return Journal.open(self.state_dir, boot_id(), clock=SystemClock(), random=SystemRandom())

    def patient(self) -> Patient:
        return meet(load(self.config), self.config)

    def findings(self) -> list[Finding]:
        return examine(self.patient(), patience_s=20.0)

    def wrong(self) -> set[tuple[str, str]]:
        """Check and fault of every line that warns or fails, but for how the machine that tests is itself."""
        return {(each.check, each.fault) for each in self.findings() if each.fault} - _OF_THE_MACHINE


_OF_THE_MACHINE = {
    ("agent", "stopped"),
    ("clock.trust", "untrusted"),
    ("clock.trust", "holdover"),
    ("clock.source", "not-synchronised"),
    ("clock.battery", "apart"),
    ("clock.battery", "low"),
}


def passage(number: int, at_ms: int | None = None) -> Entry:
    """A record as a gate makes it."""
    clock = SystemClock()
    return Entry(
        id=RecordIds(clock, SystemRandom()).new(),
        kind="decision",
        time_ms=clock.now_ms() if at_ms is None else at_ms,
        time_quality="synchronised",
        monotonic_ms=number,
        lane="north",
        profile="gate",
        reason="granted",
        medium=number.to_bytes(16, "big"),
    )


@contextmanager
def ward(directory: Path) -> Iterator[Ward]:
    """The healthy terminal; its devices and its broker run until the end."""
    certificates = directory / "certificates"
    certificates.mkdir()
    authority = Authority(certificates, life=YEAR)
    authority.issue("server", life=YEAR)
    relay = VirtualRelay(directory / "relay", {"gate": 0}, {"passage": 0, "fire": 1, "reset": 2})
    scanner = VirtualScanner(directory / "scanner")
    made = Ward(directory, authority, Mosquitto(certificates), relay, scanner)
    relay.plug()
    scanner.port.plug()
    made.broker.start()
    try:
        _furnish(made)
        yield made
    finally:
        made.broker.stop()
        scanner.port.unplug()
        relay.unplug()


def _furnish(made: Ward) -> None:
    made.configure(
        terminal={"id": NAME, "state_dir": "state"},
        devices={
            "scanner": {"driver": "scanner", "port": str(made.scanner.port.path)},
            "board": {
                "driver": "relay",
                "port": str(made.relay.port.path),
                "timeout_ms": 1000,
                "outputs": {"gate": 0},
                "inputs": {"passage": 0, "fire": 1, "reset": 2},
                "fire": {
                    "inputs": ["fire"],
                    "outputs": ["gate"],
                    "reset_input": "reset",
                    "latch_file": "${state}/latch",
                },
            },
        },
        lanes={
            "north": {
                "profile": "gate",
                "readers": ["scanner"],
                "board": "board",
                "settings": {"admit": {"everyone": True}},
            }
        },
        platform={"host": "127.0.0.1", "port": made.broker.port},
        journal={"reserve_mb": RESERVE_MB},
    )
    made.append(*(Append((passage(number),)) for number in range(20)))
    open_keys(made.state_dir, SystemRandom(), make=True)
    made.enrol(made.authority.issue(NAME, life=YEAR))
    now_ms = round(time.time() * 1000)
    made.install_list(issued_ms=now_ms - DAY_MS, expires_ms=now_ms + 30 * DAY_MS)
    assert Reserve(made.state_dir, RESERVE_MB * 1024**2).make()
