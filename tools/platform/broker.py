"""The platform's broker: a private mosquitto that it starts itself, or one that is there already.

Its configuration is :mod:`tools.platform.mosquitto`'s.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from drivers.virtual.child import bound_to_parent
from tools.cli.words import say
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError
from tools.platform.key_files import make_private_directory
from tools.platform.mosquitto import Place, write, write_enrolment

DEFAULT_PORT = 8883

_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 5.0
_POLL_S = 0.01
_SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))


@dataclass(frozen=True)
class Endpoint:
    """Where a broker listens. TLS with client certificates always."""

    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Read `mqtts://host[:port]`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or DEFAULT_PORT
        except ValueError:
            host, port = None, 0
        if not host or parts.scheme != "mqtts" or parts.path not in {"", "/"}:
            raise PlatformError(
                say(
                    f"消息服务器地址 {url} 不对：应写成 mqtts://主机:端口。",
                    f"The broker address {url} is not usable: write mqtts://host:port.",
                )
            )
        return cls(host, port)

    @classmethod
    def parse_all(cls, urls: str) -> tuple[Endpoint, ...]:
        """Read several, such as the nodes of a cluster, separated by commas."""
        return tuple(cls.parse(url.strip()) for url in urls.split(","))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtts://{host}:{self.port}"


class Broker:
    """One mosquitto of the platform's own, in `directory`, listening on `port` (0: a free one, kept over restarts).

    `enrols`: it is the one where boxes enrol, at `port`, and the platform comes in at `inner`.
    """

    def __init__(
        self, directory: Path, authority: Authority, port: int = 0, listen: str = "127.0.0.1", *, enrols: bool = False
    ) -> None:
        self._directory = directory.absolute()
        self._authority = authority
        self._port = port
        self._inner_port = 0
        self._enrols = enrols
        self._listen = listen
        self._configuration = self._directory / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # the supervisor revives what another thread may just be stopping

    @property
    def endpoint(self) -> Endpoint:
        """Where the platform itself connects; terminals elsewhere use a name of the server's certificate."""
        return Endpoint("localhost" if self._listen in {"0.0.0.0", "::"} else self._listen, self._port)  # noqa: S104 - a comparison

    @property
    def inner(self) -> Endpoint:
        """Where the platform itself connects to the broker of those who enrol."""
        return Endpoint("127.0.0.1", self._inner_port)

    @property
    def pid(self) -> int | None:
        """The process id while mosquitto runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start mosquitto and return when it listens; one that a killed platform left behind is ended first."""
        with self._lock:
            self._start()

    def stop(self) -> None:
        """End mosquitto in order, so that it saves its sessions; kill it when it does not end."""
        with self._lock:
            self._end(_STOP_TIMEOUT_S)

    def kill(self) -> None:
        """End mosquitto at once, as a power cut would."""
        with self._lock:
            self._end(0)

    def restart(self) -> None:
        """Let everybody connect anew, by what the list of revoked certificates says now."""
        with self._lock:
            self._end(_STOP_TIMEOUT_S)
            self._start()

    def revive(self) -> bool:
        """Start mosquitto again if it ended by itself; whether it had."""
        with self._lock:
            died = self._process is not None and self._process.poll() is not None
            if died:
                self._start()
            return died

    def _start(self) -> None:
        program = shutil.which("mosquitto", path=_SEARCH_PATH)
        if program is None:
            raise PlatformError(
                say(
                    "没有找到 mosquitto：请先安装（apt install mosquitto），或用 --broker 指定已有的消息服务器。",
                    "mosquitto was not found: install it (apt install mosquitto), or name a broker with --broker.",
                )
            )
        make_private_directory(self._directory)
        self._end_orphan()
        try:
            self._port = self._port or _free_port(self._listen)
            self._inner_port = self._inner_port or _free_port("127.0.0.1")
        except OSError as error:
            raise _not_our_address(self._listen) from error
        if not _is_ours(self._listen):
            raise _not_our_address(self._listen)
        if _accepts(self.endpoint):
            raise PlatformError(_port_in_use(self._port))
        self._write_configuration()
        self._process = subprocess.Popen(
            bound_to_parent(program, "-c", str(self._configuration)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the platform, which then stops its broker in order
        )
        self._wait_until_listening(self._process)

    def _end(self, timeout_s: float) -> None:
        if self._process is None:
            return
        if timeout_s:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        self._process.kill()
        self._process.wait()
        self._process = None

    def _write_configuration(self) -> None:
        place = Place(self._directory, self._directory, self._port, self._listen, getpass.getuser())
        if self._enrols:
            write_enrolment(self._authority, place, ("127.0.0.1", self._inner_port))
        else:
            write(self._authority, place)

    def _wait_until_listening(self, process: subprocess.Popen[bytes]) -> None:
        ways_in = (self.endpoint, self.inner) if self._enrols else (self.endpoint,)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            if all(map(_accepts, ways_in)):
                return
            time.sleep(_POLL_S)
        self._end(0)
        log = self._directory / "mosquitto.log"
        raise PlatformError(say(f"mosquitto 没有启动成功，原因见 {log}。", f"mosquitto did not start; {log} says why."))

    def _end_orphan(self) -> None:
        """End the mosquitto of a platform that was killed: it would hold the port."""
        try:
            pid = int((self._directory / "mosquitto.pid").read_text())
        except (OSError, ValueError):
            return
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while self._is_ours(pid) and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            time.sleep(_POLL_S)

    def _is_ours(self, pid: int) -> bool:
        """Whether the process runs with our configuration; a process id alone may long be another's."""
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(self._configuration) in command


def _accepts(endpoint: Endpoint) -> bool:
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=1):
            return True
    except OSError:
        return False


def _is_ours(listen: str) -> bool:
    """Whether something can listen there."""
    try:
        _free_port(listen)
    except OSError:
        return False
    return True


def _free_port(listen: str) -> int:
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((listen, 0))
        port: int = probe.getsockname()[1]
        return port


def _not_our_address(listen: str) -> PlatformError:
    return PlatformError(
        say(
            f"{listen} 不是本机的地址：请用 --listen 给出本机地址，或 0.0.0.0。",
            f"{listen} is no address of this machine: give one with --listen, or 0.0.0.0.",
        )
    )


def _port_in_use(port: int) -> str:
    return say(
        f"端口 {port} 已被占用：请关闭占用它的程序，或用 --port 另选一个。",
        f"Port {port} is in use: end the program that holds it, or choose another with --port.",
    )
