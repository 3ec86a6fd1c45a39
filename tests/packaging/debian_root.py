"""A Debian of its own for the package: made by debootstrap, entered by chroot, all but its state read-only at work.

At work its root is the root of all (pivot_root(8)), as on a box: in a chroot the kernel gives nobody a user namespace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

POLICY = "#!/bin/sh\nexit 101\n"
_AT_WORK = """
set -e
root=$1; shift
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --bind "$root/var/lib/onecard" "$root/var/lib/onecard"
mount --bind "$root/tmp" "$root/tmp"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
chroot "$root" install -d -o onecard -g onecard -m 0750 /run/onecard
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
cd "$root"
pivot_root . mnt
umount --lazy mnt
cd /
exec "$@"
"""
"""What systemd makes of the unit's ProtectSystem, its directories and PrivateTmp, whose /tmp is on the disk."""


class DebianRoot:
    """A directory that holds a Debian."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(cls, path: Path) -> DebianRoot:
        """The release that runs here, with the package sources that are used here. Needs root."""
        release = os_release("VERSION_CODENAME")
        run("debootstrap", "--variant=minbase", release, str(path), _mirror(), timeout_s=300)
        path.chmod(0o755)
        policy = path / "usr" / "sbin" / "policy-rc.d"
        policy.write_text(POLICY)
        policy.chmod(0o755)
        return cls(path)

    def do(self, *command: str, timeout_s: float = 240) -> str:
        """What a command in there prints; it must succeed."""
        return run(
            "chroot",
            str(self.path),
            "env",
            "LC_ALL=C.UTF-8",
            "DEBIAN_FRONTEND=noninteractive",
            *command,
            timeout_s=timeout_s,
        )

    def install(self, package: Path) -> str:
        """Install or upgrade to a package file, with what it depends on."""
        place = self.path / "root" / package.name
        shutil.copy(package, place)
        said = self.install_named(f"/root/{package.name}")
        place.unlink()
        return said

    def install_named(self, name: str) -> str:
        """Install one of Debian's own packages, or a file in there."""
        options = ("-qq", "-o", "Dpkg::Use-Pty=0", "-o", "Dpkg::Options::=--force-confdef")
        return self.do("apt-get", *options, "install", "--yes", "--no-install-recommends", name)

    def owner(self, path: str) -> tuple[str, int]:
        """Who owns a file in there, and its permission bits."""
        name, mode = self.do("stat", "--format=%U %a", path).split()
        return name, int(mode, 8)

    def at_work(self, *command: str) -> list[str]:
        """The command line that runs a program in there as the unit's user, everything read-only but its state."""
        as_user = ("setpriv", "--reuid=onecard", "--regid=onecard", "--groups=dialout,video,audio,plugdev")
        bare = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
        return self.at_work_as_root(*as_user, *bare, *command)

    def at_work_as_root(self, *command: str) -> list[str]:
        """The command line that runs a program there as a technician does."""
        enter = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _AT_WORK, "at-work", str(self.path))
        return [*enter, *command]


def run(*command: str, timeout_s: float = 120) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
    assert done.returncode == 0, (command, done.stdout[-2_000:], done.stderr[-2_000:])
    return done.stdout


def os_release(name: str) -> str:
    """A value of os-release(5)."""
    for line in Path("/etc/os-release").read_text().splitlines():
        key, _, value = line.partition("=")
        if key == name:
            return value.strip('"')
    raise LookupError(name)


def repacked(package: Path, version: str, place: Path) -> Path:
    """The same package under another version, as an upgrade."""
    run("dpkg-deb", "--raw-extract", str(package), str(place / "raw"))
    control = place / "raw" / "DEBIAN" / "control"
    lines: Sequence[str] = control.read_text().splitlines(keepends=True)
    control.write_text("".join(f"Version: {version}\n" if line.startswith("Version:") else line for line in lines))
    newer = place / f"newer_{os.getpid()}.deb"
    run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", str(place / "raw"), str(newer))
    shutil.rmtree(place / "raw")
    return newer


def _mirror() -> str:
    """Where this machine takes Debian from."""
    for line in run("apt-cache", "policy").splitlines():
        words = line.split()
        if len(words) > 2 and words[1].startswith("http") and "-security" not in words[1]:
            return words[1]
    raise LookupError("apt knows no mirror")
