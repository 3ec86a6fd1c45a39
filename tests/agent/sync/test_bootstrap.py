"""The line of a box that has no certificate yet: whom it takes for its broker."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.permits.text import point_of
from agent.sync.bootstrap import Bootstrap, ImpostorError
from agent.sync.contract.enrol import EnrolCode
from tests.agent.credentials.health_issuer import Signer

DEADLINE_S = 20.0


@contextmanager
def broker(certificate: bytes, key: ec.EllipticCurvePrivateKey, directory: Path) -> Iterator[int]:
    """A server that shows this certificate; its port."""
    pem = directory / "server.pem"
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_text(ssl.DER_cert_to_PEM_cert(certificate) + key.private_bytes(*private).decode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection, context.wrap_socket(connection, server_side=True) as link:
                link.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(DEADLINE_S)
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(DEADLINE_S)


@pytest.mark.parametrize("version", [2, 1, 7])
def test_whoever_shows_a_certificate_of_its_own_or_of_no_known_version_is_an_impostor(
    tmp_path: Path, version: int
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    shown = Signer.make(key).der.replace(bytes.fromhex("a003020102"), bytes((0xA0, 3, 2, 1, version)), 1)
    point = point_of(ec.generate_private_key(ec.SECP256R1()).public_key())
    with broker(shown, key, tmp_path) as port:
        code = EnrolCode(
            id="0" * 16, secret=b"s" * 16, terminal="gate-7", expires_ms=1, host="127.0.0.1", port=port,
            root=point, answers=point, authority=point,
        )  # fmt: skip
        with pytest.raises(ImpostorError), Bootstrap(code):
            pass
