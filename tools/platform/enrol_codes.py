"""Makes enrolment codes: the row that the platform keeps, and the text that the technician carries."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent import config, cose
from agent.enrolment import code as enrol_code
from agent.sync.contract.enrol import MAX_CONFIGURATION_CHARS, EnrolCode
from agent.yaml_file import YamlError, parse_yaml
from tools.cli.presets import preset_text
from tools.cli.words import say
from tools.platform.broker import Endpoint
from tools.platform.ca import Authority, check_name
from tools.platform.enrolments import Stage
from tools.platform.errors import PlatformError
from tools.platform.service import Layout

_ID_BYTES = 8


@dataclass(frozen=True)
class Wanted:
    """What the operator asks a code for."""

    terminal: str
    site: str | None
    profile: str | None
    file: Path | None
    """The configuration for the box; without one it gets the profile's preset, and without a profile none."""
    life_ms: int
    confirms: bool
    replaces: bool
    closes: bool
    text: str | None = None
    """The configuration itself, where it is the former box's."""


@dataclass(frozen=True)
class Brokers:
    """Where terminals connect, and where boxes enrol, as they reach it themselves."""

    terminals: Endpoint
    enrol: Endpoint

    @classmethod
    def of(cls, layout: Layout, host: str | None, enrol_port: int | None) -> Brokers:
        """Where the platform ran last; `host` where terminals know it by another name. Raises `PlatformError`."""
        try:
            terminals = Endpoint.parse_all(layout.endpoint.read_text(encoding="utf-8").strip())[0]
            if enrol_port is None:
                enrol_port = Endpoint.parse(layout.enrol_endpoint.read_text(encoding="utf-8").strip()).port
        except OSError as error:
            raise PlatformError(
                say(
                    "平台没有在此目录运行过，或没有开放注册端口："
                    "请先运行 onecard platform run，或用 --enrol-port 给出端口。",
                    "The platform never ran in this directory, or opens no port for enrolment:"
                    " run `onecard platform run` first, or name the port with --enrol-port.",
                )
            ) from error
        name = host or terminals.host
        return cls(Endpoint(name, terminals.port), Endpoint(name, enrol_port))


def like_the_former(wanted: Wanted, former: sa.Row[Any]) -> Wanted:
    """What the operator leaves unsaid is as it was: the site, and of another box in its place the configuration too.

    Without its site the new box would hear no list of the site, and take no configuration that the platform has for it.
    """
    wanted = replace(wanted, site=wanted.site or former.site)
    if not wanted.closes or wanted.file is not None or wanted.profile is not None:
        return wanted
    return replace(wanted, profile=former.profile, text=former.configuration)


def new_row(wanted: Wanted, brokers: Brokers, now_ms: int) -> dict[str, object]:
    """The row of a new code. Raises `PlatformError`."""
    check_name(wanted.terminal)
    return {
        "id": secrets.token_hex(_ID_BYTES),
        "terminal": wanted.terminal,
        "site": wanted.site,
        "profile": wanted.profile,
        "configuration": _configuration(wanted, brokers.terminals),
        "stage": Stage.OPEN.value,
        "confirms": wanted.confirms,
        "replaces": wanted.replaces,
        "closes": wanted.closes,
        "created_ms": now_ms,
        "expires_ms": now_ms + wanted.life_ms,
    }


def text_of(row: Mapping[str, Any] | sa.RowMapping, authority: Authority, endpoint: Endpoint) -> str:
    """The code of a row. Raises `PlatformError`."""
    root = authority.load_root()
    answers = authority.load_ack_key().public_key()
    issuer, _ = authority.load_authority()
    code = EnrolCode(
        id=row["id"],
        secret=authority.secret_of(row["id"]),
        terminal=row["terminal"],
        expires_ms=row["expires_ms"],
        host=endpoint.host,
        port=endpoint.port,
        root=_point(root.public_key()),
        answers=_point(answers),
        authority=_key_of(issuer),
        site=row["site"],
        profile=row["profile"],
    )
    return enrol_code.write(code, cose.Es256Signer(root))


def _configuration(wanted: Wanted, broker: Endpoint) -> str | None:
    """The configuration that goes to the box, complete but for where it keeps its state. Raises `PlatformError`."""
    if wanted.text is None and wanted.file is None and wanted.profile is None:
        return None
    source = wanted.terminal if wanted.text else str(wanted.file or wanted.profile)
    try:
        document = parse_yaml(wanted.text or _read(wanted))
    except (OSError, YamlError, UnicodeDecodeError) as error:
        raise PlatformError(say(f"{source} 无法读取。", f"{source} cannot be read.")) from error
    if not isinstance(document, dict):
        raise PlatformError(say(f"{source} 不是配置。", f"{source} is no configuration."))
    for key in ("terminal", "platform"):
        if not isinstance(document.get(key) or {}, dict):
            raise PlatformError(say(f"{source}：{key} 应为一组键值。", f"{source}: {key} must be a mapping."))
    own = {"id": wanted.terminal, "state_dir": "state"} | ({"site": wanted.site} if wanted.site else {})
    document["terminal"] = (document.get("terminal") or {}) | own
    document["platform"] = (document.get("platform") or {}) | {"host": broker.host, "port": broker.port}
    made = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    try:
        config.parse(made, source, Path())
    except config.ConfigError as error:
        raise PlatformError(str(error)) from error
    if len(made) > MAX_CONFIGURATION_CHARS:
        raise PlatformError(say(f"{source} 太长。", f"{source} is too long."))
    return made


def _read(wanted: Wanted) -> str:
    return wanted.file.read_text(encoding="utf-8") if wanted.file else preset_text(wanted.profile or "")


def _key_of(certificate: x509.Certificate) -> bytes:
    public = certificate.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise PlatformError(say("平台的 CA 不是椭圆曲线密钥。", "The platform's CA has no elliptic-curve key."))
    return _point(public)


def _point(public: ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
