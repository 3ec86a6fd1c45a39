"""The steps from a bare box to a terminal that reports to its platform, each safe to repeat; docs/enrolment.md."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from agent.bundles.incoming import Incoming
from agent.clock import SystemRandom
from agent.composition import keys_dir
from agent.config import ConfigError, Resolved, load, parse
from agent.enrolment import code as enrol_code
from agent.enrolment.errors import EnrolError, EnrolFault
from agent.enrolment.exchange import exchange
from agent.enrolment.journey import Journey, Pending
from agent.enrolment.note import enrolled
from agent.private_files import KeyStoreError
from agent.sync.contract.enrol import EnrolCode, Enrolment, fingerprint
from agent.words import say, why_en, why_zh
from agent.yaml_file import YamlError, parse_yaml
from drivers.virtual.place import PLACE
from offline_store.errors import Locked
from offline_store.lock import take_lock
from offline_store.whole_file import replace_whole
from tools.cli.bench_process import BenchError, running_devices
from tools.cli.terminal_process import TerminalProcess
from tools.owner import Owner

READY_S = 60.0
REPORTS_S = 40.0


class Step(Enum):
    """In this order."""

    CODE = ("code", "注册码", "the code")
    KEYS = ("keys", "生成密钥", "the box's own keys")
    ASK = ("ask", "向平台申请", "ask the platform")
    CONFIGURE = ("configure", "写入配置", "the configuration")
    INSTALL = ("install", "安装证书、密钥和名单", "certificate, keys and lists")
    TEST = ("test", "试运行：设备与平台", "try it: devices and platform")

    def __init__(self, code: str, zh: str, en: str) -> None:
        self.code = code
        self.zh = zh
        self.en = en


class StepFailed(Exception):
    """A step that did not come about; what to do stands in the words of the cause."""

    def __init__(self, step: Step, code: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.step = step
        self.code = code
        self.zh = zh
        self.en = en


@dataclass(frozen=True)
class Plan:
    """What the technician wants."""

    config: Path
    state_dir: Path
    roots: frozenset[bytes] = frozenset()
    """The roots that the box's package trusts, by ``kid``; none: it believes the code."""
    patience_s: float = 600.0
    overwrite: bool = False
    fresh_keys: bool = False
    tests: bool = True
    virtual: bool = False
    owner: Owner | None = None
    """The terminal's user, as whom root acts."""


