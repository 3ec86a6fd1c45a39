"""A RabbitMQ cluster of three nodes, each in a network namespace of its own, with the configuration that we ship.

Debian's package, its MQTT plugin, quorum queues. The nodes' addresses are 10.77.x.1 to .3 on a bridge that exists for
this run alone, named by its process id; nothing else is reached. What a run that was killed left behind is removed by
the next one. It needs root.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.privilege import refused
from tools.platform.ca import Authority
from tools.platform.key_files import write_private
from tools.platform.rabbitmq import advanced, configuration, definitions, revoked_name
from tools.platform.revocation import write_list

_RUN = os.getpid()
_NET = f"10.77.{_RUN % 256}"
_SPACE = re.compile(r"onecard-rmq-(\d+)-[123]")
NODES = (1, 2, 3)
PORT = 8883
_BIN = Path("/usr/lib/rabbitmq/bin")
_BOOT_S = 120.0
_POLL_S = 0.5
_NO_NAMESPACES = ("Operation not permitted", "Operation not supported", "Unknown device type")


def release() -> tuple[int, ...]:
    """RabbitMQ's, as 3, 10, 8: which nodes may start together, and which MQTT they speak, hangs on it."""
    (library,) = Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")
    return tuple(int(part) for part in library.name.rpartition("-")[2].split("."))


def address(node: int) -> str:
    """The node's address."""
    return f"{_NET}.{node}"


def _ip(*arguments: str, check: bool = True) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and any(refusal in done.stderr for refusal in _NO_NAMESPACES):
        refused(f"this machine makes no network namespace: {done.stderr.strip()}")
    # Anything else is a fault of ours: a skip would hide that nothing was tested.
    assert not check or done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr.strip()}"


def _namespace(run: int, node: int) -> str:
    return f"onecard-rmq-{run}-{node}"


def _bridge(run: int) -> str:
    return f"ocr{run}"


def _remove_what_was_left() -> None:
    """Networks of runs that were killed: their process is no more."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    for run in {int(match[1]) for match in _SPACE.finditer(listed.stdout)}:
        if not Path(f"/proc/{run}").exists():
            _remove_network(run)


def _remove_network(run: int) -> None:
    """One run's, with what still runs in it: Erlang's epmd detaches itself from the node that started it."""
    for node in NODES:
        space = _namespace(run, node)
        listed = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=False)
        for pid in listed.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        # A namespace outlives its name while a process dies in it, and would keep the wire.
        _ip("link", "del", f"{_bridge(run)}-{node}", check=False)
        _ip("netns", "del", space, check=False)
    _ip("link", "del", _bridge(run), check=False)


@dataclass
class Cluster:
    """Three nodes; `kill` and `start` one of them."""

    directory: Path
    authority: Authority
    terminals: tuple[str, ...]
    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Namespaces, wires and files."""
        self.directory.mkdir(parents=True, exist_ok=True)
        _remove_what_was_left()
        bridge = _bridge(_RUN)
        _ip("link", "add", bridge, "type", "bridge")
        _ip("addr", "add", f"{_NET}.254/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for node in NODES:
            name, outer = _namespace(_RUN, node), f"{bridge}-{node}"
            _ip("netns", "add", name)
            _ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", outer, "master", bridge, "up")
            _ip("-n", name, "addr", "add", f"{address(node)}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        rights = self.directory / "definitions.json"
        rights.write_text(definitions(self.terminals))
        members = "\n".join(f"cluster_formation.classic_config.nodes.{node} = {self._name(node)}" for node in NODES)
        common = configuration(rights)
        self.revoked.mkdir()
        (self.directory / "advanced.config").write_text(advanced(self.authority, self.revoked))
        self.tell_revoked()
        (self.directory / "rabbitmq.conf").write_text(
            f"{common}cluster_formation.peer_discovery_backend = classic_config\n{members}\nlog.console = false\n"
        )
        (self.directory / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        cookie = self.directory / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)

    @property
    def revoked(self) -> Path:
        """Where all nodes look for the list of revoked certificates."""
        return self.directory / "revoked"

    def tell_revoked(self) -> None:
        """Give them the list as it is now."""
        write_list(self.authority)
        write_private(self.revoked / revoked_name(self.authority), self.authority.revoked_list.read_bytes())

    def start(self, *nodes: int) -> None:
        """Start nodes, and return when they take MQTT."""
        for node in nodes:
            command = ["ip", "netns", "exec", _namespace(_RUN, node), str(_BIN / "rabbitmq-server")]
            quiet = subprocess.DEVNULL
            self._processes[node] = subprocess.Popen(
                command, env=self._environment(node), stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
            )
        deadline_s = time.monotonic() + _BOOT_S
        while not all(self._listens(node) for node in nodes):
            assert time.monotonic() < deadline_s, f"RabbitMQ did not start; see {self.directory}"
            assert all(self._processes[node].poll() is None for node in nodes), f"a node ended; see {self.directory}"
            time.sleep(_POLL_S)
        for node in nodes:  # it listens before it has the rights
            self.control(node, "await_startup")

    def kill(self, node: int) -> None:
        """End a node as a power cut would."""
        process = self._processes.pop(node)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def control(self, node: int, *arguments: str) -> str:
        """What `rabbitmqctl` prints."""
        command = ["ip", "netns", "exec", _namespace(_RUN, node), str(_BIN / "rabbitmqctl"), "--quiet", *arguments]
        done = subprocess.run(
            command, env=self._environment(node), capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def end(self) -> None:
        """End everything."""
        for node in list(self._processes):
            self.kill(node)
        _remove_network(_RUN)

    def _listens(self, node: int) -> bool:
        probe = ["timeout", "2", "bash", "-c", f"exec 3<>/dev/tcp/{address(node)}/{PORT}"]
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0

    def _name(self, node: int) -> str:
        return f"rabbit@{address(node)}"

    def _environment(self, node: int) -> dict[str, str]:
        own = self.directory / str(node)
        own.mkdir(exist_ok=True)
        return os.environ | {
            "HOME": str(self.directory),
            "RABBITMQ_NODENAME": self._name(node),
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.directory / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(own / "mnesia"),
            "RABBITMQ_LOG_BASE": str(own / "log"),
            "RABBITMQ_PID_FILE": str(own / "pid"),
            # Two cores for three nodes and all that is tested: no busy waiting, two schedulers each.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        }


@contextmanager
def running_cluster(directory: Path, authority: Authority, terminals: Iterable[str]) -> Iterator[Cluster]:
    """A cluster of three."""
    if os.geteuid() != 0:
        refused("a cluster stands in network namespaces")
    if shutil.which("rabbitmqctl", path=str(_BIN)) is None:
        pytest.fail("rabbitmq-server is not installed: make test installs it")
    cluster = Cluster(directory, authority, tuple(terminals))
    try:
        cluster.prepare()
        if release() >= (4, 0):  # there the first waits for a second
            cluster.start(*NODES)
        else:
            cluster.start(NODES[0])
            cluster.start(*NODES[1:])
        yield cluster
    finally:
        cluster.end()
