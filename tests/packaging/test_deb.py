"""The Debian package: built, installed, run as its unit says, upgraded, removed and purged in a Debian of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from agent.config import load
from drivers.virtual.bench import Insert
from drivers.virtual.place import virtual_dir
from tests.faults.privilege import refused
from tests.house import ROOT
from tests.packaging.debian_root import DebianRoot, repacked, run
from tools.bench.tap import configure
from tools.cli.bench_process import VirtualDevices, running_devices
from tools.cli.main import cli
from tools.platform.service import Platform, Settings

pytestmark = pytest.mark.timeout(420)  # builds an environment and a Debian

UNIT = ROOT / "packaging" / "debian" / "onecard-terminal.onecard.service"
CONFIG = "etc/onecard/terminal.yaml"
TRIAL = "/var/lib/onecard/trial"
WATCHDOG_S = 4
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def package() -> Path:
    run("bash", str(ROOT / "packaging" / "deb.sh"), timeout_s=400)
    (built,) = (ROOT / "build" / "deb").glob("*.deb")
    return built


@pytest.fixture(scope="module")
def debian(package: Path, tmp_path_factory: pytest.TempPathFactory) -> DebianRoot:
    """A Debian in which the package is installed."""
    if os.geteuid() != 0:
        refused("a Debian of its own needs root")
    place = tmp_path_factory.mktemp("debian")
    # The unit's user must be able to walk there.
    for folder in (place, place.parent):
        folder.chmod(0o755)
    made = DebianRoot.make(place / "root")
    made.install(package)
    return made


@pytest.fixture
def devices(debian: DebianRoot, tmp_path: Path) -> Iterator[VirtualDevices]:
    """A gate's virtual devices on this machine's pseudo-terminals, and in the Debian its configuration."""
    document = yaml.safe_load(configure(tmp_path, "pn532").read_text())
    resolved = load(tmp_path / "gate.yaml")
    with running_devices(resolved) as running:
        for name in ("card-field", "board"):
            link = virtual_dir(document["terminal"]["id"]) / Path(document["devices"][name]["port"]).name
            port = os.path.realpath(link)
            debian_group = int(debian.do("getent", "group", "dialout").split(":")[2])
            os.chown(port, -1, debian_group)
            Path(port).chmod(0o660)
            document["devices"][name]["port"] = port
        document["devices"] = {name: document["devices"][name] for name in ("card-field", "board")}
        document["devices"]["board"]["fire"]["latch_file"] = "${state}/fire.latch"
        document["terminal"]["state_dir"] = "/var/lib/onecard"
        (debian.path / CONFIG).write_text(yaml.safe_dump(document, allow_unicode=True))
        yield running


class Notified:
    """Who hears what the terminal tells systemd (sd_notify(3))."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._name = f"onecard-test-{os.getpid()}"
        self._socket.bind(f"\0{self._name}")
        self._socket.settimeout(PATIENCE_S)

    def environment(self) -> list[str]:
        return [f"NOTIFY_SOCKET=@{self._name}", f"WATCHDOG_USEC={WATCHDOG_S * 1_000_000}"]

    def wait_for(self, said: str) -> None:
        while said not in self._socket.recv(4_096).decode().splitlines():
            pass

    def close(self) -> None:
        self._socket.close()


def test_what_is_installed_is_roots_and_the_state_is_the_terminals_alone(debian: DebianRoot) -> None:
    assert debian.do("onecard", "--version").startswith("onecard")
    assert debian.owner("/opt/onecard/bin/onecard")[0] == "root"
    writable = debian.do("find", "/opt/onecard", "!", "-type", "l", "-perm", "/022")
    assert writable == ""
    assert debian.owner("/var/lib/onecard") == ("onecard", 0o700)
    assert debian.owner("/etc/onecard") == ("root", 0o750)
    entry = debian.do("getent", "passwd", "onecard").strip().split(":")
    assert int(entry[2]) > 0
    assert entry[-1] == "/usr/sbin/nologin"
    assert debian.do("find", "/opt/onecard/bin", "-name", "pip*", "-o", "-name", "swig*") == ""
    assert (debian.path / "etc/systemd/system/multi-user.target.wants/onecard.service").is_symlink()


