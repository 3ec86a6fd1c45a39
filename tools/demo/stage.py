"""Where the demo plays: a platform with its broker, the virtual devices, and the terminal, each a real process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Self

import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.bundles.incoming import Incoming
from agent.composition import MEDIUM_KEY, keys_dir
from agent.config import load
from agent.keys import FileKeyStore, Role
from agent.words import say
from drivers.virtual.bench import Hold, Insert, Press, Remove
from offline_store.outbox import Outbox
from tools.bundles import signer_of
from tools.cli.bench_process import VirtualDevices, running_devices
from tools.cli.terminal_process import Line, TerminalProcess
from tools.demo.media import medium_of_file
from tools.platform.service import Layout, Platform, Settings
from tools.platform.store import Store

TEMPLATE = Path(__file__).with_name("gate.yaml")
STAFF = ("gen2-li", "gen3-chen", "gen3-transit")
READY_S = 20.0
TERMINAL = "demo-gate"
"""A name of its own, so that the demo plays beside a gate of the same user."""


class StageError(Exception):
    """Something that the demo awaited did not come; the text is for its reader."""


class Stage:
    """All parts running in one directory. Make it by :meth:`set_up`."""

    def __init__(self, directory: Path, platform: Platform, devices: VirtualDevices, terminal: TerminalProcess) -> None:
        self.directory = directory
        self.terminal = terminal
        self._platform = platform
        self._devices = devices
        self._seen = 0

    @classmethod
    @contextmanager
    def set_up(cls, directory: Path) -> Iterator[Self]:
        """Start everything, in order; everything is stopped again at the end."""
        with ExitStack() as stack:
            platform = stack.enter_context(Platform.start(directory / "platform", Settings()))
            config = _configure(directory, platform)
            devices = stack.enter_context(running_devices(load(config)))
            environment = {**os.environ, **devices.environment}
            terminal = stack.enter_context(TerminalProcess(config, environment))
            stage = cls(directory, platform, devices, terminal)
            for event in ("ready", "link up"):  # in either order
                if terminal.wait_for(partial(_is, event), READY_S) is None:
                    raise StageError(_last_words(terminal))
            yield stage

    # What can be done ------------------------------------------------------------------------------------------------

    @contextmanager
    def presenting(self, reader: str, card: str, tear_after: int | None = None) -> Iterator[None]:
        """A card in a reader, for as long as the block lasts."""
        place = READERS[reader]
        self._devices.ask(Insert(reader=place, card=card, tear_after=tear_after))
        try:
            yield
        finally:
            self._devices.ask(Remove(reader=place))

    @contextmanager
    def showing(self, text: str) -> Iterator[None]:
        """A phone with a code before the camera, for as long as the block lasts."""
        self._devices.ask(Hold(texts=(text,), hold_ms=60_000))
        try:
            yield
        finally:
            self._devices.ask(Hold())

    @contextmanager
    def pressing(self, name: str) -> Iterator[None]:
        """Hold an input of the board active."""
        self._devices.ask(Press(input=name, active=True))
        try:
            yield
        finally:
            self._devices.ask(Press(input=name, active=False))

    def install(self, name: str, bundle: bytes) -> None:
        """Bring a signed bundle to the terminal, and wait until it is in force. Raises :class:`StageError`."""
        file = self.directory / name
        file.write_bytes(bundle)
        Incoming(self.state_dir).drop(file, name)
        self.await_event("bundle installed", READY_S)

    def stop_broker(self) -> None:
        """Take the broker away."""
        assert self._platform.broker is not None  # noqa: S101 -- the demo starts its own
        self._platform.broker.stop()

    def start_broker(self) -> None:
        """Bring it back, and wait until the platform consumes."""
        assert self._platform.broker is not None  # noqa: S101 -- the demo starts its own
        self._platform.broker.start()
        self._platform.wait_until_ready()

    # What can be awaited ---------------------------------------------------------------------------------------------

    def await_event(self, event: str, timeout_s: float, reason: str | None = None) -> Line:
        """The next line of the terminal's log about an event. Raises :class:`StageError`."""

        def wanted(line: Line) -> bool:
            return line.get("event") == event and reason in (None, line.get("reason"))

        found = self.terminal.wait_for(wanted, timeout_s, self._seen)
        if found is None:
            what = f"{event} {reason or ''}".strip()
            raise StageError(say(f"等了 {timeout_s:g} 秒没有等到 {what}", f"waited {timeout_s:g} s in vain for {what}"))
        self._seen = found[0] + 1
        return found[1]

    def await_decision(self, reason: str, timeout_s: float) -> Line:
        """The next decision, which must have this reason. Raises :class:`StageError`."""
        line = self.await_event("decision", timeout_s)
        if line["reason"] != reason:
            raise StageError(say(f"应为 {reason}，却是 {line['reason']}", f"expected {reason}, got {line['reason']}"))
        return line

    def await_all_acknowledged(self, timeout_s: float) -> None:
        """Wait until the platform has acknowledged the journal's last record. Raises :class:`StageError`."""
        outbox = Outbox.open(self.state_dir)
        try:
            head_seq = outbox.position().head_seq
        finally:
            outbox.close()

        def wanted(line: Line) -> bool:
            return line.get("event") == "acknowledged" and line["acked"] >= head_seq

        if self.terminal.wait_for(wanted, timeout_s) is None:
            raise StageError(
                say(f"平台没有确认到第 {head_seq} 条", f"the platform did not acknowledge record {head_seq}")
            )

    # What the platform and the terminal give -------------------------------------------------------------------------

    def signer(self, role: Role) -> cose.Es256Signer:
        """What the platform signs lists with."""
        private, _ = self._platform.authority.role_keys[role]
        return signer_of(private)

    def sealing_key(self) -> ec.EllipticCurvePublicKey:
        """What secrets are sealed with for the terminal."""
        return FileKeyStore(keys_dir(self.state_dir)).sealing_public()

    # What can be proved ----------------------------------------------------------------------------------------------

    @property
    def state_dir(self) -> Path:
        """Where the terminal's journal is."""
        return self.directory / "terminal"

    def journal(self) -> list[bytes]:
        """The exact bytes of the terminal's records. Raises :class:`StageError` if its chain is broken."""
        outbox = Outbox.open(self.state_dir)
        try:
            broken = outbox.verify().broken
            if broken is not None:
                raise StageError(say(f"第 {broken.seq} 条处链断裂", f"the chain is broken at record {broken.seq}"))
            bodies: list[bytes] = []
            while portion := outbox.batch(len(bodies), 500, 1_000_000):
                bodies += portion
            return bodies
        finally:
            outbox.close()

    def platform_records(self) -> list[bytes]:
        """The exact bytes of the records that the platform holds."""
        store = Store.open_for_reading(Layout(self.directory / "platform").database_url)
        try:
            with store.transaction() as transaction:
                chains = transaction.chains(TERMINAL)
                return [row.body for chain in chains for row in transaction.records(chain.chain_id)]
        finally:
            store.close()


READERS = {"slot": "pcsc-0", "pad": "pcsc-1", "field": "pn532"}
"""The demo's readers, by the names of the virtual devices."""


def _is(event: str, line: Line) -> bool:
    return line.get("event") == event


def _last_words(terminal: TerminalProcess) -> str:
    said = "\n".join(str(line.get("event")) for line in terminal.lines[-5:])
    return say(f"终端没有就绪：{said}", f"the terminal did not become ready: {said}")


def _configure(directory: Path, platform: Platform) -> Path:
    """Enrol the terminal at the platform and write its configuration; the file's path."""
    document = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    keys = platform.authority.provision(document["terminal"]["id"], directory / "terminal" / "keys")
    document["platform"]["port"] = platform.endpoint.port
    media = [medium_of_file(card, partial(keys.mac, MEDIUM_KEY)) for card in STAFF]
    document["holders"] = [{"medium": medium.hex(), "entitlements": ["staff"]} for medium in media]
    path = directory / "gate.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path
