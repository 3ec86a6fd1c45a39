"""``onecard bench scan``: from a code wholly visible in a camera's stream to the relay commanded.

A terminal of its own process; a virtual camera and board in another, whose pictures are drawn before they are played.
Each scan is a fresh citizen code, fully verified, recorded durably and answered by the relay. The clock starts when the
first frame with the whole code is about to be sent. Then nobody comes, and the terminal's own CPU time is read.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose, signatures
from agent.bundles.incoming import Incoming
from agent.composition import keys_dir
from agent.config import load
from agent.keys import FileKeyStore, Role
from agent.signatures import Algorithm, PrivateKey
from agent.words import say
from drivers.virtual.bench import CAMERA_FILE, Hold, Shown
from drivers.virtual.place import PLACEHOLDER
from tools import city
from tools.bench.place import bench_directory, terminal_id
from tools.bench.report import Figure, Report, median, percentile
from tools.bench.tap import WAIT_S
from tools.city import Issuer, Phone
from tools.cli.bench_process import VirtualDevices, running_devices
from tools.cli.presets import preset_text
from tools.cli.terminal_process import Line, TerminalProcess

FPS = 30
IDLE_FPS = 10
WARM_UP_SCANS = 3
SETTLE_S = 4.0
"""After the last motion the camera's driver is awake for two seconds."""
_HOLD_MS = 1500
_FRAME_MS = 1000 / FPS
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One scan: milliseconds from the whole code in the stream to its frame's arrival, decision, commit and relay."""

    seen_ms: float
    decided_ms: float
    durable_ms: float
    commanded_ms: float


def run(scans: int, look: str, enter_ms: int, idle_s: float) -> Report:
    """Measure ``scans`` scans one after the other, then ``idle_s`` seconds of rest."""
    with bench_directory() as directory, ExitStack() as stack:
        config = _configure(directory)
        issuer = Issuer.found(1, Algorithm.ES256, _now_ms())
        devices = stack.enter_context(running_devices(load(config)))
        environment = {**os.environ, **devices.environment}
        lists = _sign_lists(directory, issuer)
        terminal = stack.enter_context(TerminalProcess(config, environment))
        site = _Site(devices, terminal, issuer, look, enter_ms)
        site.install(directory, lists)
        samples = [site.scan() for _ in range(scans + WARM_UP_SCANS)][WARM_UP_SCANS:]
        time.sleep(SETTLE_S)
        idle_cpu = _cpu_share(terminal.pid, idle_s)
    whole = [sample.commanded_ms for sample in samples]
    figures = (
        Figure("scan.p50_frames", median(whole) / _FRAME_MS, "frames", target=1.5),
        Figure("scan.p95_frames", percentile(whole, 0.95) / _FRAME_MS, "frames", target=3),
        Figure("scan.p50_ms", median(whole), "ms"),
        Figure("scan.p95_ms", percentile(whole, 0.95), "ms"),
        Figure("scan.seen_p50_ms", median([sample.seen_ms for sample in samples]), "ms"),
        Figure("scan.decided_p50_ms", median([sample.decided_ms for sample in samples]), "ms"),
        Figure("scan.durable_p50_ms", median([sample.durable_ms for sample in samples]), "ms"),
        Figure("scan.idle_cpu", idle_cpu, "cores", target=0.10),
    )
    conditions: dict[str, str | int | float] = {
        "scans": scans,
        "look": look,
        "enter_ms": enter_ms,
        "fps": FPS,
        "idle_fps": IDLE_FPS,
    }
    return Report("scan", figures, conditions)


