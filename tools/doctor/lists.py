"""What ends by itself: the terminal's certificate, and the signed lists that decisions go by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from agent.bundles.install import Shelf
from agent.bundles.manifest import Kind, Manifest
from agent.credentials.trust import Freshness
from agent.keys import FileKeyStore, KeyStoreError
from agent.sync.contract.errors import ContractError
from offline_store.bundles import InstalledBundle, installed
from offline_store.errors import StoreError
from profiles.reasons import Sentence, counted
from tools.cli.times import local
from tools.doctor.finding import Finding, fail, ok, unknown, warn
from tools.doctor.patient import Patient

_DAY_MS = 86_400_000
_SOON_DAYS = 30
_ENROL = Sentence("为终端重新注册，换发证书", "enrol the terminal anew: it needs another certificate")
_FETCH = Sentence(
    "恢复到平台的网络，或用 U 盘安装新的：onecard trust install",
    "restore the network, or install a newer one: onecard trust install",
)


def certificate(patient: Patient) -> Iterator[Finding]:
    """The terminal's own certificate and its authority's."""
    if patient.config.platform is None or not patient.config.platform.tls:
        return
    try:
        files = FileKeyStore(patient.keys_dir).tls_files()
        own = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        authority = x509.load_pem_x509_certificate(files.ca.read_bytes())
    except KeyStoreError as error:
        yield fail("certificate", "not-usable", Sentence(error.zh, error.en), _ENROL)
        return
    except (OSError, ValueError) as error:
        said = Sentence("证书无法识别", f"the certificate cannot be read ({type(error).__name__})")
        yield fail("certificate", "unreadable", said, _ENROL)
        return
    names = [str(name.value) for name in own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [patient.config.terminal.id]:
        said = Sentence("证书是另一个终端的", f"the certificate is not of {patient.config.terminal.id}")
        yield fail("certificate", "other-terminal", said, _ENROL)
    now_ms = patient.moment().now_ms
    yield _term("tls.pem", own.not_valid_before_utc, own.not_valid_after_utc, now_ms)
    yield _term("ca.pem", authority.not_valid_before_utc, authority.not_valid_after_utc, now_ms)


def _term(about: str, begins: datetime, ends: datetime, now_ms: int) -> Finding:
    begins_ms, ends_ms = round(begins.timestamp() * 1000), round(ends.timestamp() * 1000)
    left_days = (ends_ms - now_ms) // _DAY_MS
    if now_ms >= ends_ms:
        said = Sentence(f"证书已于 {local(ends_ms)} 到期", f"the certificate ended at {local(ends_ms)}")
        return fail("certificate", "expired", said, _ENROL, about)
    if now_ms < begins_ms:
        said = Sentence(f"证书自 {local(begins_ms)} 起有效", f"the certificate holds from {local(begins_ms)} on")
        remedy = Sentence("核对终端时间：timedatectl", "check the terminal's time: timedatectl")
        return fail("certificate", "not-yet-valid", said, remedy, about)
    if left_days < _SOON_DAYS:
        said = Sentence(f"证书还有 {left_days} 天到期", f"the certificate ends in {counted(left_days, 'day')}")
        return warn("certificate", "ends-soon", said, _ENROL, about)
    return ok(
        "certificate", f"证书还有 {left_days} 天", f"the certificate holds for {counted(left_days, 'day')}", about
    )


def lists(patient: Patient) -> Iterator[Finding]:
    """One line a list."""
    try:
        rows = installed(patient.state_dir)
    except StoreError:
        return  # the check of the file says what is wrong with it
    if not rows:
        yield unknown("list", "没有安装数据包", "no signed list is installed")
    shelf, now_ms = Shelf(patient.state_dir), patient.moment().now_ms
    for row in rows:
        yield _list(row, shelf, now_ms)
    takes_codes = any(hasattr(settings, "symbologies") for settings in patient.used_devices.values())
    if takes_codes and all(row.name != Kind.TRUST.value for row in rows):
        said = Sentence("没有信任列表：所有市民码都会被拒绝", "there is no trust list: every citizen code is refused")
        yield warn("list", "no-trust", said, _FETCH, Kind.TRUST.value)


def _list(row: InstalledBundle, shelf: Shelf, now_ms: int) -> Finding:
    try:
        manifest = Manifest.decode(row.manifest)
        with shelf.path(manifest).open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").digest() == manifest.content_sha256
    except (ContractError, OSError):
        whole = False
    if not whole:
        said = Sentence("文件损坏或缺失，不生效", "its file is damaged or missing: it is not in force")
        return fail("list", "damaged", said, _FETCH, row.name)
    expiry = manifest.term.expiry(now_ms)
    age_days = expiry.age_ms // _DAY_MS
    if expiry.freshness is Freshness.EXPIRED:
        said = Sentence(f"已过期（{age_days} 天前签发）", f"is expired, issued {counted(age_days, 'day')} ago")
        return fail("list", "expired", said, _FETCH, row.name)
    if expiry.freshness is Freshness.IN_GRACE:
        said = Sentence(
            f"已过期，宽限至 {local(expiry.ends_ms)}", f"is over and in its grace until {local(expiry.ends_ms)}"
        )
        return warn("list", "in-grace", said, _FETCH, row.name)
    return ok(
        "list",
        f"第 {row.version} 版，{age_days} 天前签发",
        f"version {row.version}, {counted(age_days, 'day')} old",
        row.name,
    )
