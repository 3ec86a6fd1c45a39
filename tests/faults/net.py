"""A network between terminal and platform that a test breaks: two network namespaces, and a router between them.

Terminal — router — this machine, by two pairs of veth. What is done to packets is done to those that the router passes
on, so both ends see what they would see of a real line: nothing. All of it needs root, and goes with the namespaces.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from tests.faults.privilege import refused

_NET = "198.18"
"""RFC 2544: for tests of networks, and nobody's."""

Way = Literal["up", "down"]


@dataclass(frozen=True)
class Network:
    """``terminal`` and ``router`` are names of namespaces; ``here`` is this machine's address in it."""

    terminal: str
    router: str
    here: str

    def lose(self, share: float) -> None:
        """So many of the packets disappear, in both directions."""
        self._rule("-m", "statistic", "--mode", "random", "--probability", str(share))

    def deafen(self, way: Way) -> None:
        """Nothing passes in this direction: ``up`` is towards the platform."""
        self._rule("-i", "near" if way == "up" else "far")

    def double(self) -> None:
        """Every packet arrives twice, in both directions."""
        for inside, receiver in (("near", self.here), ("far", f"{self._prefix}.130")):
            _do(*self._mangle("-A"), "-i", inside, "-j", "TEE", "--gateway", receiver)

    def came_twice(self) -> int:
        """How many segments the terminal's side had already when they came (RFC 2883: it says so by a D-SACK)."""
        shown = subprocess.run(self.inside("cat", "/proc/net/netstat"), check=True, capture_output=True, text=True)
        names, values = (line.split() for line in shown.stdout.splitlines()[:2])
        return int(dict(zip(names, values, strict=True))["TCPDSACKOldSent"])

    def pull(self) -> None:
        """The terminal's cable is out."""
        _do("ip", "-n", self.terminal, "link", "set", "line", "down")

    def mend(self) -> None:
        """All is well again."""
        _do("ip", "netns", "exec", self.router, "iptables", "-F", "FORWARD")
        _do(*self._mangle("-F"))
        _do("ip", "-n", self.terminal, "link", "set", "line", "up")
        _do("ip", "-n", self.terminal, "route", "replace", "default", "via", f"{self._prefix}.129")

    def inside(self, *command: str) -> list[str]:
        """The command that runs another one where the terminal stands."""
        return ["ip", "netns", "exec", self.terminal, *command]

    @property
    def _prefix(self) -> str:
        return self.here.rsplit(".", 1)[0]

    def _mangle(self, act: str) -> list[str]:
        return ["ip", "netns", "exec", self.router, "iptables", "-t", "mangle", act, "FORWARD"]

    def _rule(self, *match: str) -> None:
        _do("ip", "netns", "exec", self.router, "iptables", "-A", "FORWARD", *match, "-j", "DROP")


@contextmanager
def network() -> Iterator[Network]:
    """One that is whole, until the block ends."""
    if os.geteuid() != 0:
        refused("a broken network is played in network namespaces")
    pid = os.getpid()
    net = f"{_NET}.{pid % 256}"
    made = Network(f"onecard-{pid}-t", f"onecard-{pid}-r", f"{net}.1")
    outer = f"oc{pid}"
    try:
        for name in (made.terminal, made.router):
            _may(f"ip netns add {name}")
        _may(f"ip link add {outer} type veth peer name far netns {made.router}")
        _may(f"ip -n {made.router} link add near type veth peer name line netns {made.terminal}")
        _may(f"ip addr add {made.here}/25 dev {outer}")
        _may(f"ip link set {outer} up")
        _may(f"ip route add {net}.128/25 via {net}.2 dev {outer}")
        _may(f"ip -n {made.router} addr add {net}.2/25 dev far")
        _may(f"ip -n {made.router} addr add {net}.129/25 dev near")
        for link in ("far", "near"):
            _may(f"ip -n {made.router} link set {link} up")
        _may(f"ip netns exec {made.router} sysctl -q -w net.ipv4.ip_forward=1")
        _may(f"ip -n {made.terminal} addr add {net}.130/25 dev line")
        _may(f"ip -n {made.terminal} link set lo up")
        made.mend()
        yield made
    finally:
        for command in (f"link del {outer}", f"netns del {made.terminal}", f"netns del {made.router}"):
            subprocess.run(["ip", *command.split()], capture_output=True, check=False)


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _may(command: str) -> None:
    """One step of building."""
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if done.returncode:
        refused(f"this machine has no network namespaces for us: {command}: {done.stderr.strip()}")
