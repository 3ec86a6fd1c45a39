"""The way to the platform's brokers: each step named, with the certificates of both sides."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from agent.keys import FileKeyStore, KeyStoreError
from agent.sync.connection import tls_context
from agent.sync.faults import LinkError, LinkFault
from agent.sync.link import BrokerAddress, LinkPhase, LinkSettings
from agent.sync.probe import Passed, Step, Way, walk
from profiles.reasons import Sentence
from tools.cli.times import local
from tools.doctor.finding import Finding, Verdict, fail, ok, unknown, warn
from tools.doctor.patient import Patient

_TIMEOUT_S = 2.5
_MOST_BROKERS = 3
_SOON_MS = 14 * 86_400_000
_ENROL = Sentence("为终端重新注册，换发证书", "enrol the terminal anew: it needs another certificate")
_REMEDIES = {
    LinkFault.NO_NAME: Sentence(
        "检查 DNS：resolvectl query 主机名；或核对 platform.host", "check DNS: resolvectl query HOST; or platform.host"
    ),
    LinkFault.UNREACHABLE: Sentence(
        "检查网线、网关和防火墙，核对 platform.host 与 port",
        "check cable, gateway and firewall, and platform.host and port",
    ),
    LinkFault.SILENT: Sentence("检查网络和防火墙：数据包没有回音", "check network and firewall: nothing comes back"),
    LinkFault.UNTRUSTED: Sentence(
        "核对 platform.host；若平台换了机构，请换 keys/ca.pem（重新注册）",
        "check platform.host; if the platform has a new authority, it needs another keys/ca.pem: enrol anew",
    ),
    LinkFault.WRONG_NAME: Sentence(
        "把 platform.host 改为证书中的名字", "let platform.host name the broker as its certificate does"
    ),
    LinkFault.EXPIRED: Sentence(
        "先核对终端时间（timedatectl）；时间无误时请平台换发服务器证书",
        "check the terminal's time first (timedatectl); if it is right, the platform renews the broker's certificate",
    ),
    LinkFault.REFUSED: Sentence(
        "请平台确认本终端未被停用；然后重新注册，换发证书",
        "ask the platform whether this terminal is revoked; then enrol it anew",
    ),
    LinkFault.VERSION: Sentence("请平台启用 MQTT 5 或 3.1.1", "the broker has to speak MQTT 5 or 3.1.1"),
}
_LOOK = Sentence("请平台查看消息服务器的日志", "look at the broker's log")


def route(patient: Patient) -> Iterator[Finding]:
    """One line a step and broker."""
    settings = patient.config.platform
    link = None if patient.standing is None else patient.standing.link
    if settings is None and link is not None:  # it was given at the start: onecard run --local-platform
        yield _told(link.phase, link.fault, link.host)
        return
    if settings is None:
        yield unknown("route", "未配置平台（platform:）", "no platform is configured (`platform:`)")
        return
    try:
        tls = _tls(patient, settings)
    except (KeyStoreError, LinkError) as error:
        yield fail("route.tls", "no-credentials", Sentence(error.zh, error.en), _ENROL)
        return
    reached = False
    for number, broker in enumerate(settings.brokers[:_MOST_BROKERS]):
        lines = list(_broker(patient, settings, broker, number, tls))
        reached |= lines[-1].verdict is not Verdict.FAIL
        yield from lines
        if reached:
            break


def _tls(patient: Patient, settings: LinkSettings) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    return tls_context(patient.config.terminal.id, FileKeyStore(patient.keys_dir).tls_files())


def _broker(
    patient: Patient, settings: LinkSettings, broker: BrokerAddress, number: int, tls: ssl.SSLContext | None
) -> Iterator[Finding]:
    about = f"{broker.host}:{broker.port}"
    timeout_s = min(_TIMEOUT_S, settings.connect_timeout_s)
    speaks = None if patient.runs else patient.config.terminal.id
    for passed in walk(Way(broker.host, broker.port, tls, timeout_s, speaks)):
        yield _step(passed, about)
        if passed.broker_until is not None:
            yield from _broker_certificate(patient, passed.broker_until, about)
    link = None if patient.standing is None else patient.standing.link
    if link is not None and link.broker == number:
        yield _told(link.phase, link.fault, about)


def _step(passed: Passed, about: str) -> Finding:
    check = f"route.{passed.step.value}"
    if passed.fault is None:
        return ok(check, f"正常（{passed.took_ms} 毫秒）", f"works ({passed.took_ms} ms)", about)
    zh, en = (f"（{passed.detail}）", f" ({passed.detail})") if passed.detail else ("", "")
    said = Sentence(f"{passed.fault.zh}{zh}", f"{passed.fault.en}{en}")
    return fail(check, passed.fault.code, said, _REMEDIES.get(passed.fault, _LOOK), about)


def _broker_certificate(patient: Patient, until: str, about: str) -> Iterator[Finding]:
    left_ms = round(ssl.cert_time_to_seconds(until) * 1000) - patient.moment().now_ms
    if left_ms < _SOON_MS:
        said = Sentence(
            f"平台服务器的证书将于 {local(patient.moment().now_ms + left_ms)} 到期",
            f"the broker's certificate ends at {local(patient.moment().now_ms + left_ms)}",
        )
        remedy = Sentence("请平台换发服务器证书", "the platform has to renew the broker's certificate")
        yield warn("route.tls", "ends-soon", said, remedy, about)


def _told(phase: LinkPhase, fault: str | None, about: str) -> Finding:
    """Of a running agent: whether its own connection stands. To log in beside it would throw it out."""
    check = f"route.{Step.MQTT.value}"
    if phase is LinkPhase.UP:
        return ok(check, "已连接（终端报告）", "connected, as the agent says", about)
    known = next((each for each in LinkFault if each.code == fault), None)
    if known is None:
        return unknown(check, "正在连接", "it is connecting", about)
    return fail(check, known.code, Sentence(known.zh, known.en), _REMEDIES.get(known, _LOOK), about)
