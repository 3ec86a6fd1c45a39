"""A real mosquitto on a free port of the loopback, and the certificates that it and its clients need."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.keys import TlsFiles

_DEADLINE_S = 10.0

_CONFIGURATION = """\
persistence false
set_tcp_nodelay true
listener {port} 127.0.0.1
cafile {directory}/ca.pem
certfile {directory}/{server}.pem
keyfile {directory}/{server}.key
require_certificate true
use_identity_as_username true
acl_file {directory}/acl
"""

_RIGHTS = """\
user platform
topic readwrite onecard/1/#

pattern write onecard/1/+/%u/up/#
pattern read onecard/1/+/%u/down/#
"""


class Authority:
    """A certificate authority that writes PEM files into one directory."""

    def __init__(self, directory: Path, life: timedelta = timedelta(days=1)) -> None:
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        certificate = self._sign(self._name, self._key, life)
        (directory / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, address: str = "127.0.0.1", life: timedelta = timedelta(days=1)) -> TlsFiles:
        """A certificate whose common name is ``name``; a negative ``life`` ended that long ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        certificate = self._sign(subject, key, life, alternative)
        files = TlsFiles(
            ca=self.directory / "ca.pem", certificate=self.directory / f"{name}.pem", key=self.directory / f"{name}.key"
        )
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        life: timedelta,
        alternative: x509.SubjectAlternativeName | None = None,
    ) -> x509.Certificate:
        """A leaf if it has an ``alternative`` name, else a CA; as RFC 5280 §4.2.1 asks, which Python 3.13 checks."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + life)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.BasicConstraints(alternative is None, None), critical=True)
            .add_extension(_usage(signs_certificates=alternative is None), critical=True)
        )
        if alternative is not None:
            builder = builder.add_extension(alternative, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass
class Mosquitto:
    """One broker; ``server`` names the certificate it shows, ``rules`` are further lines of its configuration."""

    directory: Path
    server: str = "server"
    port: int = 0
    rules: str = ""
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, on the same port as before if it was up, and wait until it listens."""
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        (self.directory / "acl").write_text(_RIGHTS)
        configuration = self.directory / "mosquitto.conf"
        configuration.write_text(
            _CONFIGURATION.format(port=self.port, directory=self.directory, server=self.server)
            + ("user root\n" if os.geteuid() == 0 else "")
            + self.rules
        )
        program = shutil.which("mosquitto", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
        assert program, "mosquitto is not installed"
        self._process = subprocess.Popen(
            [program, "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _DEADLINE_S
        while True:
            assert self._process.poll() is None, "mosquitto ended at once"
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < deadline, "mosquitto does not listen"
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """End it as a crash would; harmless when it is down."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_DEADLINE_S)
            self._process = None
