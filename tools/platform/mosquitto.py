"""What mosquitto needs to be this platform's broker: its configuration, and who may do what.

What it fixes, and why: a client's id and user name are the CN of its certificate, so no terminal can take over
another's session; a terminal writes below its own `up` and reads its own `down` only; TCP_NODELAY, without which each
acknowledgement waits for 40 ms; every queue has a bound. The session store is saved often, yet nothing rests on it: a
broker that forgets everything only makes terminals send again. The rights are by pattern: new terminals need no new
file.
"""

from __future__ import annotations

from pathlib import Path

from tools.platform.ca import PUBLISHER, Authority, worker_name

CONFIGURATION = """\
# Written by onecard; what is changed here is lost when it is written again.
user {user}
pid_file {state}/mosquitto.pid
log_dest file {state}/mosquitto.log
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S
connection_messages false

persistence true
persistence_location {state}/
autosave_interval 30
persistent_client_expiration 2m

set_tcp_nodelay true
max_inflight_messages 100
max_queued_messages 20000
max_queued_bytes 268435456
message_size_limit 2097152
max_keepalive 300

listener {port} {address}
allow_anonymous false
cafile {ca}
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
use_username_as_clientid true
acl_file {rights}
"""

_RIGHTS = """\
{workers}
pattern read onecard/1/bundle/#
pattern write onecard/1/+/%u/up/#
pattern read onecard/1/+/%u/down/#
"""
_RIGHTS_OF_A_WORKER = """\
user {name}
topic readwrite onecard/1/#
"""


def configuration(authority: Authority, rights_file: Path, state: Path, *, port: int, listen: str, user: str) -> str:
    """The whole `mosquitto.conf`. ``state`` is where sessions, log and process id go; ``user`` is who it becomes."""
    return CONFIGURATION.format(
        user=user,
        state=state.absolute(),
        rights=rights_file.absolute(),
        port=port,
        address=listen,
        ca=authority.ca.certificate.absolute(),
        certificate=authority.server.certificate.absolute(),
        key=authority.server.key.absolute(),
    )


def rights() -> str:
    """The ACL file: the platform's workers everything, each terminal what is its own."""
    names = (worker_name(number) for number in range(PUBLISHER + 1))
    return _RIGHTS.format(workers="\n".join(_RIGHTS_OF_A_WORKER.format(name=name) for name in names))
