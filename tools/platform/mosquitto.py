"""What mosquitto needs to be this platform's broker: its configuration, and who may do what.

What it fixes, and why: a client's id and user name are the CN of its certificate, so no terminal can take over
another's session; a terminal writes below its own `up` and reads its own `down` only; TCP_NODELAY, without which each
acknowledgement waits for 40 ms; every queue has a bound. The session store is saved often, yet nothing rests on it: a
broker that forgets everything only makes terminals send again. The rights are by pattern: new terminals need no new
file. Certificates that were revoked are refused by the authority's list, which is read at the start. No
``max_keepalive``: where one is set, mosquitto 2.0.21 (Debian 13) ends connections that are just being made.

Who has no certificate yet enrols at a mosquitto of its own: each code's id reaches its own two topics there, and there
is nothing else, no session of a terminal that a stranger could take over (mosquitto binds client ids to certificates
only where it asks for one). The platform comes in by a second listener, with its certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.sync.contract.topics import ENROLMENT as ENROLMENT_TOPICS
from tools.platform.ca import REGISTRAR, Authority, worker_name
from tools.platform.key_files import write_private
from tools.platform.revocation import write_list

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

listener {port} {address}
allow_anonymous false
cafile {ca}
crlfile {revoked}
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
use_username_as_clientid true
acl_file {rights}
"""

ENROLMENT = """\
# Written by onecard; what is changed here is lost when it is written again.
user {user}
pid_file {state}/{name}.pid
log_dest file {state}/{name}.log
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S
connection_messages false

persistence false
set_tcp_nodelay true
max_queued_messages 100
max_queued_bytes 1048576
message_size_limit 131072
per_listener_settings true

listener {port} {address}
max_connections 64
allow_anonymous true
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
acl_file {rights}

listener {inner_port} {inner_address}
allow_anonymous false
cafile {ca}
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
acl_file {platform_rights}
"""

_ENROLMENT_RIGHTS = f"""\
pattern write {ENROLMENT_TOPICS}/%u/up
pattern read {ENROLMENT_TOPICS}/%u/down
"""
_REGISTRAR_RIGHTS = f"""\
user {worker_name(REGISTRAR)}
topic readwrite {ENROLMENT_TOPICS}/#
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mosquitto has its files, listens, and whom it becomes. ``state`` holds sessions, log and process id."""

    directory: Path
    state: Path
    port: int
    listen: str
    user: str
    name: str = "mosquitto"
    """Of its files in ``state``, where two share one."""

    @property
    def configuration(self) -> Path:
        """The file to start it with."""
        return self.directory / "mosquitto.conf"


def write(authority: Authority, place: Place) -> None:
    """The broker of the terminals."""
    write_list(authority)
    rights_file = place.directory / "acl"
    write_private(rights_file, rights().encode())
    text = CONFIGURATION.format(**_common(authority, place), rights=rights_file.absolute())
    write_private(place.configuration, text.encode())


def write_enrolment(authority: Authority, place: Place, inner: tuple[str, int]) -> None:
    """The broker of boxes that enrol; ``inner`` is where the platform itself connects to it."""
    files = {"acl": _ENROLMENT_RIGHTS, "acl-platform": _REGISTRAR_RIGHTS}
    for name, content in files.items():
        write_private(place.directory / name, content.encode())
    text = ENROLMENT.format(
        **_common(authority, place),
        name=place.name,
        inner_address=inner[0],
        inner_port=inner[1],
        rights=(place.directory / "acl").absolute(),
        platform_rights=(place.directory / "acl-platform").absolute(),
    )
    write_private(place.configuration, text.encode())


def _common(authority: Authority, place: Place) -> dict[str, object]:
    return {
        "user": place.user,
        "state": place.state.absolute(),
        "port": place.port,
        "address": place.listen,
        "revoked": authority.revoked_list.absolute(),
        "ca": authority.ca.certificate.absolute(),
        "certificate": authority.server.certificate.absolute(),
        "key": authority.server.key.absolute(),
    }


def rights() -> str:
    """The ACL file: the platform's workers everything, each terminal what is its own."""
    names = (worker_name(number) for number in range(REGISTRAR + 1))
    return _RIGHTS.format(workers="\n".join(_RIGHTS_OF_A_WORKER.format(name=name) for name in names))