@dataclass
class Provisioning:
    """One run. ``done`` hears of each step that came about, ``waits`` of a fingerprint that is to be confirmed."""

    plan: Plan
    done: Callable[[Step, Mapping[str, Any]], None]
    waits: Callable[[str], None]
    _journey: Journey = field(init=False)

    def __post_init__(self) -> None:
        self._journey = Journey(keys_dir(self.plan.state_dir))

    def pending(self) -> EnrolCode | None:
        """The code of an earlier run that did not come to its end."""
        pending = self._journey.pending()
        return None if pending is None else pending.code

    def run(self, text: str | None) -> None:
        """All steps; ``text`` is the code, ``None`` the one of the earlier run. Raises :class:`StepFailed`."""
        pending = self._in(Step.CODE, lambda: self._code(text))
        if isinstance(pending, str):
            self._try_it()
            return
        code, text = pending
        begun = self._in(Step.KEYS, lambda: self._begin(code, text))
        enrolment, issued_ms = self._in(Step.ASK, lambda: self._ask(begun))
        self._in(Step.CONFIGURE, lambda: self._configure(enrolment))
        self._in(Step.INSTALL, lambda: self._install(enrolment, issued_ms, code))
        self._try_it()

    def _try_it(self) -> None:
        if self.plan.tests:
            self._in(Step.TEST, self._test)

    def _code(self, text: str | None) -> tuple[EnrolCode, str] | str:
        """The code and its text; or the terminal's name, where this very code has made it a terminal already."""
        pending = self._journey.pending()
        if text is None and pending is not None:
            self.done(Step.CODE, {"terminal": pending.code.terminal, "id": pending.code.id})
            return pending.code, self._journey.code_text()
        code = enrol_code.read(text or "", self.plan.roots or self._journey.roots())
        self.done(Step.CODE, {"terminal": code.terminal, "id": code.id, "site": code.site, "broker": code.host})
        note = enrolled(keys_dir(self.plan.state_dir))
        if pending is None and note is not None and note.code == code.id:
            return code.terminal
        return code, text or ""

    def _wipe(self, code: EnrolCode) -> None:
        """Destroy the keys, but under no running terminal. Raises :class:`Locked`.

        Those that an earlier run made for this very code stay: the platform answers a code to the keys that asked with
        it first, and to no others.
        """
        pending = self._journey.pending()
        if os.path.lexists(keys_dir(self.plan.state_dir)) and (pending is None or pending.code != code):
            lock = take_lock(self.plan.state_dir)
            try:
                self._journey.store.wipe()
            finally:
                os.close(lock)

    def _begin(self, code: EnrolCode, text: str) -> Pending:
        if self.plan.fresh_keys:
            self._wipe(code)
        pending = self._journey.begin(text, code, SystemRandom())
        bound_to = self._journey.store.bound_to()
        told = {"fingerprint": fingerprint(pending.asked.encode()), "bound_to": list(bound_to)}
        self.done(Step.KEYS, told)
        return pending

    def _ask(self, pending: Pending) -> tuple[Enrolment, int]:
        shown = fingerprint(pending.asked.encode())
        granted = exchange(pending.code, pending.asked, self.plan.patience_s, lambda: self.waits(shown))
        enrolment = self._journey.open(pending, granted)
        self.done(Step.ASK, {"terminal": enrolment.terminal})
        return enrolment, granted.issued_ms

    def _configure(self, enrolment: Enrolment) -> None:
        path = self.plan.config
        if path.exists() and not self.plan.overwrite:
            _check_fits(path, enrolment, self.plan.state_dir)
            self.done(Step.CONFIGURE, {"file": str(path), "kept": True})
            return
        if enrolment.configuration is None:
            raise EnrolError(
                EnrolFault.CONFIGURATION,
                say(f"平台没有下发配置，{path} 也不存在", f"the platform gives none, and there is no {path}"),
            )
        text, owner = _placed(enrolment.configuration, self.plan.state_dir), self.plan.owner
        with nullcontext() if owner is None else owner.as_root():
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_whole(path, text.encode(), 0o640, None if owner is None else owner.root_and_group)
        load(path)
        self.done(Step.CONFIGURE, {"file": str(path), "kept": False})

    def _install(self, enrolment: Enrolment, issued_ms: int, code: EnrolCode) -> None:
        self._journey.install(enrolment, issued_ms, code.id)
        incoming = Incoming(self.plan.state_dir)
        incoming.make()
        for number, bundle in enumerate(enrolment.bundles):
            incoming.bring(bundle, f"enrolment-{number}")
        self._journey.end()
        self.done(Step.INSTALL, {"bundles": len(enrolment.bundles)})

    def _test(self) -> None:
        """Start the terminal: its devices have to be ready, and the platform to acknowledge its first record."""
        with ExitStack() as stack:
            owner = self.plan.owner
            user = None if owner is None else (owner.uid, owner.gid)
            if self.plan.virtual and owner is not None:
                stack.enter_context(_place_of_its_own())
            environment = dict(os.environ)
            if self.plan.virtual:
                environment |= stack.enter_context(_virtual_devices(load(self.plan.config), user))
            terminal = stack.enter_context(TerminalProcess(self.plan.config, environment, user=user))
            if terminal.wait_for(lambda line: line.get("event") == "ready", READY_S) is None:
                raise StepFailed(Step.TEST, "not-ready", *_last_error(terminal.lines))
            reports = terminal.wait_for(lambda line: line.get("event") == "acknowledged", REPORTS_S) is not None
            states = {line["device"]: line for line in terminal.lines if line.get("event") == "device"}
        failed = {name: line for name, line in states.items() if line.get("state") != "ready"}
        if failed:
            raise StepFailed(Step.TEST, "devices", *_devices_words(failed))
        if not reports:
            raise StepFailed(
                Step.TEST,
                "no-report",
                "终端已启动，但平台没有确认收到；请检查网络，查看 onecard status，然后再运行一次本命令",
                "it runs, and the platform acknowledges nothing; check the network, see `onecard status`,"
                " and run this command again",
            )
        self.done(Step.TEST, {"devices": sorted(states), "reports": True})

    def _in(self, step: Step, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except EnrolError as error:
            raise StepFailed(step, error.fault.code, error.zh, error.en) from error
        except KeyStoreError as error:
            raise StepFailed(step, "key-store", error.zh, error.en) from error
        except Locked as error:
            raise StepFailed(step, "running", error.zh, error.en) from error
        except ConfigError as error:
            raise StepFailed(step, "configuration", str(error), str(error)) from error
        except OSError as error:
            where = error.filename or self.plan.state_dir
            raise StepFailed(step, "disk", f"{where}：{why_zh(error)}", f"{where}: {why_en(error)}") from error


@contextmanager
def _place_of_its_own() -> Iterator[None]:
    """Virtual devices in a new directory of whoever this process acts as: root's usual place is closed to that user."""
    before = os.environ.get(PLACE)
    with tempfile.TemporaryDirectory(prefix="onecard-trial-") as place:
        os.environ[PLACE] = place
        try:
            yield
        finally:
            os.environ.pop(PLACE)
            if before is not None:
                os.environ[PLACE] = before


@contextmanager
def _virtual_devices(resolved: Resolved, user: tuple[int, int] | None) -> Iterator[Mapping[str, str]]:
    """What the terminal needs to find them. Raises :class:`StepFailed`."""
    with ExitStack() as stack:
        try:
            devices = stack.enter_context(running_devices(resolved, user=user))
        except BenchError as error:
            raise StepFailed(
                Step.TEST,
                "virtual-devices",
                f"{error.message}；或加 --no-test 略过试运行",
                f"{error.message}; or leave the trial out with --no-test",
            ) from error
        yield devices.environment


def _check_fits(path: Path, enrolment: Enrolment, state_dir: Path) -> None:
    """A configuration that somebody made stays; it must be this terminal's. Raises :class:`EnrolError`."""
    terminal = load(path).config.terminal
    platform = load(path).config.platform
    for key, said, right in (
        ("terminal.id", terminal.id, enrolment.terminal),
        ("terminal.site", terminal.site, enrolment.site or terminal.site),
        ("terminal.state_dir", str(terminal.state_dir.resolve()), str(state_dir.resolve())),
    ):
        if said != right:
            zh, en = f"{path}：{key} 应为 {right}，现为 {said}", f"{path}: {key} should be {right}, and is {said}"
            raise EnrolError(EnrolFault.CONFIGURATION, say(zh, en))
    if platform is None:
        zh, en = f"{path} 缺少 platform 一节", f"{path} has no section platform"
        raise EnrolError(EnrolFault.CONFIGURATION, say(zh, en))


def _placed(configuration: str, state_dir: Path) -> str:
    """The platform's configuration with this box's own directory. Raises :class:`EnrolError`."""
    try:
        document = parse_yaml(configuration)
    except YamlError as error:
        raise EnrolError(EnrolFault.CONTENT, say(error.zh, error.en)) from error
    if not isinstance(document, dict) or not isinstance(document.get("terminal"), dict):
        raise EnrolError(EnrolFault.CONTENT)
    document["terminal"]["state_dir"] = str(state_dir.resolve())
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    parse(text, "configuration", state_dir)
    return text


def _last_error(lines: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    """What the terminal said last before it did not become ready."""
    said = [line for line in lines if line.get("level") in ("error", "warning") or "level" not in line]
    last = said[-1] if said else {}
    why = str(last.get("detail") or last.get("event") or "")
    return (
        f"终端没有就绪：{why}；请按提示修正，然后再运行一次本命令",
        f"the terminal does not become ready: {why}; mend that, and run this command again",
    )


def _devices_words(failed: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    told = [f"{name} ({line.get('reason') or line.get('state')})" for name, line in sorted(failed.items())]
    return (
        f"设备没有就绪：{'、'.join(told)}；请检查电源、接线和端口，然后再运行一次本命令",
        f"devices that do not answer: {', '.join(told)}; check power, wires and ports, and run this command again",
    )
