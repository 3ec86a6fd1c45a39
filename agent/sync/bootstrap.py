"""The line of a box that has no certificate yet: TLS to the broker of an enrolment code, and one pair of topics.

The broker is judged by the code alone: its certificate is of the authority whose key the code pins, for the host that
the code names, and a server's. Its dates are not looked at: the box may think that it is 1970. What comes is signed and
sealed anyway; this only keeps others from listening and answering.
"""

from __future__ import annotations

import ipaddress
import queue
import secrets
import ssl
import threading
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.sync.contract.enrol import MAX_ENROL_BYTES, EnrolCode
from agent.sync.contract.topics import enrol_down, enrol_up
from agent.sync.faults import LinkError, LinkFault, fault_of

_KEEPALIVE_S = 20
_CONNECT_S = 10.0
_MAX_WAITING = 16
_OVERHEAD_BYTES = 512
_PASSING = frozenset({LinkFault.UNREACHABLE, LinkFault.TLS, LinkFault.REFUSED})
"""What a broker that is just starting, or has all its places taken, looks like as well."""


class ImpostorError(OSError):
    """Whoever answers there is not the broker that the code names."""


class BrokenOffError(LinkError):
    """It was broken off before it stood: another try may do."""


class Bootstrap:
    """Connected within a ``with`` block.

    Entering raises :class:`ImpostorError`, :class:`BrokenOffError`, and :class:`~agent.sync.faults.LinkError` for any
    other fault.
    """

    def __init__(self, code: EnrolCode) -> None:
        self._code = code
        self._up = enrol_up(code.id)
        self._down = enrol_down(code.id)
        self._got: queue.Queue[bytes] = queue.Queue(_MAX_WAITING)
        self._is_subscribed = False
        self._begun = threading.Event()  # or ended before
        self._ended = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            secrets.token_hex(8),  # one that nobody guesses: the same id would throw the box out
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.username_pw_set(code.id)
        self._client.connect_timeout = _CONNECT_S
        self._client.tls_set_context(_context(code))
        self._client.on_connect = lambda client, *_: client.subscribe(self._down, qos=1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        try:
            self._client.connect(self._code.host, self._code.port, _KEEPALIVE_S)
        except ImpostorError:
            raise
        except OSError as error:
            raise _unreachable(fault_of(error)) from error
        self._client.loop_start()
        self._begun.wait(_CONNECT_S)
        if not self._is_subscribed:
            is_refused = self._ended.is_set()
            self.__exit__(None, None, None)
            raise _unreachable(LinkFault.REFUSED if is_refused else LinkFault.SILENT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client = self._client
        client.disconnect()
        client.loop_stop()
        # paho closes its own pair of sockets when it is freed, and not while it and its callbacks hold each other.
        client.on_connect = client.on_subscribe = client.on_disconnect = client.on_message = None

    def ask(self, payload: bytes) -> None:
        """Publish at QoS 1; that it may be lost all the same is why answers are asked for again."""
        self._client.publish(self._up, payload, qos=1)

    def answer(self, timeout_s: float) -> bytes | None:
        """The next message; ``None`` if none comes in time."""
        try:
            return self._got.get(timeout=timeout_s)
        except queue.Empty:
            return None

    @property
    def is_over(self) -> bool:
        """Whether the broker has ended it."""
        return self._ended.is_set()

    def _on_subscribe(self, _client: mqtt.Client, _userdata: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        if not any(reason.is_failure for reason in reasons):
            self._is_subscribed = True
            self._begun.set()

    def _on_disconnect(self, *_: object) -> None:
        self._ended.set()
        self._begun.set()

    def _on_message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic == self._down and len(message.payload) <= MAX_ENROL_BYTES + _OVERHEAD_BYTES:
            if self._got.full():
                self._got.get_nowait()  # the newest counts
            self._got.put_nowait(bytes(message.payload))


def _context(code: EnrolCode) -> ssl.SSLContext:
    """TLS 1.2 or later; whom it is spoken with is judged when the handshake is over."""

    class Pinned(ssl.SSLSocket):
        """Looks at the other side before a byte is sent to it."""

        def do_handshake(self, block: bool = False) -> None:
            try:
                super().do_handshake(block)
                _check(self.getpeercert(binary_form=True) or b"", code)
            except OSError:
                self.close()
                raise

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = Pinned
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # not nobody: `_check` is stricter than a chain, but for the dates
    return context


def _check(certificate: bytes, code: EnrolCode) -> None:
    """Raises :class:`ImpostorError`."""
    try:
        server = _parsed(certificate)
        authority = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), code.authority)
        authority.verify(server.signature, server.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
        names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uses = server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise ImpostorError("not of the authority that the code names") from error
    if ExtendedKeyUsageOID.SERVER_AUTH not in uses or not _is_for(code.host, names):
        raise ImpostorError("not for this host")


def _parsed(certificate: bytes) -> x509.Certificate:
    """Raises :class:`ImpostorError`."""
    try:
        return x509.load_der_x509_certificate(certificate)
    except Exception as error:  # what cryptography raises of hostile DER is no closed list
        raise ImpostorError("what it shows is no certificate") from error


def _is_for(host: str, names: x509.SubjectAlternativeName) -> bool:
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        return host.lower().removesuffix(".") in {name.lower() for name in names.get_values_for_type(x509.DNSName)}


def _unreachable(fault: LinkFault) -> LinkError:
    return (BrokenOffError if fault in _PASSING else LinkError)(fault.zh, fault.en)
