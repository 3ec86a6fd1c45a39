"""How the platform's own clients speak TLS with brokers."""

from __future__ import annotations

import ssl

from agent.sync.connection import ClosingSocket
from tools.platform.ca import Authority


def context_of(authority: Authority, worker: int) -> ssl.SSLContext:
    """TLS 1.2 or later with the certificate of a worker; a broker that dies in mid handshake leaves no socket open."""
    pair = authority.worker(worker)
    context = ssl.create_default_context(cafile=authority.ca.certificate)
    context.sslsocket_class = ClosingSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(pair.certificate, pair.key)
    return context