def test_the_pages_lie_where_the_unit_says_and_lead_to_each_other(debian: DebianRoot) -> None:
    (said,) = re.findall(r"^Documentation=file://(.+)$", UNIT.read_text(), re.MULTILINE)
    operations = debian.path / said.lstrip("/")
    led_to = re.findall(r"\]\(([\w./-]+\.md)", operations.read_text(encoding="utf-8"))
    assert led_to
    assert all((operations.parent / page).is_file() for page in led_to)
    alerts = "prometheus-alerts.yaml"
    assert (operations.parent.parent / alerts).read_text() == (ROOT / "packaging" / alerts).read_text()


def test_the_unit_is_sound_and_closed_to_all_but_its_work(debian: DebianRoot) -> None:
    said = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", f"--root={debian.path}", "onecard.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "onecard.service" not in said.stderr, said.stderr
    # Of 10; what is left is the network, the devices and the reading of the clock.
    installed = debian.path / "lib/systemd/system/onecard.service"
    run("systemd-analyze", "security", "--offline=true", "--threshold=21", str(installed))
    assert installed.read_text() == UNIT.read_text()
    assert "User=onecard" in UNIT.read_text()


def test_the_terminal_runs_as_its_user_on_a_read_only_system_with_the_units_system_calls(
    debian: DebianRoot, devices: VirtualDevices, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    notified = Notified()
    command = debian.at_work(
        "env",
        *notified.environment(),
        *_environment(),
        "/opt/onecard/bin/onecard",
        "run",
        "--config",
        f"/{CONFIG}",
        "--log-format",
        "json",
    )
    # `--daemonize`: the process here is the terminal, and the signal below goes to it.
    traced = [
        "strace",
        "--daemonize",
        "--follow-forks",
        "--quiet=all",
        "--signal=none",
        f"--output={trace}",
        "--",
        *command,
    ]
    process = subprocess.Popen(traced, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        notified.wait_for("READY=1")
        notified.wait_for("WATCHDOG=1")
        devices.ask(Insert(reader="pn532", card="gen3-chen"))
        assert _line(process, "decision")["reason"] == "granted"
        assert _line(process, "outcome")["reason"] == "actuated"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
    finally:
        process.kill()
        notified.close()
    assert debian.do("onecard", "journal", "verify", "--config", f"/{CONFIG}")
    assert {name for name, _ in [debian.owner(f"/var/lib/onecard/{each}") for each in ("journal.db", "keys")]} == {
        "onecard"
    }
    assert _called(trace) - _allowed() == set()
    assert list((debian.path / "tmp").iterdir()) == []


def test_root_makes_a_terminal_of_the_box_and_tries_it_as_its_user_on_virtual_devices(
    debian: DebianRoot, tmp_path: Path
) -> None:
    debian.install_named("vsmartcard-vpcd")
    debian.do("install", "-d", "-o", "onecard", "-g", "onecard", "-m", "0700", *(TRIAL, f"{TRIAL}/state"))
    where = ("--config", f"{TRIAL}/terminal.yaml", "--state-dir", f"{TRIAL}/state")
    options = ("--code", "-", "--yes", "--json", "--virtual")
    with Platform.start(tmp_path, Settings(enrol_port=0)):
        offered = ("enrol", "new", "gate-7", "--unconfirmed", "--profile", "gate", "--json", "--dir", str(tmp_path))
        code = json.loads(CliRunner().invoke(cli, ["platform", *offered]).stdout)["code"]
        done = subprocess.run(
            debian.at_work_as_root("/opt/onecard/bin/onecard", "provision", *options, *where),
            input=code,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
    assert done.returncode == 0, (done.stdout, done.stderr)
    tried = json.loads(done.stdout.splitlines()[-2])
    assert (tried["step"], tried["reports"]) == ("test", True)
    assert tried["devices"] == ["board", "card-field", "card-slot", "scanner"]
    assert debian.owner(f"{TRIAL}/state/journal.db")[0] == "onecard"
    assert not list((debian.path / "tmp").iterdir())
    debian.do("rm", "-r", TRIAL)


def test_what_need_not_last_is_written_into_memory(debian: DebianRoot) -> None:
    place = "import tempfile; held = tempfile.NamedTemporaryFile(); print(held.name)"
    look = f"/opt/onecard/bin/python -c '{place}'; stat --file-system --format=%T \"$TMPDIR\""
    held, kind = run(*debian.at_work("env", *_environment(), "sh", "-c", look)).split()
    assert (held.rpartition("/")[0], kind) == ("/run/onecard", "tmpfs")


def test_each_shell_finds_the_completion_of_commands_by_itself(debian: DebianRoot) -> None:
    loaded = ". /usr/share/bash-completion/completions/onecard; complete -p onecard"
    assert "-F _onecard_completion onecard" in debian.do("bash", "-c", loaded)
    share = debian.path / "usr" / "share"
    assert (share / "zsh/vendor-completions/_onecard").read_text().startswith("#compdef onecard\n")
    assert "complete " in (share / "fish/vendor_completions.d/onecard.fish").read_text()


def test_an_upgrade_keeps_configuration_journal_and_keys(debian: DebianRoot, package: Path, tmp_path: Path) -> None:
    before = _state(debian)
    assert any("/keys/" in name for name in before)
    debian.install(repacked(package, "99.0", tmp_path))
    assert debian.do("dpkg-query", "-W", "-f", "${Version}", "onecard-terminal") == "99.0"
    assert _state(debian) == before
    assert debian.do("onecard", "journal", "verify", "--config", f"/{CONFIG}")


def test_removing_keeps_what_the_terminal_recorded_and_purging_asks_first(debian: DebianRoot, package: Path) -> None:
    before = _state(debian)
    debian.do("dpkg", "--remove", "onecard-terminal")
    assert not (debian.path / "opt" / "onecard").exists()
    assert _state(debian) == before
    debian.do("dpkg", "--purge", "onecard-terminal")
    assert _state(debian) == before, "nobody asked for it"
    debian.install(package)
    answer = "onecard-terminal onecard-terminal/remove-records boolean true"
    debian.do("sh", "-c", f"echo '{answer}' | debconf-set-selections")
    debian.do("dpkg", "--purge", "onecard-terminal")
    assert not (debian.path / "var" / "lib" / "onecard").exists()
    assert not (debian.path / "etc" / "onecard").exists()
    assert "onecard" not in debian.do("find", "/usr", "/lib", "-name", "*onecard*")


def _environment() -> list[str]:
    """What the unit gives the terminal."""
    (said,) = re.findall(r"^Environment=(.+)$", UNIT.read_text(), re.MULTILINE)
    return str(said).split()


def _state(debian: DebianRoot) -> dict[str, bytes]:
    files = [*(debian.path / "var" / "lib" / "onecard").rglob("*"), debian.path / CONFIG]
    return {str(file.relative_to(debian.path)): file.read_bytes() for file in files if file.is_file()}


def _line(process: subprocess.Popen[str], event: str) -> dict[str, object]:
    """The next log line of an event."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        found: dict[str, object] = json.loads(line) if line.startswith("{") else {}
        if found.get("event") == event:
            return found
    raise AssertionError((event, said[-20:]))


def _called(trace: Path) -> set[str]:
    """The system calls from the interpreter's start on."""
    lines = trace.read_text(errors="replace").splitlines()
    start = next(place for place, line in enumerate(lines) if 'execve("/opt/onecard' in line)
    calls = {line.split(maxsplit=1)[1].partition("(")[0] for line in lines[start:] if "(" in line}
    return {call for call in calls if call.isidentifier()}


def _allowed() -> set[str]:
    """What the unit's filter lets through."""
    filters = [line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith("SystemCallFilter=")]
    assert filters == ["@system-service", "~@privileged @resources", "adjtimex clock_adjtime mbind"]
    allowed = _members("@system-service")
    for group in ("@privileged", "@resources"):
        allowed -= _members(group)
    return allowed | {"adjtimex", "clock_adjtime", "mbind"}


def _members(group: str) -> set[str]:
    members: set[str] = set()
    for line in run("systemd-analyze", "syscall-filter", group).splitlines():
        name = line.strip()
        if name.startswith("@") and name != group:
            members |= _members(name)
        elif name.isidentifier():
            members.add(name)
    return members
