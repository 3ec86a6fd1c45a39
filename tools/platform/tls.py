"""How the platform's own clients speak with brokers: by TLS, and at once."""

from __future__ import annotations

import socket
import ssl
from typing import Any

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


def send_at_once(_client: object, _userdata: object, connection: Any) -> None:
    """For paho's ``on_socket_open``: Nagle's algorithm would hold each answer back for 40 ms."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
