"""The platform as one thing that can be started and stopped: keys, broker, database, ingest."""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from agent.cose import Es256Signer
from tools.cli.words import say
from tools.platform import prints, register_draft  # noqa: F401 - their tables are made with all others
from tools.platform.broker import Broker, Endpoint
from tools.platform.ca import Authority
from tools.platform.consumer import Consumer, Share
from tools.platform.dispatcher import Dispatcher
from tools.platform.enrol_desk import EnrolDesk
from tools.platform.errors import PlatformError
from tools.platform.evidence import Judge
from tools.platform.ingest import Ingest
from tools.platform.issuers import trust_in
from tools.platform.key_files import make_private_directory, write_private
from tools.platform.publisher import Publisher
from tools.platform.registrar import CERTIFYING, ENROLLING, Registrar
from tools.platform.shards import EVERY
from tools.platform.store import Store, sqlite_url

_READY_TIMEOUT_S = 15.0
_SUPERVISION_S = 0.5
_LOCK_TRIES = 20
_LOCK_POLL_S = 0.05

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """Where a platform keeps its things below one directory."""

    directory: Path

    @property
    def keys(self) -> Path:
        """Of the certificate authority."""
        return self.directory / "keys"

    @property
    def broker(self) -> Path:
        """Of the private mosquitto."""
        return self.directory / "broker"

    @property
    def enrolment(self) -> Path:
        """Of the private mosquitto where boxes enrol."""
        return self.directory / "enrolment"

    @property
    def lock(self) -> Path:
        """Held by the platform that runs."""
        return self.directory / "lock"

    @property
    def bundles(self) -> Path:
        """What is given out to terminals."""
        return self.directory / "bundles"

    @property
    def endpoint(self) -> Path:
        """Where the broker was reached last, for further workers."""
        return self.directory / "endpoint"

    @property
    def enrol_endpoint(self) -> Path:
        """Where boxes enrol, for the codes that say so."""
        return self.directory / "enrol-endpoint"

    @property
    def database_url(self) -> str:
        """Of the database, unless another is given."""
        return sqlite_url(self.directory / "platform.db")


@dataclass(frozen=True)
class Settings:
    """`port` 0 chooses a free one. With `broker` (`mqtts://host:port`, several separated by commas) no
    mosquitto is started.

    `names` are host names under which terminals reach the private broker, beside localhost; `shards` is what it serves
    itself, beside other workers; `enrol_port` is where boxes enrol at a private broker of their own, `None`: nowhere;
    with `enrol_broker` one is there already, and this is where the platform connects to it.
    """

    port: int = 0
    listen: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    broker: str | None = None
    database: str | None = None
    shards: Sequence[str] = EVERY
    enrol_port: int | None = None
    enrol_broker: str | None = None


