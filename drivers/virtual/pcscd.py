"""A real, private pcscd with virtual readers, for the demo and the tests.

pcscd's socket path is compiled in (``/run/pcscd``), so it runs in a mount namespace of its own where that path is our
directory: a pcscd that already runs on this machine is untouched. Clients find ours through ``PCSCLITE_CSOCK_NAME``,
which libpcsclite reads once per process: set it (:func:`environment`) before the first PC/SC call, and
keep one directory for the life of the process. The virtual readers listen on all addresses:
for a bench, not for the street.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from drivers.virtual.api import Use
from drivers.virtual.child import bound_to_parent
from drivers.virtual.vpcd import VpcdSlot

_PCSCD = Path("/usr/sbin/pcscd")
_VPCD_STANZA = Path("/etc/reader.conf.d/vpcd")
_SOCKET = "pcscd.comm"
_READERS_PER_STANZA = 2
_READERS_MAX = 16  # PCSCLITE_MAX_READERS_CONTEXTS
_FIRST_PORT, _LAST_PORT = 20000, 32000
"""Below the ephemeral ports, so that no outgoing connection takes one while pcscd restarts."""
_START_S = 10.0
_STOP_S = 5.0
_POLL_S = 0.01

_SYSCTL = Path("/proc/sys")
_NAMESPACE_SWITCHES = (
    (_SYSCTL / "kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    (_SYSCTL / "kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
    (_SYSCTL / "user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
)
"""What forbids user namespaces: Debian's switch, AppArmor's, the kernel's own; the value that does, and the remedy."""

_ENTER = """
cd "$1" || exit 1
[ -d /run/pcscd ] || { mount -t tmpfs tmpfs /run && mkdir /run/pcscd; } || exit 1
mount --bind . /run/pcscd && mount --bind "$1/drivers" "$2" && shift 2 && exec "$@"
"""
"""Inside the namespace: our directory becomes pcscd's, and an empty one hides the drivers of real USB readers."""


class VirtualReadersUnavailable(Exception):
    """This machine cannot run virtual PC/SC readers; ``zh`` and ``en`` say what is missing and what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


class VirtualPcscd:
    """pcscd with ``readers`` virtual readers; ``slots[i]`` is where a card goes into ``reader_names[i]``.

    ``directory`` must exist; it holds socket, configuration and log. Start, stop and start again keep socket path,
    ports and inserted cards. Readers come in pairs; pcscd started again with fewer is how readers vanish.
    """

    def __init__(self, directory: Path, readers: int = _READERS_PER_STANZA) -> None:
        if not 1 <= readers <= _READERS_MAX:
            raise ValueError(f"pcscd holds 1 to {_READERS_MAX} readers, not {readers}")
        stanzas = -(-readers // _READERS_PER_STANZA)
        self._directory = directory.resolve()
        self._first_port = _free_ports(stanzas * _READERS_PER_STANZA)
        self._readers = readers
        self._process: subprocess.Popen[bytes] | None = None
        self.slots = tuple(VpcdSlot("127.0.0.1", self._first_port + index) for index in range(readers))
        self.reader_names = tuple(_reader_name(index) for index in range(readers))
        self.environment = environment(directory)
        self.socket_path = self._directory / _SOCKET
        self.log_path = self._directory / "pcscd.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for slot in self.slots:
            slot.remove()
        self.stop()

    def start(self, readers: int | None = None) -> None:
        """Start with all readers, or with only the first ``readers``; returns when clients can connect.

        Raises :class:`VirtualReadersUnavailable`. Harmless when it runs.
        """
        if self._process is not None:
            if self._process.poll() is None:
                return
            self.stop()  # somebody killed it: what it held goes first
        features = _features()
        self._configure(self._readers if readers is None else readers)
        for leftover in (_SOCKET, "pcscd.pid"):
            (self._directory / leftover).unlink(missing_ok=True)
        inside = ["sh", "-c", _ENTER, "sh", str(self._directory), features.driver_directory]
        inside += [str(_PCSCD), "--foreground", "--config", str(self._directory / "reader.conf"), *features.options]
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [*_namespace(), *bound_to_parent(*inside)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._await_service(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the daemon by its process id; harmless when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def use(self) -> Use:
        """Whether the daemon runs and a client is connected to it."""
        process = self._process
        if process is None or process.poll() is not None:
            return Use.UNPLUGGED
        return Use.IN_USE if _has_clients(process.pid) else Use.IDLE

    def _configure(self, readers: int) -> None:
        library = _library()
        (self._directory / "drivers").mkdir(exist_ok=True)
        stanzas = []
        for index in range(0, readers, _READERS_PER_STANZA):
            # The library keeps its slots in globals: a second stanza needs a second copy, or it corrupts the first.
            copy = self._directory / f"vpcd-{index}.so"
            if not copy.exists():
                shutil.copyfile(library, copy)
            port = self._first_port + index
            stanzas.append(
                f'FRIENDLYNAME "{_friendly_name(index)}"\nDEVICENAME /dev/null:{port}\n'
                f"LIBPATH {copy}\nCHANNELID {port}\n"
            )
        (self._directory / "reader.conf").write_text("\n".join(stanzas), encoding="ascii")

    def _await_service(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise self._not_started()
            time.sleep(_POLL_S)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket_path))
            except OSError:
                return False
            return True

    def _not_started(self) -> VirtualReadersUnavailable:
        said = self.log_path.read_text(encoding="utf-8", errors="replace").strip()[-500:]
        allowed = subprocess.run([*_namespace(), "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
        if not allowed:
            return _namespace_forbidden(said)
        return VirtualReadersUnavailable(f"专用 pcscd 无法启动：{said}", f"a private pcscd does not start: {said}")


def environment(directory: Path) -> dict[str, str]:
    """What a process needs in its environment to find the pcscd that runs, or will run, in ``directory``."""
    return {"PCSCLITE_CSOCK_NAME": str(directory.resolve() / _SOCKET)}


@dataclass(frozen=True)
class _Features:
    """What this machine's pcscd was built with."""

    driver_directory: str
    options: tuple[str, ...]