class _Site:
    """A phone for each scan, and the gate that it opens."""

    def __init__(
        self, devices: VirtualDevices, terminal: TerminalProcess, issuer: Issuer, look: str, enter_ms: int
    ) -> None:
        self._devices = devices
        self._terminal = terminal
        self._issuer = issuer
        self._look = look
        self._enter_ms = enter_ms
        self._phone: PrivateKey = signatures.generate(Algorithm.ES256)
        self._scans = 0
        self._seen = self._await("ready", 0)

    def install(self, directory: Path, lists: dict[str, bytes]) -> None:
        """Bring the signed lists to the terminal, and wait until they are in force."""
        for name, bundle in lists.items():
            file = directory / name
            file.write_bytes(bundle)
            Incoming(directory / "terminal").drop(file, name)
            self._seen = self._await("bundle installed", self._seen) + 1

    def scan(self) -> Sample:
        """Hold up a phone, wait for the gate, take the phone away."""
        held = Hold(texts=(self._code(),), look=self._look, hold_ms=_HOLD_MS, enter_ms=self._enter_ms)
        self._devices.ask(held)
        decision_at = self._await("decision", self._seen)
        actuated_at = self._await("actuated", self._seen)
        self._seen = self._await("outcome", decision_at)
        sample = self._sample(self._terminal.lines[decision_at], self._terminal.lines[actuated_at])
        self._devices.ask(Hold())
        time.sleep(0.1 + self._enter_ms / 1000)
        return sample

    def _sample(self, decision: Line, actuated: Line) -> Sample:
        shown_ns = self._shown_ns()
        return Sample(
            seen_ms=(decision["read_ns"] - shown_ns) / _NS_PER_MS,
            decided_ms=(decision["decided_ns"] - shown_ns) / _NS_PER_MS,
            durable_ms=(decision["durable_ns"] - shown_ns) / _NS_PER_MS,
            commanded_ms=(actuated["commanded_ns"] - shown_ns) / _NS_PER_MS,
        )

    def _shown_ns(self) -> int:
        """When this scan's code was wholly in the picture; a decoder may be done a frame before that."""
        self._scans += 1
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            shown = self._devices.ask(Shown()).shown or ()
            if len(shown) == self._scans:
                return shown[-1].at_ns
        raise click.ClickException(say("码没有完整出现", "the code was never wholly in the picture"))

    def _code(self) -> str:
        now_s = int(time.time())
        return Phone(self._issuer, self._issuer.grant(7, (), now_s), self._phone).code(now_s)

    def _await(self, event: str, after: int) -> int:
        found = self._terminal.wait_for(lambda line: line.get("event") == event, WAIT_S, after)
        if found is None:
            raise click.ClickException(say(f"等不到 {event}", f"waited in vain for {event}"))
        return found[0]


def _configure(directory: Path) -> Path:
    """The preset gate with a camera alone, without a sensor."""
    document = yaml.safe_load(preset_text("gate"))
    document["terminal"] |= {"id": terminal_id(), "state_dir": str(directory / "terminal")}
    camera = {"driver": "camera", "source": f"{PLACEHOLDER}/{CAMERA_FILE}", "idle_fps": IDLE_FPS}
    document["devices"] = {"camera": camera, "board": document["devices"]["board"]}
    lane = document["lanes"]["north-in"]
    lane["readers"] = ["camera"]
    # A bench machine's clock may be nobody's; what is measured is the same work.
    lane["settings"] |= {"passage_input": None, "double_tap_ms": 0, "codes": {"untrusted_clock": "judge"}}
    config = directory / "gate.yaml"
    config.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return config


def _sign_lists(directory: Path, issuer: Issuer) -> dict[str, bytes]:
    """The signed lists, by name, of a platform whose keys the terminal is enrolled with."""
    keys = FileKeyStore.create(keys_dir(directory / "terminal"))
    signers = {role: cose.Es256Signer(ec.generate_private_key(ec.SECP256R1())) for role in (Role.ROOT, Role.BUNDLE)}
    for role, signer in signers.items():
        public = signer.key.public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        keys.install(f"platform-{role.value}.pem", pem)
    return {
        "trust": city.trust_list([issuer], [keys.sealing_public()], signers[Role.ROOT], _now_ms()),
        "deny": city.deny_list(issuer, 1, (), signers[Role.BUNDLE], _now_ms()),
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _cpu_share(pid: int, for_s: float) -> float:
    """CPU time of a process, all its threads, per second of an interval."""
    before_s, started_s = _cpu_s(pid), time.monotonic()
    time.sleep(for_s)
    return (_cpu_s(pid) - before_s) / (time.monotonic() - started_s)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc_pid_stat(5)