class Platform:
    """A running platform. Make it by `start`, end it by `stop` or as a context manager."""

    def __init__(
        self,
        lock: IO[bytes],
        authority: Authority,
        store: Store,
        broker: Broker | None,
        endpoints: Sequence[Endpoint],
        publisher: Publisher,
        enrolment: Broker | None,
        enrol_endpoint: Endpoint | None,
        shards: Sequence[str] = EVERY,
    ) -> None:
        self.authority = authority
        self.store = store
        self.broker = broker
        self.endpoint = endpoints[0]
        self._lock = lock
        self._publisher = publisher
        self.enrolment = enrolment
        desk = EnrolDesk(store, authority, publisher.store, _now_ms)
        self._registrars = [Registrar(endpoints, authority, desk, CERTIFYING)]
        if enrol_endpoint is not None:
            self._registrars.append(Registrar((enrol_endpoint,), authority, desk, ENROLLING))
        self._consumer = Consumer(endpoints, authority, ingest_of(store, authority), Share(0, shards))
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="platform-supervisor")

    @classmethod
    def start(cls, directory: Path, settings: Settings | None = None) -> Self:
        """Start the platform of `directory` and return when it consumes. Raises `PlatformError`."""
        settings = settings or Settings()
        layout = Layout(directory)
        outside = Endpoint.parse_all(settings.broker) if settings.broker else ()
        enrol_endpoint = Endpoint.parse(settings.enrol_broker) if settings.enrol_broker else None
        make_private_directory(directory)
        with ExitStack() as begun:
            lock = begun.enter_context(_take_lock(layout.lock))
            authority = Authority.init(layout.keys, settings.names)
            store = Store.open(settings.database or layout.database_url)
            begun.callback(store.close)
            with store.transaction() as transaction:
                transaction.forget_presence()
            broker = None if outside else Broker(layout.broker, authority, settings.port, settings.listen)
            enrolment = None
            if settings.enrol_port is not None and enrol_endpoint is None and broker is not None:
                enrolment = Broker(layout.enrolment, authority, settings.enrol_port, settings.listen, enrols=True)
            for each in filter(None, (broker, enrolment)):
                begun.callback(each.stop)
                each.start()
            endpoints = outside if broker is None else (broker.endpoint,)
            write_private(layout.endpoint, ",".join(map(str, endpoints)).encode())
            if enrolment is not None:
                enrol_endpoint = enrolment.inner
                write_private(layout.enrol_endpoint, str(enrolment.endpoint).encode())
            publisher = Publisher(endpoints, authority, layout.bundles, Dispatcher(store, _now_ms))
            shards = settings.shards
            platform = cls(lock, authority, store, broker, endpoints, publisher, enrolment, enrol_endpoint, shards)
            begun.pop_all()
        platform._run()
        return platform

    def stop(self) -> None:
        """Finish the message in hand, then end consumer, broker and database."""
        self._stopping.set()
        self._supervisor.join()
        self._publisher.stop()
        for registrar in self._registrars:
            registrar.stop()
        self._consumer.stop()
        for broker in filter(None, (self.broker, self.enrolment)):
            broker.stop()
        self.store.close()
        self._lock.close()

    def wait_until_ready(self, timeout_s: float = _READY_TIMEOUT_S) -> bool:
        """Wait until the platform consumes, as after the broker was started again."""
        return self._consumer.wait_until_ready(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        self._consumer.start()
        self._publisher.start()
        for registrar in self._registrars:
            registrar.start()
        self._supervisor.start()
        if not self.wait_until_ready(_READY_TIMEOUT_S):
            self.stop()
            raise PlatformError(
                say(
                    f"无法连接消息服务器 {self.endpoint}：请检查地址、端口，以及它是否使用本平台的证书。",
                    f"Cannot work with the broker {self.endpoint}: "
                    "check the address, the port, and that it uses this platform's certificates.",
                )
            )

    def _supervise(self) -> None:
        revoked = self._revoked()
        while not self._stopping.wait(_SUPERVISION_S):
            try:
                for broker in filter(None, (self.broker, self.enrolment)):
                    if broker.revive():
                        log.warning("mosquitto had ended by itself and was started again")
                if self.broker is not None and revoked != self._revoked():
                    revoked = self._revoked()
                    self.broker.restart()  # mosquitto reads the list when it starts, and keeps who is connected
                    log.info("mosquitto was started again, by the new list of revoked certificates")
            except PlatformError as error:
                log.error("%s", error)  # noqa: TRY400 - a sentence for the operator

    def _revoked(self) -> tuple[str, ...]:
        return tuple(sorted(path.name for path in self.authority.revoked.glob("*.pem")))


def ingest_of(store: Store, authority: Authority) -> Ingest:
    """What takes the terminals' messages, with the platform's keys and those of its terminals and issuers."""
    judge = Judge(authority.load_sealing_key(), trust_in(authority.issuers), authority.load_former_sealing_keys())
    return Ingest(store, Es256Signer(authority.load_ack_key()), _now_ms, authority.checkpoint_keys, judge)


def is_running(directory: Path) -> bool:
    """Whether the platform of a directory runs; one that was killed does not."""
    try:
        with Layout(directory).lock.open("rb") as lock:
            return not _try_lock(lock)
    except OSError:
        return False


def _take_lock(path: Path) -> IO[bytes]:
    """One platform a directory: a second one would take the first one's broker for an orphan."""
    lock = path.open("ab")
    for _ in range(_LOCK_TRIES):  # `is_running` holds it for a moment
        if _try_lock(lock):
            return lock
        time.sleep(_LOCK_POLL_S)
    lock.close()
    raise PlatformError(
        say(
            f"{path.parent} 的平台已在运行：请先停止它，或用 --dir 另选目录。",
            f"The platform of {path.parent} is running already: stop it first, or choose another --dir.",
        )
    )


def _try_lock(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
