"""How the platform's own clients speak with brokers: by TLS, at once, and anew where one refuses to let them hear."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from paho.mqtt.reasoncodes import ReasonCode

from agent.sync.connection import ClosingSocket
from tools.platform.ca import Authority

log = logging.getLogger(__name__)


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


def anew_if_refused(
    client: Any, _userdata: object, _mid: int, reasons: Sequence[ReasonCode], _properties: object
) -> None:
    """For paho's ``on_subscribe``, of a client that connects again by itself.

    A refusal may be for a moment, as at a cluster that has just lost a node: nobody else would ask again. paho's own
    ``disconnect`` would end it for good.
    """
    refusal = next((reason for reason in reasons if reason.is_failure), None)
    connection = client.socket()
    if refusal is not None and connection is not None:
        log.error("the broker refused a subscription: %s", refusal)
        with suppress(OSError):  # it is gone already
            connection.shutdown(socket.SHUT_RDWR)