def _has_clients(pid: int) -> bool:
    """Whether one of this pcscd's sockets is connected (proc_pid_net(5): state 03); yes where that is hidden."""
    lines = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines()
    fields = [line.split(maxsplit=7) for line in lines[1:]]
    connected = {f"socket:[{each[6]}]" for each in fields if each[5] == "03" and each[-1].endswith(f"/{_SOCKET}")}
    try:
        return any(str(each.readlink()) in connected for each in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False
    except PermissionError:
        return True


def _features() -> _Features:
    if not _PCSCD.exists():
        raise _missing("pcscd")
    version = subprocess.run([_PCSCD, "--version"], capture_output=True, text=True, check=False).stdout
    usage = subprocess.run([_PCSCD, "--help"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"usbdropdir=(\S+)", version)
    if found is None:
        raise VirtualReadersUnavailable(
            "无法识别此版本的 pcscd，请使用 Debian 的 pcscd 软件包",
            "this pcscd does not say how it was built; use Debian's package pcscd",
        )
    # Where pcscd asks polkit, our clients would need a policy; the socket's own directory guards this daemon.
    options = ("--disable-polkit",) if "--disable-polkit" in usage else ()
    return _Features(found[1], options)


def _library() -> Path:
    """vpcd's reader driver, where its package put it (the directory differs by release and architecture)."""
    if not _VPCD_STANZA.exists():
        raise _missing("vsmartcard-vpcd")
    found = re.search(r"^LIBPATH\s+(\S+)", _VPCD_STANZA.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None or not Path(found[1]).exists():
        raise _missing("vsmartcard-vpcd")
    return Path(found[1])


def _namespace() -> list[str]:
    if shutil.which("unshare") is None:
        raise _missing("util-linux")
    return ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]


def _namespace_forbidden(said: str) -> VirtualReadersUnavailable:
    """This kernel or container lets us make no mount namespace; names the switch that forbids it, where one does."""
    for path, forbidding, setting in _NAMESPACE_SWITCHES:
        if path.exists() and path.read_text(encoding="ascii").strip() == forbidding:
            return VirtualReadersUnavailable(
                f"虚拟 PC/SC 读卡器需要用户命名空间，而系统不允许普通用户使用；"
                f"请以 root 运行，或由管理员执行：sysctl -w {setting}",
                "virtual PC/SC readers need a user namespace, and this system forbids them to ordinary users; "
                f"run as root, or let an administrator run: sysctl -w {setting}",
            )
    return VirtualReadersUnavailable(
        f"虚拟 PC/SC 读卡器需要挂载命名空间，而内核或容器不允许（{said}）；请以 root 运行，或放宽容器的限制",
        f"virtual PC/SC readers need a mount namespace, and the kernel or the container forbids it ({said}); "
        "run as root, or loosen the container's restrictions",
    )


def _missing(package: str) -> VirtualReadersUnavailable:
    return VirtualReadersUnavailable(
        f"缺少软件包 {package}，请运行：apt-get install {package}",
        f"the package {package} is missing; run: apt-get install {package}",
    )


def _friendly_name(index: int) -> str:
    stanza = index // _READERS_PER_STANZA
    return f"Virtual PCD {stanza + 1}" if stanza else "Virtual PCD"


def _reader_name(index: int) -> str:
    """As pcscd makes it: friendly name, number of the reader, number of the slot."""
    return f"{_friendly_name(index)} 00 {index % _READERS_PER_STANZA:02X}"


def _free_ports(count: int) -> int:
    """The first of ``count`` consecutive TCP ports that are free now. Raises :class:`VirtualReadersUnavailable`."""
    for _ in range(100):
        first = _FIRST_PORT + secrets.randbelow(_LAST_PORT - _FIRST_PORT - count)
        if all(_is_free(first + offset) for offset in range(count)):
            return first
    raise VirtualReadersUnavailable(
        f"端口 {_FIRST_PORT} 至 {_LAST_PORT} 中没有连续 {count} 个空闲端口",
        f"no {count} consecutive free ports between {_FIRST_PORT} and {_LAST_PORT}",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True
