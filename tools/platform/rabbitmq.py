"""What RabbitMQ needs to be this platform's broker: its configuration, and who may do what.

Its MQTT plugin speaks 3.1.1 (5 from 3.13 on). A client's name is the CN of its certificate, and its rights are bound to
that name in two ways: on the queue of its session, whose name holds the client id, so that nobody takes over another's;
and on topics, so that a terminal writes below its own `up` and reads its own `down` and the bundles. Sessions are
quorum queues: a classic queue loses with its node what was acknowledged.

What TLS asks stands in `advanced.config`, in Erlang's own terms: `rabbitmq.conf` knows no list of revoked certificates.
Without that file no listener has a certificate, and nobody is let in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from agent.sync.contract import PREFIX, Address
from tools.platform.ca import REGISTRAR, Authority, worker_name

CONFIGURATION = """\
# For each node of the cluster; `rabbitmq.conf`. Of 3.10, start the first node alone and the others when it is up: of
# nodes that make the virtual host at the same moment, one may be left without it, and then refuses every connection.
# Of 4.0, start all at once: the first looks for a second, for ten minutes.
listeners.tcp = none
mqtt.listeners.tcp = none
mqtt.listeners.ssl.default = 8883
# Who a client is, is what its certificate says.
ssl_cert_login_from = common_name
mqtt.ssl_cert_login = true
mqtt.allow_anonymous = false
mqtt.vhost = /
mqtt.exchange = amq.topic
# Of a classic queue everything is lost that was acknowledged when its node is.
mqtt.durable_queue_type = quorum
mqtt.prefetch = 20
# Twice the largest batch. It is 3.10's bound alone, and after the whole was read: 4.0's is in advanced.config.
max_message_size = 2097152
# Without it each acknowledgement waits for 40 ms.
mqtt.tcp_listen_options.nodelay = true
load_definitions = {definitions}
"""

ADVANCED = """\
%% For each node too; `advanced.config`. A session outlives its terminal's line for a week: before 3.13 RabbitMQ reads
%% the first of these, in milliseconds, since then the second, in seconds; 4.0 does not start with the first in
%% rabbitmq.conf, nor 3.10 with the bound of a packet, which 4.0 enforces before it reads one. The list of revoked
%% certificates is read at each connection.
[{{rabbitmq_mqtt, [{{subscription_ttl, 604800000}}, {{max_session_expiry_interval_seconds, 604800}},
  {{max_packet_size_authenticated, 2097152}}]}},
 {{rabbit, [{{ssl_options, [
  {{cacertfile, {ca}}},
  {{certfile, {certificate}}},
  {{keyfile, {key}}},
  {{verify, verify_peer}},
  {{fail_if_no_peer_cert, true}},
  {{versions, ['tlsv1.3', 'tlsv1.2']}},
  {{crl_check, peer}},
  {{crl_cache, {{ssl_crl_hash_dir, {{internal, [{{dir, {revoked}}}]}}}}}}
]}}]}}].
"""

_SEQUENCE_BYTES = 2
"""Before the one name in it, which is short."""
_VHOST = "/"
_EXCHANGE = "amq.topic"


def configuration(definitions: Path) -> str:
    """The settings that every node has; a cluster's own (its members, its cookie) come beside them."""
    return CONFIGURATION.format(definitions=definitions.absolute())


def advanced(authority: Authority, revoked: Path) -> str:
    """What TLS asks of whoever connects; ``revoked`` is a directory that holds :func:`revoked_name`."""
    files = {
        "ca": authority.ca.certificate,
        "certificate": authority.server.certificate,
        "key": authority.server.key,
        "revoked": revoked,
    }
    return ADVANCED.format(**{name: _erlang(str(path.absolute())) for name, path in files.items()})


def revoked_name(authority: Authority) -> str:
    """The name under which Erlang looks for the list of revoked certificates: its issuer's hash, as OpenSSL has it."""
    issuer, _ = authority.load_authority()
    (name,) = issuer.subject  # our authority's is a common name alone, and UTF-8 already
    plain = x509.NameAttribute(name.oid, " ".join(str(name.value).lower().split()))
    canonical = x509.Name([plain]).public_bytes()[_SEQUENCE_BYTES:]
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}.r0"


def _erlang(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def definitions(terminals: Iterable[str]) -> str:
    """Users and rights as JSON, for `load_definitions` and `rabbitmqctl import_definitions`; again, it changes nothing.

    Nobody has a password that anybody knows: certificates alone open the door.
    """
    platform = [worker_name(number) for number in range(REGISTRAR + 1)]
    terminals = list(terminals)
    return json.dumps(
        {
            "vhosts": [{"name": _VHOST}],
            "users": [_user(name) for name in (*platform, *terminals)],
            "permissions": [_session_rights(name) for name in (*platform, *terminals)],
            "topic_permissions": [
                *(_topic_rights(name, _everything(), _everything()) for name in platform),
                *(_topic_rights(name, *_own_topics(name)) for name in terminals),
            ],
        },
        indent=1,
    )


def _user(name: str) -> dict[str, object]:
    # A random hash is the hash of no known password; rabbitmqctl's clear_password says the same by an empty one.
    return {
        "name": name,
        "password_hash": base64.b64encode(secrets.token_bytes(36)).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "",
    }


def _session_rights(name: str) -> dict[str, str]:
    """Its own session's queues, and the exchange that all messages go through."""
    own = f"mqtt-(subscription|will)-{re.escape(name)}(qos[01])?"
    return {
        "user": name,
        "vhost": _VHOST,
        "configure": f"^{own}$",
        "write": f"^(amq\\.topic|{own})$",
        "read": f"^(amq\\.topic|{own})$",
    }


def _topic_rights(name: str, write: str, read: str) -> dict[str, str]:
    return {"user": name, "vhost": _VHOST, "exchange": _EXCHANGE, "write": write, "read": read}


def _everything() -> str:
    return f"^{_routing(PREFIX)}\\."


def _own_topics(terminal: str) -> tuple[str, str]:
    """What a terminal may write, and what it may read; topics as routing keys, with dots for slashes."""
    own = f"{_routing(PREFIX)}\\.{Address(terminal).shard}\\.{re.escape(terminal)}"
    return f"^{own}\\.up\\.[a-z]+$", f"^({own}\\.down\\.[a-z]+|{_routing(PREFIX)}\\.bundle\\..+)$"


def _routing(topic: str) -> str:
    return re.escape(topic.replace("/", "."))
